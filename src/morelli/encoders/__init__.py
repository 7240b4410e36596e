"""Encoders: from an image to a vector, with the cache that keeps anything from being measured twice."""

from morelli.encoders import pretrained
from morelli.encoders.cache import FeatureCache, default_cache_path
from morelli.encoders.default import default_encoder
from morelli.encoders.encoder import Encoded, Encoder, ForensicEncoder
from morelli.encoders.extract import Extraction, extract, iter_extract
from morelli.encoders.features import Features
from morelli.encoders.fingerprint import FingerprintEncoder, fit_fingerprint, train_fingerprint
from morelli.encoders.joint import JointEncoder, join_encoders
from morelli.encoders.pictures import NativePatches, Thumbnail
from morelli.encoders.registry import EncoderInfo, get_encoder, list_encoders, register_encoder
from morelli.encoders.rivals import MarraResidual, SpectrumTail

__all__ = [
    "Encoded",
    "Encoder",
    "EncoderInfo",
    "Extraction",
    "FeatureCache",
    "Features",
    "FingerprintEncoder",
    "ForensicEncoder",
    "JointEncoder",
    "MarraResidual",
    "NativePatches",
    "SpectrumTail",
    "Thumbnail",
    "default_cache_path",
    "default_encoder",
    "extract",
    "fit_fingerprint",
    "get_encoder",
    "iter_extract",
    "join_encoders",
    "list_encoders",
    "pretrained",
    "register_encoder",
    "train_fingerprint",
]
