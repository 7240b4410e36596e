"""Encoders: from an image to a vector, with the cache that keeps anything from being measured twice."""

from morelli.encoders.cache import FeatureCache, default_cache_path
from morelli.encoders.encoder import Encoded, Encoder, ForensicEncoder
from morelli.encoders.extract import Extraction, extract, iter_extract
from morelli.encoders.features import Features
from morelli.encoders.registry import EncoderInfo, get_encoder, list_encoders, register_encoder

__all__ = [
    "Encoded",
    "Encoder",
    "EncoderInfo",
    "Extraction",
    "FeatureCache",
    "Features",
    "ForensicEncoder",
    "default_cache_path",
    "extract",
    "get_encoder",
    "iter_extract",
    "list_encoders",
    "register_encoder",
]
