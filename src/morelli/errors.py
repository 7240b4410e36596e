"""Errors, named for the situation that the user is in.

Every error that Morelli raises on purpose derives from :class:`MorelliError`, carries a sentence that says what is
wrong and, where there is one, what to do about it. The command line prints that sentence; it never shows a traceback
for them.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "BundleError",
    "CatalogError",
    "EndpointError",
    "ImageReadError",
    "LedgerError",
    "MissingExtraError",
    "MorelliError",
    "NetworkError",
    "NotEnoughDataError",
    "ViewError",
]


class MorelliError(Exception):
    """Base class of all errors raised on purpose."""


class ImageReadError(MorelliError):
    """An image could not be turned into pixels.

    Parameters
    ----------
    name : str
        What the caller called the image (path or ``"<bytes>"``).
    kind : str
        Machine-readable reason, one of ``empty``, ``missing``, ``not-an-image``, ``truncated``, ``corrupt``,
        ``too-many-bytes``, ``too-many-pixels``, ``side-too-long``, ``too-small``, ``too-slow``, ``unsupported``.
    detail : str
        One sentence for people.
    """

    def __init__(self, name: str, kind: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.kind = kind
        self.detail = detail

    def __reduce__(self) -> tuple[type[ImageReadError], tuple[str, str, str]]:
        # The default would call __init__ with the one formatted message, and fail in a worker process.
        return type(self), (self.name, self.kind, self.detail)


class ViewError(MorelliError):
    """A view's name or parameters are wrong."""


class CatalogError(MorelliError):
    """A catalog or its source is not what it should be."""


class NotEnoughDataError(MorelliError, ValueError):
    """There are too few classes, images or prompts for what was asked (a ValueError, as estimators' users expect)."""


class NetworkError(MorelliError):
    """A network's weights are not here, or are damaged or unfit: no image can be put through it."""


class BundleError(MorelliError):
    """A bundle is corrupt, foreign, or does not fit this installation."""


class LedgerError(MorelliError):
    """A ledger is not there, is not one, is of another version, or does not allow what was asked."""


class EndpointError(MorelliError):
    """A service that is asked does not answer, or does not let us ask."""


class BudgetError(EndpointError):
    """The next question could cost more than what is left of the budget."""


class MissingExtraError(MorelliError):
    """A feature needs an optional dependency that is not installed.

    Parameters
    ----------
    feature : str
        What was asked for.
    extra : str
        The extra of the package that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs the "{extra}" extra: pip install "morelli[{extra}]"')
        self.feature = feature
        self.extra = extra
