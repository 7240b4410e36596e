"""Opening a network by its name: loaded once in a process, and known to caches by its weights."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from morelli.errors import NetworkError
from morelli.networks.loading import device_of, runtime
from morelli.networks.places import Place, find_network

__all__ = ["open_network", "recipe_of"]

Network = TypeVar("Network")

_MOST = 2
"""Networks that are kept loaded: a view has two at most, and each may fill a device."""

_PACKAGES = {
    "salient": ("onnxruntime",),
    "autoencoder": ("torch", "diffusers"),
    "painter": ("torch", "transformers", "diffusers"),
}

_open: dict[tuple[str, ...], Any] = {}


def open_network(text: str, task: str, kind: Callable[..., Network]) -> Network:
    """Return a network, loaded; the same one as long as its files and the device stay the same.

    Parameters
    ----------
    text : str
        As for :func:`morelli.networks.find_network`.
    task : str
    kind : callable
        Makes it of its place.

    Raises
    ------
    NetworkError
        It is not here, cannot be loaded, or is for something else.
    MissingExtraError
        A library is not installed.
    """
    place = _find(text, task)
    device = () if task == "salient" else device_of()
    key = (task, text, str(place.folder), place.fingerprint, *device)
    if key in _open:
        _open[key] = _open.pop(key)  # the last used comes last
        return _open[key]  # type: ignore[no-any-return]
    while len(_open) >= _MOST:
        _open.pop(next(iter(_open)))
    made = kind(place)
    _open[key] = made
    return made


def recipe_of(text: str, task: str) -> str:
    """Return what results of a network depend on besides the image: its files, the libraries, the device.

    Raises
    ------
    NetworkError
        It is not here, or is for something else.
    MissingExtraError
        A library is not installed.
    """
    return f"{_find(text, task).fingerprint}, {runtime(*_packages(task), device=task != 'salient')}"


def _packages(task: str) -> tuple[str, ...]:
    return _PACKAGES.get(task, ("torch", "transformers"))


def _find(text: str, task: str) -> Place:
    """Find a network as `find_network` does; whoever has to fetch it is told of missing libraries at once."""
    try:
        return find_network(text, task)
    except NetworkError as error:
        missing = [name for name in _packages(task) if find_spec(name) is None]
        if not missing:
            raise
        raise NetworkError(
            f'{error} It needs {" and ".join(missing)} too, of the "deep" extra: pip install "morelli[deep]"'
        ) from error
