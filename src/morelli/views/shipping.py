"""Taking views along to other processes, which know only those that registered themselves when they were imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from morelli.views.registry import _KEYS, _VIEWS, View, ViewInfo

__all__ = ["Shipped", "install_views", "views_used"]


@dataclass(frozen=True, slots=True)
class Shipped:
    """What another process has to know of views.

    Attributes
    ----------
    infos : tuple of ViewInfo
        What the registry knows of all their steps.
    keys : mapping of str to str
        What stands for them in caches, by their names: a process that only reads what a network made needs neither the
        network's files nor its libraries to find it.
    """

    infos: tuple[ViewInfo, ...]
    keys: Mapping[str, str]


def views_used(views: Iterable[View]) -> Shipped:
    """Return what other processes have to know of some views.

    Raises
    ------
    MorelliError
        A view cannot be made here, for want of a network.
    """
    views = list(views)
    names = {step.partition(":")[0] for view in views for step in view.name.split("|")}
    infos = tuple(info for name, info in sorted(_VIEWS.items()) if name in names)
    return Shipped(infos, {view.name: view.key for view in views})


def install_views(shipped: Shipped) -> None:
    """Register the views that are not known here, and take over the keys."""
    for info in shipped.infos:
        _VIEWS.setdefault(info.name, info)
    _KEYS.update(shipped.keys)
