"""Studies: every experiment is a list of trials, and what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morelli.studies.findings import Findings

if TYPE_CHECKING:
    from morelli.studies.described import read_study
    from morelli.studies.run import command_line, frame_of, preview_study, run_study
    from morelli.studies.study import (
        Frame,
        Setting,
        Study,
        get_study,
        list_studies,
        make_study,
        register_study,
        settings_of,
    )

__all__ = [
    "Findings",
    "Frame",
    "Setting",
    "Study",
    "command_line",
    "frame_of",
    "get_study",
    "list_studies",
    "make_study",
    "preview_study",
    "read_study",
    "register_study",
    "run_study",
    "settings_of",
]


def __getattr__(name: str) -> Any:
    # Running needs encoders and attributors; whoever only lists studies should not have to wait for them, and whoever
    # only draws what was found needs neither.
    if name in {
        "Frame",
        "Setting",
        "Study",
        "get_study",
        "list_studies",
        "make_study",
        "register_study",
        "settings_of",
    }:
        from morelli.studies import study

        return getattr(study, name)
    if name in {"command_line", "frame_of", "preview_study", "run_study"}:
        from morelli.studies import run

        return getattr(run, name)
    if name == "read_study":
        from morelli.studies.described import read_study

        return read_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
