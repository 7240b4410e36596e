"""One part of what an operator is told: what was found, and the long tables behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from morelli.studies.findings import Findings

__all__ = ["Section"]


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """What one analysis found.

    Attributes
    ----------
    name : str
        For files and anchors: lower-case words joined by hyphens.
    title : str
        A few words.
    question : str
        What it answers, as a question.
    findings : Findings
        Its first sentence is the conclusion.
    long : mapping of str to pyarrow.Table
        All that was measured, by name; written as Parquet and CSV.
    """

    name: str
    title: str
    question: str
    findings: Findings
    long: Mapping[str, pa.Table] = field(default_factory=dict)
