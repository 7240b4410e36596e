"""Pretrained encoders in ONNX files, run by onnxruntime on the processor."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli.encoders.pretrained.base import PretrainedEncoder
from morelli.encoders.pretrained.spec import Preprocessing, PretrainedSpec, Sightings
from morelli.encoders.pretrained.store import sha256_of, weights_folder
from morelli.encoders.pretrained.taps import (
    EMBEDDING,
    TAPS_VERSION,
    check_input,
    tap_output,
    tapped_model,
    tokens_output,
)
from morelli.errors import MorelliError
from morelli.networks.onnx_files import first_line, open_session, read_onnx

__all__ = ["OnnxEncoder", "onnx_encoder"]

Float = NDArray[np.float32]
Plan = tuple[tuple[int, ...], bool]
"""Taps in ascending order, and whether the embedding is wanted: what one tapped file is made for."""

_MAX_PREFIX = 16
"""Tokens before those of the patches: a class token and a few registers."""


class OnnxEncoder(PretrainedEncoder):
    """An image encoder in an ONNX file.

    The file is cut after the last block that is measured, once: the result is kept beside it (or, where that folder
    cannot be written to, in the folder of weights) under a name that holds the hash of all that it depends on. Inputs
    are run one at a time: networks of 8-bit integers scale by the whole input, so that a batch would change the numbers
    of each image in it.

    Parameters
    ----------
    path : path-like
        The file.
    spec : PretrainedSpec
        Its name, preprocessing, and sum: another file is refused.
    sightings : Sightings, optional
        What is looked at; by default what the spec says.
    threads : int, default 1
        Of the network. Images are measured in several processes, which leave nothing for more.
    prefix_tokens : int, optional
        How many tokens stand before those of the patches; found out by default.

    Raises
    ------
    MorelliError
        The file is missing, or not the one that the spec is about; the spec has no preprocessing.
    """

    spec: PretrainedSpec

    def __init__(
        self,
        path: str | os.PathLike[str],
        spec: PretrainedSpec,
        *,
        sightings: Sightings | None = None,
        threads: int = 1,
        prefix_tokens: int | None = None,
    ) -> None:
        super().__init__(spec.name, sightings or spec.sightings)
        self.path, self.spec, self.threads, self.prefix_tokens = Path(path), spec, threads, prefix_tokens
        if spec.preprocessing is None:
            raise MorelliError(f"{spec.name} is an ONNX file, and nothing says how its input is made.")
        self._preprocessing = spec.preprocessing
        self.sha256 = sha256_of(self.path)
        if spec.sha256 is not None and self.sha256 != spec.sha256:
            raise MorelliError(
                f"{self.path} is not the file that belongs to {spec.name}: its SHA-256 is {self.sha256} instead of "
                f"{spec.sha256}. Fetch it again: morelli encoders fetch {spec.name}"
            )
        self._sessions: dict[Plan, Any] = {}

    @property
    def preprocessing(self) -> Preprocessing:
        """How pixels become the network's input."""
        return self._preprocessing

    def prepare(self) -> list[Path]:
        """Make the files that are run, where they are not there yet, and return their paths."""
        return [self._tapped(plan) for plan in dict.fromkeys(self._plans.values())]

    @cached_property
    def _plans(self) -> dict[str, Plan]:
        s = self.sightings
        plans: dict[str, Plan] = {"crops": (tuple(sorted(s.crops)), False)} if s.crops else {}
        if s.resized or s.embedding:
            plans["resized"] = (tuple(sorted(s.resized)), s.embedding)
        if len(plans) == 2 and not s.embedding and max(s.crops) == max(s.resized):
            both: Plan = (tuple(sorted({*s.crops, *s.resized})), False)  # one network in memory, not two
            plans = dict.fromkeys(plans, both)
        return plans

    def _weights(self) -> dict[str, Any]:
        return {
            "runtime": "onnx",
            "integers": "exact",
            "sha256": self.sha256,
            "taps": TAPS_VERSION,
            "prefix_tokens": self.prefix_tokens,
            "embedding": self.spec.embedding_output if self.sightings.embedding else None,
        }

    def _measure(self, inputs: list[Float], kind: str) -> list[dict[str, Float]]:
        plan = self._plans[kind]
        session = self._session(plan)
        taps = self.sightings.crops if kind == "crops" else self.sightings.resized
        outputs = {f"{kind}{tap}": tap_output(tap) for tap in taps}
        if plan[1]:
            outputs["embedding"] = EMBEDDING
        entry = session.get_inputs()[0]
        dtype = np.float16 if "float16" in entry.type else np.float32
        result = []
        for values in inputs:
            found = session.run(list(outputs.values()), {entry.name: values.astype(dtype, copy=False)})
            row = {name: np.asarray(value[0], dtype=np.float32) for name, value in zip(outputs, found, strict=True)}
            if "embedding" in row:
                row["embedding"] = row["embedding"] / max(float(np.linalg.norm(row["embedding"])), 1e-12)
            result.append(row)
        return result

    def _session(self, plan: Plan) -> Any:
        if plan not in self._sessions:
            self._sessions[plan] = open_session(self._tapped(plan), self.threads)
        return self._sessions[plan]

    def _tapped(self, plan: Plan) -> Path:
        """Return the file that is cut for a plan, after making it where it is not there."""
        settings = [self.sha256, plan, self.spec.embedding_output, self.prefix_tokens, self._preprocessing.size]
        text = json.dumps([*settings, TAPS_VERSION])
        name = f"{self.path.stem}.{hashlib.sha256(text.encode()).hexdigest()[:16]}.tapped.onnx"
        places = [self.path.with_name(name), weights_folder() / "tapped" / name]
        for place in places:
            if place.is_file():
                return place
        data = self._build(plan)
        for place in places:
            try:
                with atomic_path(place) as temporary:
                    temporary.write_bytes(data)
            except OSError as error:
                refused = error
                continue
            return place
        raise MorelliError(f"Neither {places[0].parent} nor {places[1].parent} can be written to.") from refused

    def _build(self, plan: Plan) -> bytes:
        taps, embedding = plan
        size = self._preprocessing.size
        model = read_onnx(self.path)
        check_input(model, self.path, size)
        name = (self.spec.embedding_output or "") if embedding else None
        try:
            tapped = tapped_model(model, taps, size=size, embedding=name, prefix=self.prefix_tokens)
        except MorelliError as error:
            raise MorelliError(f"{self.path}: {error}") from error
        data: bytes = tapped.SerializeToString()
        self._probe(data, taps)
        return data

    def _probe(self, data: bytes, taps: tuple[int, ...]) -> None:
        """Run the network once, to see that what was tapped are the tokens of patches."""
        session = open_session(data, self.threads)
        if not taps:
            return  # with no names at all every output would be computed
        entry = session.get_inputs()[0]
        size = self._preprocessing.size
        image = np.zeros((1, 3, size, size), dtype=np.float16 if "float16" in entry.type else np.float32)
        try:
            shapes = [
                value.tolist() for value in session.run([tokens_output(tap) for tap in taps], {entry.name: image})
            ]
        except Exception as error:  # onnxruntime's errors have no common class
            raise MorelliError(f"{self.path}: the network cannot be run. {first_line(error)}") from error
        for shape in shapes:
            good = len(shape) == 3 and shape[0] == 1
            if good and self.prefix_tokens is None:
                patches = self._patches(data)
                good = patches <= shape[1] <= patches + _MAX_PREFIX
            elif good:
                good = (self.prefix_tokens or 0) < shape[1]
            if not good:
                raise MorelliError(
                    f"{self.path}: after its blocks this network holds values of shape {shape}, not one token for each "
                    "patch; say how many tokens stand before those of the patches, with prefix_tokens, or use another."
                )

    def _patches(self, data: bytes) -> int:
        """Return how many patches were counted on."""
        import onnx

        graph = onnx.load_model_from_string(data).graph
        (start,) = (tensor for tensor in graph.initializer if tensor.name == "morelli/start")
        return -int(onnx.numpy_helper.to_array(start)[0])

    def __getstate__(self) -> dict[str, Any]:
        keep = ("_name", "sightings", "path", "spec", "threads", "prefix_tokens", "_preprocessing", "sha256")
        return {**{name: self.__dict__[name] for name in keep}, "_sessions": {}}

    def __repr__(self) -> str:
        return f"OnnxEncoder({str(self.path)!r}, {self.name!r}, {self.sightings})"


def onnx_encoder(
    path: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing,
    taps: Sightings,
    name: str | None = None,
    embedding_output: str | None = None,
    prefix_tokens: int | None = None,
    threads: int = 1,
) -> OnnxEncoder:
    """Make an encoder of any vision transformer in an ONNX file.

    Parameters
    ----------
    path : path-like
        The file: one input of shape (batch, 3, size, size), standard operators, weights inside.
    preprocessing : Preprocessing
        As the network was trained with; nothing in the file tells it.
    taps : Sightings
        What is measured.
    name : str, optional
        Of the encoder and, before a slash, of its families; the file's name by default.
    embedding_output : str, optional
        Name of the output that is the final embedding; the first one with two axes by default.
    prefix_tokens : int, optional
        How many tokens stand before those of the patches (a class token, registers); found out by default.
    threads : int, default 1
        Of the network, in each process.

    Returns
    -------
    OnnxEncoder

    Raises
    ------
    MorelliError
        The file is no ONNX, takes another input, refers to other files, has operators of its own, or no such blocks.

    Examples
    --------
    >>> onnx_encoder("vit.onnx", preprocessing=CLIP, taps=Sightings(crops=(4,), resized=(6,)))  # doctest: +SKIP
    """
    path = Path(path)
    spec = PretrainedSpec(
        name=name or path.stem,
        summary="An ONNX file.",
        licence="unknown",
        source=None,
        file=path.name,
        sha256=None,
        dim=0,
        bytes=0,
        preprocessing=preprocessing,
        sightings=taps,
        embedding_output=embedding_output,
    )
    encoder = OnnxEncoder(path, spec, threads=threads, prefix_tokens=prefix_tokens)
    encoder.prepare()  # here, where whoever named the file can be told what is wrong with it
    return encoder
