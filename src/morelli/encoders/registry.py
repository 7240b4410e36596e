"""The registry of encoders: what can turn an image into a vector, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from morelli.encoders.encoder import Encoder, ForensicEncoder
from morelli.errors import MorelliError

__all__ = ["EncoderInfo", "get_encoder", "list_encoders", "register_encoder"]

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


def register_encoder(name: str, *, summary: str) -> Callable[[Factory], Factory]:
    """Register the decorated function, which makes an encoder; a second one of the same name is an error."""

    def decorate(make: Factory) -> Factory:
        if name in _ENCODERS:
            raise ValueError(f"an encoder named {name!r} is already registered")
        _ENCODERS[name] = EncoderInfo(name, summary, make)
        return make

    return decorate


def list_encoders() -> list[EncoderInfo]:
    """Return all registered encoders in the order of their registration."""
    return list(_ENCODERS.values())


def get_encoder(name: str) -> Encoder:
    """Return the encoder called `name`, ready to measure.

    ``forensic[colour,layout]`` is the forensic encoder with these families only.

    Raises
    ------
    MorelliError
        There is none of this name, or something that it needs is not there.
    """
    if name.startswith("forensic[") and name.endswith("]"):
        return ForensicEncoder([family.strip() for family in name[len("forensic[") : -1].split(",")])
    try:
        info = _ENCODERS[name]
    except KeyError:
        raise MorelliError(f"No encoder is called {name!r}; there are: {', '.join(_ENCODERS)}.") from None
    return info.make()


@register_encoder("forensic", summary="All forensic families: residual, spectrum, colour and the others.")
def _forensic() -> Encoder:
    return ForensicEncoder()
