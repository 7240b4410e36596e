from __future__ import annotations

from morelli.encoders.forensic import list_families
from morelli.views import list_views


def test_families(cli):
    shown = cli("families").stdout
    assert all(family.name in shown for family in list_families())


def test_views(cli):
    shown = cli("views").stdout
    assert all(view.name in shown for view in list_views())
