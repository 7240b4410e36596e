"""docs/views.md and benchmarks/views.csv are held to the registry.

``python tests/views/test_view_docs.py`` writes the tables of the page anew.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from morelli.views import ViewInfo, list_views, parse_view
from morelli.views.info import write_value

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "views.md"
GROUPS = ("corruption", "journey", "structure")
TABLES = (*GROUPS, "network")
HEAD = "| view | what it does | parameters | severities 1 to 5 | ms |\n|---|---|---|---|---|\n"
NETWORK_HEAD = "| view | what it does | parameters |\n|---|---|---|\n"


def costs() -> dict[str, dict[str, str]]:
    with (ROOT / "benchmarks" / "views.csv").open(encoding="utf-8", newline="") as file:
        return {row["view"]: row for row in csv.DictReader(file)}


def row_of(info: ViewInfo) -> str:
    ranges = []
    for parameter in info.parameters:
        zero = "" if parameter.identity is None else f", {parameter.identity:g} changes nothing"
        default = "" if parameter.default is None else f", else {write_value(parameter.default)}"
        ranges.append(f"{parameter.name}: {parameter.description}; {parameter.range}{default}{zero}")
    severities = "`" + "` `".join(info.severities) + "`" if info.severities else ""
    cells = [f"`{info.signature}`", info.description, "<br>".join(ranges)]
    if info.recipe is None:
        ms = float(costs()[str(info.example)]["ms"])
        cells += [severities, (f"{ms:.1f}" if ms < 10 else f"{ms:.0f}") + " ●" * info.costly]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def table_of(name: str) -> str:
    """Return the table of a group, or of the views that need a network: nobody has measured what those cost."""
    if name == "network":
        return NETWORK_HEAD + "".join(row_of(info) for info in list_views() if info.recipe is not None)
    return HEAD + "".join(row_of(info) for info in list_views() if info.group == name and info.recipe is None)


@pytest.mark.parametrize("group", TABLES)
def test_tables_are_current(group):
    assert table_of(group) in PAGE.read_text(encoding="utf-8"), "run python tests/views/test_view_docs.py"


def test_every_view_is_in_a_table_and_every_name_on_the_page_is_a_view():
    assert {info.group for info in list_views()} == set(GROUPS)
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:[a-z-]+[:@][0-9][0-9a-z.,:]*\|?)+)`", text):
        assert parse_view(name).name


def test_costly_is_what_the_benchmark_measured():
    measured = costs()
    here = [info for info in list_views() if info.recipe is None]
    for info in here:
        row = measured[str(info.example)]
        worth = float(row["ms"]) >= 2 * float(row["stored_ms"]) and float(row["ratio_to_decode"]) >= 10
        assert info.costly == worth, info.name
    assert len(measured) == len(here)
    assert all(info.costly and info.batch is not None for info in list_views() if info.recipe is not None)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        marks = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(marks[0])
        text = before + marks[0] + table_of(name) + marks[1] + rest.partition(marks[1])[2]
    PAGE.write_text(text, encoding="utf-8")
