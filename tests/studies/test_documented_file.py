"""The file that docs/studies.md shows is one that can be run."""

from __future__ import annotations

import re
from pathlib import Path

from morelli.catalog import build_catalog
from morelli.sample import sample_path
from morelli.studies import read_study

PAGE = Path(__file__).resolve().parents[2] / "docs" / "studies.md"


def test_file_of_the_page(tmp_path):
    block = re.search(r"<!-- study file -->\n```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "my-study.toml").write_text(block[1], encoding="utf-8")
    described = read_study(tmp_path / "my-study.toml")
    catalog = build_catalog(sample_path() / "catalog.csv")
    trials = described.study.trials(described.frame(catalog))
    assert described.study.title == "Few references, small images"
    assert described.catalog == tmp_path / "images.parquet"
    # Two sizes, attributors and views each, with two seeds of three folds.
    assert len(trials) == 2 * 2 * 2 * 2 * 3
    assert {trial.train.per_class for trial in trials} == {4, 8}
    assert {tuple(trial.cell) for trial in trials} == {("per_class", "attributor", "test_view")}
