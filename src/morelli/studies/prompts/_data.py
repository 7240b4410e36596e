"""The tables that ship with the prompts."""

from __future__ import annotations

import csv
import functools
from importlib.resources import files

__all__ = ["read_rows"]


@functools.cache
def read_rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a CSV file in the folder ``data``, without the header."""
    resource = files("morelli.studies.prompts").joinpath("data", *name.split("/"))
    return tuple(tuple(row) for row in csv.reader(resource.read_text(encoding="utf-8").splitlines()))[1:]
