"""Which model generated this image? Attribution among the candidates that you choose."""

from morelli._version import __version__

__all__ = ["__version__"]
