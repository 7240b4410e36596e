"""The reviewed table that gives the prompts of the public gallery their domains."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

TABLE = Path(__file__).resolve().parents[2] / "benchmarks" / "gallery-domains.csv"


def test_every_domain_can_be_learned_without_one_of_its_prompts():
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["prompt_id", "domain", "reason"]
    assert len({row["prompt_id"] for row in rows}) == len(rows) == 15
    assert min(Counter(row["domain"] for row in rows).values()) >= 3
    assert all(row["reason"].endswith(".") for row in rows)
