"""Taking views along to other processes, which know only those that registered themselves when they were imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from morelli.views.registry import _VIEWS, View, ViewInfo

__all__ = ["install_views", "views_used"]


def views_used(views: Iterable[View]) -> tuple[ViewInfo, ...]:
    """Return what the registry knows of all steps of some views."""
    names = {step.partition(":")[0] for view in views for step in view.name.split("|")}
    return tuple(info for name, info in sorted(_VIEWS.items()) if name in names)


def install_views(infos: Sequence[ViewInfo]) -> None:
    """Register the views that are not known here."""
    for info in infos:
        _VIEWS.setdefault(info.name, info)
