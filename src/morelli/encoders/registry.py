"""The registry of encoders: what can turn an image into a vector, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from morelli._plugins import load_plugins
from morelli.encoders.encoder import Encoder, ForensicEncoder
from morelli.errors import MorelliError

__all__ = ["EncoderInfo", "get_encoder", "list_encoders", "register_encoder", "register_resolver"]

Factory = Callable[[], Encoder]


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """One way to turn an image into a vector.

    Attributes
    ----------
    name : str
        Of pretrained networks ``arch.weights``.
    summary : str
        One sentence for people.
    make : callable
        Gives the encoder; raises MorelliError with what to do where something that it needs is not there.
    """

    name: str
    summary: str
    make: Factory


_ENCODERS: dict[str, EncoderInfo] = {}

_RESOLVERS: dict[str, Callable[[str], Encoder]] = {}
"""By how a name begins, what makes encoders of names that cannot be listed."""


def register_encoder(name: str, *, summary: str) -> Callable[[Factory], Factory]:
    """Register the decorated function, which makes an encoder; a second one of the same name is an error."""

    def decorate(make: Factory) -> Factory:
        if name in _ENCODERS:
            raise ValueError(f"an encoder named {name!r} is already registered")
        _ENCODERS[name] = EncoderInfo(name, summary, make)
        return make

    return decorate


def register_resolver(prefix: str) -> Callable[[Callable[[str], Encoder]], Callable[[str], Encoder]]:
    """Register the decorated function for all names that begin with `prefix`; it is given the whole name."""

    def decorate(resolve: Callable[[str], Encoder]) -> Callable[[str], Encoder]:
        if prefix in _RESOLVERS:
            raise ValueError(f"encoders that begin with {prefix!r} are already registered")
        _RESOLVERS[prefix] = resolve
        return resolve

    return decorate


def list_encoders() -> list[EncoderInfo]:
    """Return all registered encoders in the order of their registration."""
    load_plugins()
    return list(_ENCODERS.values())


def get_encoder(name: str) -> Encoder:
    """Return the encoder called `name`, ready to measure.

    ``forensic[colour,layout]`` is the forensic encoder with these families only, ``fingerprint.`` and eight digits a
    network that was trained here, see :func:`morelli.encoders.fingerprint.keep`.

    Raises
    ------
    MorelliError
        There is none of this name, or something that it needs is not there.
    """
    load_plugins()
    if name in _ENCODERS:
        return _ENCODERS[name].make()
    for prefix, resolve in _RESOLVERS.items():
        if name.startswith(prefix):
            return resolve(name)
    raise MorelliError(f"No encoder is called {name!r}; there are: {', '.join(_ENCODERS)}.")


@register_encoder("forensic", summary="All forensic families: residual, spectrum, colour and the others.")
def _forensic() -> Encoder:
    return ForensicEncoder()


@register_resolver("forensic[")
def _some_families(name: str) -> Encoder:
    families = name.removeprefix("forensic[").removesuffix("]")
    return ForensicEncoder([family.strip() for family in families.split(",")])
