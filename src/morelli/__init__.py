"""Morelli: which model generated this image?"""

from morelli._version import __version__

__all__ = ["__version__"]
