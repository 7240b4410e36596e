"""Surrogate encoders: networks that perturbations are made against, and proof that the attacker's is none of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.encoders import Encoder, FingerprintEncoder, ForensicEncoder
from morelli.encoders._one_block import OneBlock
from morelli.encoders.joint import JointEncoder
from morelli.encoders.pretrained import OnnxEncoder, Preprocessing, Sightings, TransformersEncoder, transformers_encoder
from morelli.errors import MorelliError
from morelli.leaderboard.defence.differentiable import resized_for
from morelli.networks.devices import choose_device
from morelli.networks.loading import require_libraries, told
from morelli.networks.onnx_files import read_onnx
from morelli.networks.places import Place

__all__ = ["SurrogateEncoder", "check_held_out", "held_out", "shared_tensors", "tensors_of"]

_LEAST = 16
"""Smaller tensors, as scales and counters, may be equal by chance."""


class SurrogateEncoder:
    """A torch network from pixels to unit vectors that gradients pass through.

    Parameters
    ----------
    module : torch.nn.Module
        Becomes a network that is not trained: evaluation mode, no gradients of weights.
    preprocessing : Preprocessing
        What makes its input of an image.
    name : str, default "surrogate"
    read : callable, optional
        ``read(module, values)`` gives vectors (n, d) of inputs (n, 3, size, size); by default the module is called with
        them, and its result is flattened.
    device : {"auto", "cpu", "cuda"}

    Attributes
    ----------
    name, device : str

    Raises
    ------
    MissingExtraError
        torch is not installed.
    MorelliError
        There is no such device.
    """

    def __init__(
        self,
        module: Any,
        preprocessing: Preprocessing,
        *,
        name: str = "surrogate",
        read: Callable[[Any, Any], Any] | None = None,
        device: str = "auto",
    ) -> None:
        (torch,) = require_libraries("A surrogate encoder", "torch")
        self.device = choose_device(torch, device)
        # Full precision also on CUDA: gradients of a cosine near 1 vanish in half.
        self.module = module.to(self.device).float().eval().requires_grad_(False)
        self.preprocessing, self.name = preprocessing, name
        self._read = read or _called

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str] | Place, *, device: str = "auto") -> SurrogateEncoder:
        """Load a network in the format of the hub: CLIP, SigLIP, DINOv2, DINOv3 or ConvNeXt.

        Parameters
        ----------
        folder : path-like or Place
            Holds ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``; nothing is downloaded.
        device : {"auto", "cpu", "cuda"}

        Raises
        ------
        MissingExtraError
            torch or transformers are not installed.
        MorelliError
            The folder holds no such network.
        """
        torch, _ = require_libraries("A surrogate encoder", "torch", "transformers")
        where = folder.folder if isinstance(folder, Place) else Path(folder)
        name = folder.name if isinstance(folder, Place) else where.name
        if not where.is_dir():
            raise MorelliError(f"There is no folder {where}, and so no surrogate encoder in it.")
        place = choose_device(torch, device)
        whole = Sightings(crops=(), resized=(), embedding=True)
        # Its loading sets the number of torch's threads, which shall stay what it is.
        threads = int(torch.get_num_threads())
        encoder = transformers_encoder(where, taps=whole, name=name, threads=threads, device="cpu")
        return cls(encoder.network(), encoder.preprocessing, name=name, read=_embedded, device=place)

    @cached_property
    def tensors(self) -> frozenset[str]:
        """Hashes of all weights, see `tensors_of`."""
        return tensors_of(
            tensor.detach().cpu().float().numpy()
            for tensor in self.module.state_dict().values()
            if tensor.is_floating_point()
        )

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of what decides the vectors: the weights by name, and the preprocessing."""
        digest = hashlib.sha256(repr(sorted(self.preprocessing.to_dict().items())).encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            values = tensor.detach().cpu().numpy()
            digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def __call__(self, values: Any) -> Any:
        """Return unit vectors (n, d) of images, float32 (n, 3, height, width) from 0 to 255, on the device.

        Raises
        ------
        MorelliError
            The network fails on such images, or its vectors are not finite.
        """
        import torch

        with told(self.name, doing="fails on these images"):
            vectors = self._read(self.module, resized_for(values, self.preprocessing)).flatten(1)
        if not bool(torch.isfinite(vectors).all()):
            raise MorelliError(f"{self.name} gives vectors that are not finite; its weights may be damaged.")
        return torch.nn.functional.normalize(vectors, dim=1)

    def __repr__(self) -> str:
        return f"SurrogateEncoder({self.name!r}, {self.fingerprint})"


def tensors_of(arrays: Iterable[NDArray[Any]]) -> frozenset[str]:
    """Return the SHA-256 of each array of weights, as float32 and in either order of two axes.

    Arrays of fewer than 16 values, and those of one value throughout (as norms begin), say nothing and are left out.
    """
    hashes: set[str] = set()
    for array in arrays:
        values = np.asarray(array, dtype=np.float32)
        if values.size < _LEAST or not np.ptp(values):
            continue
        forms = [values.ravel()] if values.ndim != 2 else [values.ravel(), values.T.ravel()]
        hashes.update(hashlib.sha256(np.ascontiguousarray(form).tobytes()).hexdigest() for form in forms)
    return frozenset(hashes)


def shared_tensors(encoder: Encoder, surrogates: Sequence[SurrogateEncoder]) -> dict[str, int]:
    """Return how many hashes of weights each surrogate shares with an encoder, by the surrogate's name.

    Arrays are compared, and not files: a network that was converted or quantised keeps some of its arrays (biases,
    norms, position embeddings), and is found out by them.

    Parameters
    ----------
    encoder : Encoder
        The attacker's.
    surrogates : sequence of SurrogateEncoder

    Raises
    ------
    MorelliError
        It is of a kind whose weights cannot be looked at.
    """
    own = _weights_of(encoder)
    if own is None:
        raise MorelliError(f"The weights of {encoder.name} cannot be looked at, nor compared with a surrogate's.")
    return {surrogate.name: len(own & surrogate.tensors) for surrogate in surrogates}


def held_out(encoder: Encoder, surrogates: Sequence[SurrogateEncoder]) -> str:
    """Say whether an encoder is none of the surrogates: ``yes``, ``no``, or ``unknown`` where nobody can look."""
    own = _weights_of(encoder)
    if own is None:
        return "unknown"
    return "no" if any(own & surrogate.tensors for surrogate in surrogates) else "yes"


def check_held_out(encoder: Encoder, surrogates: Sequence[SurrogateEncoder]) -> None:
    """Refuse an attack encoder that a perturbation was made against: its accuracy would flatter the defence.

    Raises
    ------
    MorelliError
        A surrogate shares weights with it, or its weights cannot be looked at.
    """
    shared = {name: count for name, count in shared_tensors(encoder, surrogates).items() if count}
    if shared:
        raise MorelliError(
            f"The attack encoder {encoder.name} shares weights with the surrogate {', '.join(shared)}: attack with "
            "another encoder, or say that this is a white box, which is the best case of the defence."
        )


def _weights_of(encoder: Encoder) -> frozenset[str] | None:
    """Return the hashes of an encoder's weights, none where it has none; None where it is of a kind not known here."""
    if isinstance(encoder, JointEncoder):
        parts = [_weights_of(part) for part in encoder.parts]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None
    if isinstance(encoder, TransformersEncoder):
        state = encoder.network().state_dict()
        return tensors_of(tensor.float().cpu().numpy() for tensor in state.values() if tensor.is_floating_point())
    if isinstance(encoder, OnnxEncoder | FingerprintEncoder):
        from onnx import numpy_helper

        arrays = (numpy_helper.to_array(tensor) for tensor in read_onnx(encoder.path).graph.initializer)
        return tensors_of(array for array in arrays if np.issubdtype(array.dtype, np.floating))
    return frozenset() if isinstance(encoder, ForensicEncoder | OneBlock) else None


def _called(module: Any, values: Any) -> Any:
    return module(values)


def _embedded(module: Any, values: Any) -> Any:
    output = module(pixel_values=values)
    vectors = getattr(output, "image_embeds", None)
    return output.pooler_output if vectors is None else vectors
