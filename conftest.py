"""Modules that need an extra are not looked at for doctests where it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = []
if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
    collect_ignore_glob.append("src/morelli/audit/ledger/*")
