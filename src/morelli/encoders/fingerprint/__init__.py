"""A small convolutional network that learns generators' traces from the references themselves."""

from morelli.encoders.fingerprint.architecture import Architecture
from morelli.encoders.fingerprint.encoder import FingerprintEncoder
from morelli.encoders.fingerprint.fitting import checkpoint_of, fit_fingerprint
from morelli.encoders.fingerprint.library import keep
from morelli.encoders.fingerprint.model import FingerprintModel
from morelli.encoders.fingerprint.settings import TrainingSettings
from morelli.encoders.fingerprint.training import TrainingProgress, train_fingerprint

__all__ = [
    "Architecture",
    "FingerprintEncoder",
    "FingerprintModel",
    "TrainingProgress",
    "TrainingSettings",
    "checkpoint_of",
    "fit_fingerprint",
    "keep",
    "train_fingerprint",
]
