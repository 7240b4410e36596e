from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from morelli.audit.campaign import audit_campaign, compare_audits, open_campaign
from morelli.audit.campaign.comparing import difference_interval, wilson
from morelli.errors import MorelliError
from morelli.report.campaign import write_campaign
from report.pages import check_self_contained

from ._running import CLAIMED, OTHER, run
from .conftest import STACK


@pytest.fixture(scope="session")
def two(bundle, desk, deliver):
    """An audit of ten images, and one of what became of the folder."""
    folder = deliver(desk / "before", waifu2x_cunet=8, realsr_df2k=2)
    old, new = desk / "audit-before", desk / "audit-after"
    write_campaign(audit_campaign(bundle, open_campaign(folder), old, claimed=[CLAIMED], n_draws=200, stack=STACK), old)
    later = desk / "after"
    shutil.copytree(folder, later)
    names = sorted(path.name for path in later.iterdir() if path.name.startswith(CLAIMED))
    (later / names[0]).unlink()
    (later / "moved").mkdir()
    (later / names[1]).rename(later / "moved" / "elsewhere.jpg")
    with Image.open(later / names[2]) as picture:
        picture.rotate(180).save(later / names[2])
    deliver(later / "more", realsr_df2k=7)
    write_campaign(audit_campaign(bundle, open_campaign(later), new, claimed=[CLAIMED], n_draws=200, stack=STACK), new)
    return old, new, names


def test_files_are_told_by_their_bytes(two):
    old, new, names = two
    found = compare_audits(old, new)
    # Of the seven images that are more, two were there before under other names.
    assert found.counts == {
        "same": 7, "changed": 1, "moved": 3, "new": 5, "gone": 1, "images in both": 8, "judged otherwise": 0
    }  # fmt: skip
    by_kind = {
        kind: {change.name for change in found.changes if change.kind == kind} for kind in ("gone", "changed", "moved")
    }
    assert by_kind["gone"] == {names[0]}
    assert by_kind["changed"] == {names[2]}
    assert "moved/elsewhere.jpg" in by_kind["moved"]


def test_shares_move_as_the_images_do(two):
    old, new, _ = two
    found = compare_audits(old, new)
    moved = {one.name: one for one in found.shares}
    assert moved[OTHER].difference > 0.1
    assert moved[CLAIMED].difference < -0.1
    assert all(one.low <= one.difference <= one.high for one in found.shares)
    back = {one.name: one for one in compare_audits(new, old).shares}
    assert back[OTHER].difference == pytest.approx(-moved[OTHER].difference)
    assert (back[OTHER].low, back[OTHER].high) == pytest.approx((-moved[OTHER].high, -moved[OTHER].low))
    assert found.same_bundle


def test_an_audit_of_the_same_images_differs_in_nothing(two, bundle, desk):
    old, _, _ = two
    again = desk / "audit-again"
    shutil.copytree(old, again)
    found = compare_audits(old, again)
    assert found.counts["same"] == found.counts["images in both"] == 10
    assert sum(found.counts.values()) == 20
    assert not found.changes
    assert not any(one.clear or one.difference for one in (*found.shares, *found.decisions))


def test_judged_otherwise_by_another_bundle(two, tmp_path):
    """What a person sees where only the bundle changed: the same bytes, another answer, and a warning."""
    import sqlite3

    old, _, _ = two
    other = tmp_path / "other"
    shutil.copytree(old, other)
    document = json.loads((other / "audit.json").read_text("utf-8"))
    document["bundle"]["id"] = "f" * 16
    (other / "audit.json").write_text(json.dumps(document), "utf-8")
    with sqlite3.connect(other / "records.sqlite") as connection:
        connection.execute("UPDATE verdicts SET decision = 'attributed', label = 'acnet-gan' WHERE id = 3")
    found = compare_audits(old, other)
    assert (found.same_bundle, found.counts["judged otherwise"]) == (False, 1)
    (change,) = found.changes
    assert (change.kind, change.after) == ("judged otherwise", "attributed acnet-gan")
    assert any("different bundles" in note for note in found.notes)


def test_the_command_prints_and_writes(two, tmp_path):
    old, new, _ = two
    result = run("compare", old, new, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "5 new, 1 gone" in result.stdout
    check_self_contained((tmp_path / "out" / "comparison.html").read_text("utf-8"), {"comparison.json"})
    as_json = json.loads(run("compare", old, new, "--json").stdout)
    assert as_json == json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert list(as_json) == [
        "schema_version", "before", "after", "same_bundle", "shares", "decisions", "counts", "changes", "notes"
    ]  # fmt: skip


def test_nonsense_is_refused(two, tmp_path):
    old, new, _ = two
    with pytest.raises(MorelliError, match="are one folder"):
        compare_audits(old, old)
    with pytest.raises(MorelliError, match="no finished audit"):
        compare_audits(old, tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for text, words in [
        ("{", "not JSON"), ("[1]", "schema version None"), ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "no complete audit"),
    ]:  # fmt: skip
        (broken / "audit.json").write_text(text)
        with pytest.raises(MorelliError, match=words):
            compare_audits(old, broken)
    shutil.copy(new / "audit.json", broken)
    with pytest.raises(MorelliError, match=r"records\.sqlite is missing"):
        compare_audits(broken, new)
    with pytest.raises(MorelliError, match=r"records\.sqlite is missing; run that audit again"):
        compare_audits(old, broken)
    document = json.loads((new / "audit.json").read_text("utf-8"))
    document["mixture"]["shares"][0]["share"] = 7
    (broken / "audit.json").write_text(json.dumps(document))
    with pytest.raises(MorelliError, match="a share is none"):
        compare_audits(old, broken)
    document = json.loads((new / "audit.json").read_text("utf-8")) | {"candidates": ["x", "y"]}
    (broken / "audit.json").write_text(json.dumps(document))
    with pytest.raises(MorelliError, match="share no candidate"):
        compare_audits(old, broken)
    assert run("compare", old, tmp_path / "nowhere").exit_code == 1
    assert not (broken / "records.sqlite").exists()


def test_difference_intervals_cover():
    """Of differences of binomial shares, by all outcomes that can be: Newcombe's method, which this then is."""
    n, p, q = 40, 0.1, 0.3
    counts = np.arange(n + 1)
    first, second = binom.pmf(counts, n, p), binom.pmf(counts, n, q)
    intervals = [wilson(int(count), n) for count in counts]
    covered = 0.0
    for a in counts:
        for b in counts:
            _, low, high = difference_interval(intervals[a], intervals[b])
            covered += first[a] * second[b] * (low <= q - p <= high)
    assert 0.94 < covered < 0.97


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_wilson_is_that_of_scipy(count):
    from scipy.stats import binomtest

    expected = binomtest(count, 20).proportion_ci(0.95, method="wilson")
    assert wilson(count, 20) == pytest.approx((count / 20, expected.low, expected.high), abs=1e-12)
    assert wilson(0, 0) == (0.0, 0.0, 1.0)
