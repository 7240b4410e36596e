"""A finished study: what was asked, what was found, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from morelli.studies.findings import Findings

__all__ = ["Provenance", "StudyResult"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result rests on, so that it can be had again.

    Attributes
    ----------
    command : str
        As it was given.
    morelli : str
        Version.
    environment : mapping of str to str
        Versions of Python and of the packages that the numbers depend on, and the platform.
    catalog : str
        SHA-256 of the images and their labels.
    n_images : int
    seed, seeds : int
        The first seed, and how many.
    label : str
    options : mapping
        Settings of the study, JSON-ready.
    prompt_known : bool
        Whether images were kept apart by prompt.
    """

    command: str
    morelli: str
    environment: Mapping[str, str]
    catalog: str
    n_images: int
    seed: int
    seeds: int
    label: str
    options: Mapping[str, Any]
    prompt_known: bool


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """A finished study.

    Attributes
    ----------
    name, title, question : str
        The study's own.
    paper : str
        The experiment that it follows, or the empty text.
    findings : Findings
    cells : pyarrow.Table
        One row for each cell: its coordinates, then its measures, see `morelli.trials.results.MEASURES`.
    classes : pyarrow.Table
        Precision and recall of each class in each cell.
    confusion : pyarrow.Table
        How many images of a class were called another, in each cell; zeros are left out.
    predictions : pyarrow.Table
        One row for each image and trial.
    missing : tuple of str
        Sentences on trials that could not be run, or failed; one sentence may be on several.
    n_missing : int
        Those trials.
    provenance : Provenance
    """

    name: str
    title: str
    question: str
    paper: str
    findings: Findings
    cells: pa.Table
    classes: pa.Table
    confusion: pa.Table
    predictions: pa.Table
    missing: tuple[str, ...]
    n_missing: int
    provenance: Provenance
