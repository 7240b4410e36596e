from __future__ import annotations

from morelli.encoders.forensic import list_families
from morelli.views import list_views


def test_families(cli):
    shown = cli("families").stdout
    assert all(family.name in shown for family in list_families())


def test_views(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    rows = {line.split()[0]: line for line in cli("views").stdout.splitlines() if line.strip()}
    for view in list_views():
        row = rows[view.signature]
        assert view.group in row and view.description in row and "  ".join(view.severities) in row
        assert row.rstrip().endswith("costly") == view.costly
        assert all(parameter.range in row for parameter in view.parameters)
