"""Pretrained networks as encoders: CLIP, SigLIP, DINO, ConvNeXt by name, and any vision transformer in an ONNX file."""

from morelli.encoders.pretrained.base import PretrainedEncoder
from morelli.encoders.pretrained.fetching import fetch
from morelli.encoders.pretrained.golden import GoldenCheck, check_golden, runtime_fingerprint
from morelli.encoders.pretrained.onnx_models import OnnxEncoder, onnx_encoder
from morelli.encoders.pretrained.spec import Hub, Preprocessing, PretrainedSpec, Sightings, Wheel
from morelli.encoders.pretrained.specs import CLIP, get_pretrained, list_pretrained, make_pretrained
from morelli.encoders.pretrained.store import is_here, weights_folder
from morelli.encoders.pretrained.transformers_models import TransformersEncoder, transformers_encoder

__all__ = [
    "CLIP",
    "GoldenCheck",
    "Hub",
    "OnnxEncoder",
    "Preprocessing",
    "PretrainedEncoder",
    "PretrainedSpec",
    "Sightings",
    "TransformersEncoder",
    "Wheel",
    "check_golden",
    "fetch",
    "get_pretrained",
    "is_here",
    "list_pretrained",
    "make_pretrained",
    "onnx_encoder",
    "runtime_fingerprint",
    "transformers_encoder",
    "weights_folder",
]
