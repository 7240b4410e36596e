"""Does this machine measure what another did? Vectors that were kept for comparison, and what tells runtimes apart."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.pretrained.base import PretrainedEncoder, agreement
from morelli.encoders.pretrained.spec import PretrainedSpec, Sightings
from morelli.encoders.pretrained.specs import make_pretrained
from morelli.errors import MorelliError

__all__ = ["GOLDEN_SIGHTINGS", "GoldenCheck", "check_golden", "golden_vector", "runtime_fingerprint"]

Float = NDArray[np.float32]

GOLDEN_SIGHTINGS = Sightings(crops=(4, 6), resized=(6,), grid=3)
"""What kept vectors were measured with, whatever the defaults become."""

_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """How this machine's self-test compares with the kept one.

    Attributes
    ----------
    correlation, difference : float
        See `morelli.encoders.pretrained.base.Agreement`.
    ok : bool
        Whether both are within the tolerance.
    fingerprint : dict
        See `runtime_fingerprint`.
    """

    correlation: float
    difference: float
    ok: bool
    fingerprint: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the values, JSON-ready."""
        return asdict(self)


def golden_vector(name: str) -> Float | None:
    """Return the vector that is kept for an encoder, shape (d,), or None where there is none.

    Raises
    ------
    MorelliError
        It was made in another way than `GOLDEN_SIGHTINGS`: a fault in Morelli.
    """
    try:
        text = resources.files(__package__).joinpath("golden", f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    state = json.loads(text)
    if state["sightings"] != GOLDEN_SIGHTINGS.to_dict():
        raise MorelliError(f"The golden vector of {name} is of other sightings. Please report this.")
    return np.asarray(state["vector"], dtype=np.float32)


def runtime_fingerprint(encoder: PretrainedEncoder) -> dict[str, Any]:
    """Say what an encoder runs on: versions for people, and behaviour, which is what counts.

    Returns
    -------
    dict
        ``runtime`` and ``version``, ``machine``, and ``behaviour``: twelve hexadecimal digits of the self-test rounded
        to hundredths. Equal digits mean equal numbers; different ones may still be within the tolerance.
    """
    kind = str(encoder.recipe["weights"]["runtime"])
    if kind == "onnx":
        import onnxruntime

        runtime = {"runtime": "onnxruntime", "version": str(onnxruntime.__version__)}
    else:
        import torch
        import transformers

        runtime = {"runtime": "transformers", "version": f"{transformers.__version__} torch {torch.__version__}"}
    rounded = np.round(encoder.self_test_vector().astype(np.float64), _DECIMALS) + 0.0  # no negative zeros
    behaviour = hashlib.sha256(rounded.astype("<f8").tobytes()).hexdigest()[:12]
    return {**runtime, "machine": platform.machine(), "behaviour": behaviour}


def check_golden(spec: PretrainedSpec) -> GoldenCheck | None:
    """Run the self-test of an encoder and compare it with the kept vector; None where none is kept.

    Raises
    ------
    MorelliError
        The weights are not here, or not the right ones.
    """
    expected = golden_vector(spec.name)
    if expected is None:
        return None
    encoder = make_pretrained(spec.name, sightings=GOLDEN_SIGHTINGS)
    assert isinstance(encoder, PretrainedEncoder)
    actual = encoder.self_test_vector()
    if actual.shape != expected.shape:
        raise MorelliError(f"{spec.name} gives {len(actual)} features instead of {len(expected)}.")
    found = agreement(actual, expected, encoder.halves())
    return GoldenCheck(found.correlation, found.difference, found.ok, runtime_fingerprint(encoder))
