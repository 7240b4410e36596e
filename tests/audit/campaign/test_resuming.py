"""Audits that go on, or begin again with another claim, other files, another bundle."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from _small import write_rows
from morelli.audit.campaign import INCONSISTENT, Measure, Records, audit_campaign, audit_records, open_campaign
from morelli.audit.campaign import judging as judging_module
from morelli.catalog import build_catalog
from morelli.errors import MorelliError
from morelli.report.campaign import write_campaign

from ._running import CLAIMED, OTHER, audit, contents
from .conftest import STACK


def count_judged(monkeypatch) -> list[str]:
    judged: list[str] = []
    original = judging_module._judge

    def note(bundle, look, stack):
        judged.append(look.extraction.path)
        return original(bundle, look, stack)

    monkeypatch.setattr(judging_module, "_judge", note)
    return judged


def test_an_interrupted_audit_goes_on_and_ends_alike(bundle, swapped, tmp_path, monkeypatch):
    judged = count_judged(monkeypatch)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    campaign = open_campaign(swapped)
    write_campaign(audit_campaign(bundle, campaign, whole, claimed=[CLAIMED], n_draws=200, stack=STACK), whole)
    assert len(judged) == 10
    judged.clear()

    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_campaign(bundle, campaign, parted, claimed=[CLAIMED], n_draws=200, stack=STACK, progress=interrupt)
    assert len(judged) == 4
    write_campaign(audit_campaign(bundle, campaign, parted, claimed=[CLAIMED], n_draws=200, stack=STACK), parted)
    assert len(judged) == len(set(judged)) == 10, "nothing was judged twice"
    assert contents(parted) == contents(whole)


def test_another_claim_judges_nothing(bundle, swapped, tmp_path, monkeypatch):
    audit_campaign(bundle, open_campaign(swapped), tmp_path, claimed=[CLAIMED], n_draws=200, stack=STACK)
    judged = count_judged(monkeypatch)
    again = audit_campaign(
        bundle,
        open_campaign(swapped, ["folder"]),
        tmp_path,
        claimed=[CLAIMED, OTHER],
        level=0.01,
        n_draws=200,
        stack=STACK,
    )
    assert (judged, again.claim.outcome == INCONSISTENT, len(again.parts)) == ([], False, 1)


def test_moved_files_are_not_judged_again_and_changed_ones_are(bundle, swapped, tmp_path, monkeypatch):
    folder, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(swapped, folder)
    first = audit_campaign(bundle, open_campaign(folder), out, claimed=[CLAIMED], n_draws=200, stack=STACK)
    judged = count_judged(monkeypatch)
    names = sorted(path.name for path in folder.iterdir())
    (folder / "deeper").mkdir()
    (folder / names[0]).rename(folder / "deeper" / names[0])
    shutil.copy(folder / names[1], folder / "again.jpg")
    (folder / names[2]).unlink()
    with Image.open(folder / names[3]) as picture:
        picture.rotate(90).save(folder / names[3])
    second = audit_campaign(bundle, open_campaign(folder), out, claimed=[CLAIMED], n_draws=200, stack=STACK)
    assert [Path(path).name for path in judged] == [names[3]]
    assert (first.counts.images, second.counts.images, second.counts.repeated) == (10, 9, 1)


def test_another_bundle_is_not_mixed_in(bundle_path, swapped, audited, desk, rows):
    table_path = write_rows(desk / "few.csv", [row for row in rows if row["model"] in (CLAIMED, OTHER, "acnet-gan")])
    from morelli.attributors import fit_bundle

    other = fit_bundle(build_catalog(table_path, workers=1), encoder="forensic[colour]", workers=1)
    path = other.save(desk / "other.morelli")
    before = contents(audited[1])
    result = audit(path, swapped, audited[1])
    assert result.exit_code == 1
    assert "another bundle" in result.stderr
    assert "--anew" in result.stderr
    assert contents(audited[1]) == before


KILLED = """
import os, signal, sys
from morelli.attributors import Bundle
from morelli.audit.campaign import Stack, audit_campaign, judging, open_campaign

def report(done, total):
    if done == 7:
        os.kill(os.getpid(), signal.SIGKILL)

judging._BATCH = 3
bundle, folder, out, claimed = sys.argv[1:]
stack = Stack(layers=("metadata",), workers=1)
audit_campaign(Bundle.load(bundle), open_campaign(folder), out, claimed=[claimed], stack=stack, progress=report)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_audit_goes_on(bundle_path, swapped, tmp_path, monkeypatch, bundle):
    command = [sys.executable, "-c", KILLED, *map(str, (bundle_path, swapped, tmp_path, CLAIMED))]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    with Records(tmp_path / "records.sqlite") as records:
        assert records.about("complete") is False
        assert next(records.query("SELECT count(*) FROM verdicts")) == (6,)
        with pytest.raises(MorelliError, match="run it again to go on"):
            audit_records(records, Measure(bundle, (CLAIMED,)), source="x")
    judged = count_judged(monkeypatch)
    found = audit_campaign(bundle, open_campaign(swapped), tmp_path, claimed=[CLAIMED], n_draws=200, stack=STACK)
    assert (found.counts.files, len(judged)) == (10, 4)
