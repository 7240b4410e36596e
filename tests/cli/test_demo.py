from __future__ import annotations

import pytest

from morelli.attributors import Bundle
from morelli.catalog import build_catalog
from morelli.cli.demo import run_demo
from morelli.sample import sample_path


def check(output, printed):
    assert {"sample.morelli", "report.html", "metrics.json", "campaign.html"} <= {
        path.name for path in output.iterdir()
    }
    assert Bundle.load(output / "sample.morelli").name == "sample"
    for step in ("1. Fit", "2. Evaluate", "3. Judge a campaign", "Next: morelli attribute"):
        assert step in printed


def test_reduced(tmp_path, table_of, capsys):
    sample = build_catalog(table_of(tmp_path / "t.csv", ("acnet-gan", "realsr-df2k", "dat-light"), slice(0, 6)))
    campaign = sorted((sample_path() / "campaign").iterdir())[:3]
    run_demo(sample, campaign, tmp_path / "demo", workers=1)
    check(tmp_path / "demo", capsys.readouterr().out)


@pytest.mark.slow
def test_whole(cli, tmp_path):
    result = cli("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    check(tmp_path / "demo", result.stdout)
    assert "11 models, 45 photographs each" in result.stdout
