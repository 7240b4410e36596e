from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.errors import MorelliError
from morelli.report import headline, render_report, write_report
from morelli.trials import summarise

from .pages import EVIL, check_self_contained


@pytest.fixture(scope="module")
def trial(make_predictions):
    p = make_predictions(300, 14, 5, skill=0.5)
    return p, summarise(p, 0.09, target_coverage=0.9)


@pytest.fixture(scope="module")
def page_text(trial) -> str:
    return render_report(*trial, title="Gallery", subtitle="clean")


def test_report_holds_everything(trial, page_text):
    _, m = trial
    page = check_self_contained(page_text)
    text = " ".join(" ".join(page.text).split())
    for words in (
        "95% interval",
        "chance",
        "container alone",
        "lift",
        "within the first three",
        "right lineage",
        "calibration error",
        "AUROC",
        "Precision",
        "Confusion",
        "surer half",
        "Evidence",
        "How to read this",
    ):
        assert words in text
    assert headline(m) in text
    assert {attrs["id"] for attrs in page.all("section") if "id" in attrs} == {
        "decisions", "models", "confusion", "calibration", "sets", "families", "open-set", "errors", "limits"
    }  # fmt: skip
    assert len(page.all("svg")) == 6
    for attrs in page.all("svg"):
        assert attrs["role"] == "img"
    assert len(page.all("article")) == 24


def test_strangers_cannot_inject(make_predictions):
    k = 5
    names = [f"{EVIL}{i}" for i in range(k)]
    names[1] = '" onmouseover="alert(1)'
    names[2] = '$\\frac{1}{2}$ id="x" #1f5f99 \u202e\x00\x1b'
    names[3] = "日本語モデル \U0001f600 " + "long-" * 60
    p = make_predictions(
        80, k, 2, names=names, lineages=[EVIL, EVIL, None, "</style>", "$x$"],
        uris=[f"{EVIL}\udcff/{i}.jpg" for i in range(80)], skill=0.2, unreadable=0.1,
    )  # fmt: skip
    text = render_report(p, summarise(p), title=EVIL, subtitle="</title>" + EVIL)
    page = check_self_contained(text)
    assert EVIL not in text
    assert EVIL in "".join(page.text)
    text.encode("utf-8")
    assert "\x00" not in text and "\x1b" not in text
    # Neither mathematics nor our own colours and ids are read into a label inside a figure.
    assert '$\\frac{1}{2}$ id="x" #1f5f99' in "".join(page.text)


def test_the_policy_names_the_one_script(page_text):
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", page_text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page_text
    assert "default-src 'none'" in page_text


def test_thumbnails_are_inlined_or_their_absence_is_said(make_predictions, tmp_path: Path):
    pytest.importorskip("morelli.images", exc_type=ImportError)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (300, 200, 3), dtype=np.uint8)).save(tmp_path / "there.png")
    (tmp_path / "broken.png").write_bytes(b"not an image at all")
    uris = [("there.png", "gone.png", "broken.png", "nul\0.png")[i % 4] for i in range(60)]
    p = make_predictions(60, 6, 2, uris=uris, skill=0.1)
    text = render_report(p, summarise(p), title="x", base=tmp_path, max_errors=60)
    page = check_self_contained(text)
    images = page.all("img")
    assert images and {(a["width"], a["height"]) for a in images} == {("107", "160")}
    joined = "".join(page.text)
    assert "file not found" in joined and "not readable: " in joined and "the path is not valid" in joined


@pytest.mark.parametrize("rows", ["none", "unreadable", "unknown", "one"])
def test_degenerate_trials_still_give_a_page(make_predictions, rows):
    p = make_predictions(200, 6, 2, unreadable=0.1, unknown=0.1)
    chosen = {
        "none": np.zeros(200, bool),
        "unreadable": ~p.readable,
        "unknown": p.unknown,
        "one": np.flatnonzero(p.known)[:1],
    }[rows]
    part = p.take(chosen)
    m = summarise(part)
    page = check_self_contained(render_report(part, m, title="x"))
    assert ("Nothing could be measured" in "".join(page.text)) == (rows != "one")


@pytest.mark.parametrize("k", [1, 2, 12, 60])
def test_any_number_of_candidates(make_predictions, k):
    p = make_predictions(150, k, max(1, k // 3))
    check_self_contained(render_report(p, summarise(p), title="x", max_errors=2))


def test_no_lineages_no_families_no_prompts(make_predictions):
    from dataclasses import replace

    p = make_predictions(60, 4, lineages=[None] * 4, unknown=0.0)
    p = replace(p, evidence={}, family_proba={}, without_family={}, prompt_known=False)
    text = render_report(p, summarise(p), title="x")
    page = check_self_contained(text)
    assert "Prompts are not known." in "".join(page.text)
    assert "no unknown models in the catalog" in "".join(page.text)
    assert 'id="families"' not in text


def test_confidence_is_held_against_the_answers_that_it_is_of(make_predictions):
    """Four of eight images are refused, the others all right at 0.9: that is too modest, not too sure."""
    from dataclasses import replace

    p = make_predictions(8, 2, 2, truth=[0] * 8, unknown=0.0, unreadable=0.0)
    silent = np.arange(8) >= 4
    p = replace(
        p,
        proba=np.where(silent[:, None], np.nan, [[0.9, 0.1]]),
        prediction_set=~silent[:, None] & np.array([[True, False]]),
        open_set_p=np.full(8, np.nan),
        decision=np.where(silent, "unanswered", "attributed").astype(object),
        unanswered=["refused" if mute else None for mute in silent],
        evidence={}, family_proba={}, without_family={},
    )  # fmt: skip
    m = summarise(p)
    text = " ".join("".join(check_self_contained(render_report(p, m, title="x")).text).split())
    assert "Where it answers, it claims 90 of 100 on average and gets 100: too modest." in text
    assert "4 of 8 images got no answer and count as not right; of those answered, 100 of 100 are right." in text
    assert "with 1.0 of 2 candidates on average where there is an answer" in text
    mute = p.take(silent)
    text = "".join(check_self_contained(render_report(mute, summarise(mute), title="x")).text)
    assert "4 of 4 images got no answer and count as not right." in text
    assert "claims" not in text


def test_metrics_of_other_predictions_are_refused(trial, make_predictions):
    with pytest.raises(MorelliError, match="other predictions"):
        render_report(make_predictions(20, 14, 5), trial[1], title="x")


def test_write_report_is_whole_and_the_same_bytes_every_time(trial, page_text, tmp_path: Path):
    target = tmp_path / "new" / "report.html"
    assert write_report(*trial, target, title="Gallery", subtitle="clean") == target
    assert target.read_text(encoding="utf-8") == page_text
    assert [f.name for f in target.parent.iterdir()] == ["report.html"]
