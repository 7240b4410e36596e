from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from morelli.attributors import Lineage, PooledCandidate, PooledVerdict
from morelli.report import render_attributions, write_attributions

from .pages import EVIL, check_self_contained


def verdict(**changes: Any) -> dict[str, Any]:
    values = {
        "schema_version": 1,
        "uri": "somewhere/image.png",
        "image_id": "ab" * 32,
        "decision": "attributed",
        "label": "flux",
        "probability": 0.91,
        "lineage": {"label": "Flux", "probability": 0.95},
        "candidates": [{"model": f"m{i}", "probability": 0.5 / (i + 1), "llr": 1.0 - i} for i in range(8)],
        "prediction_set": ["flux"],
        "open_set_p": 0.42,
        "evidence": {"residual": {"flux": 2.0, "sdxl": -2.0}, "colour": {"flux": -0.4, "sdxl": 0.4}},
        "quality": {"short_side": 1024, "jpeg_quality": None, "blur": 0.1, "bucket": "large/clean"},
        "bundle": {"name": "gallery", "version": "1", "id": "cd" * 32},
        "error": None,
    }
    return values | changes


def unreadable(**changes: Any) -> dict[str, Any]:
    return verdict(
        decision="unreadable", label=None, probability=None, lineage=None, candidates=[], prediction_set=[],
        open_set_p=None, evidence={}, quality=None, error="image.png: it ends too soon", **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("judged_as", "shown"),
    [("unfamiliar", "unfamiliar condition"), ("none", "untouched"), ("scale:0.5|jpeg:85", "scale:0.5|jpeg:85")],
)
def test_what_it_was_judged_as(judged_as, shown):
    page = render_attributions([verdict(judged_as=judged_as)], "x")
    assert shown in page
    assert "Judged as" in page
    assert "udged as" not in render_attributions([verdict(judged_as=None)], "x")
    assert "udged as" not in render_attributions([verdict()], "x")


def test_cards_say_what_the_verdicts_say():
    verdicts = [
        verdict(),
        verdict(decision="ambiguous", prediction_set=["flux", "sdxl", "a", "b", "c"]),
        verdict(decision="unknown", label=None, probability=None, open_set_p=0.01),
        verdict(decision="conflict"),
        unreadable(),
    ]
    page = check_self_contained(render_attributions(verdicts, "Campaign"))
    text = " ".join(" ".join(page.text).split())
    for words in (
        "5 images: 1 attributed, 1 ambiguous, 1 unknown, 1 conflict, 1 unreadable",
        "Bundle gallery 1 cdcdcdcdcdcd",
        "One of 5 candidates",
        "and 2 more",
        "None of the candidates",
        "Pixels and metadata disagree",
        "it ends too soon",
        "and 3 less likely",
        "short side 1024 px",
        "open-set p 0.420",
    ):
        assert words in text
    assert len(page.all("article")) == 5


def test_strangers_cannot_inject():
    bad = verdict(
        uri=EVIL, label=EVIL, decision=EVIL, error=None, prediction_set=[EVIL],
        candidates=[{"model": EVIL, "probability": 1.0}],
        evidence={EVIL: {EVIL: 1.0}}, quality={"bucket": EVIL}, bundle={"name": EVIL, "version": EVIL, "id": EVIL},
        lineage={"label": EVIL, "probability": None}, image_id='"><img src=x onerror=alert(1)>',
    )  # fmt: skip
    text = render_attributions([bad, unreadable(uri=EVIL) | {"error": EVIL}], EVIL)
    check_self_contained(text)
    assert EVIL not in text


@pytest.mark.parametrize("value", [{}, {"decision": "attributed"}, {"error": "gone", "decision": "unreadable"}])
def test_sparse_verdicts_are_shown_not_refused(value):
    check_self_contained(render_attributions([value], "x"))


# --- several images together -------------------------------------------------------------------------------------


def pooled(**changes: Any) -> dict[str, Any]:
    values = PooledVerdict(
        None, "attributed", "flux", 0.97, Lineage("Flux", 0.98, True), prediction_set=("flux",), n_images=12,
        candidates=tuple(PooledCandidate(f"m{i}", 0.5 / (i + 1)) for i in range(8)), n_effective=4.5, agreement=9,
    )  # fmt: skip
    return values.to_dict() | changes


def test_pooled_verdicts_come_first():
    sets = [pooled(), pooled(folder="shots/B", decision="ambiguous", prediction_set=["flux", "sdxl"])]
    sets += [
        pooled(folder="C", decision="unknown", label=None, probability=None),
        pooled(decision="unreadable", n_images=0),
    ]
    page = check_self_contained(render_attributions([verdict()], "Campaign", pooled=sets))
    text = " ".join(" ".join(page.text).split())
    for words in (
        "All images together 12 images, worth 4.5 independent ones: by themselves 9 name m0",
        "flux 97%",
        "shots/B together",
        "One of 2 candidates flux , sdxl",
        "None of the candidates Nearest lineage Flux",
        "and 3 less likely",
        "No image could be judged",
        "If several did, the answer means nothing.",
    ):
        assert words in text
    assert len(page.all("article")) == 5
    assert text.index("All images together") < text.index("somewhere/image.png"[-9:])
    assert "images together" not in " ".join(check_self_contained(render_attributions([verdict()], "x")).text)


def test_strangers_cannot_inject_into_pooled_verdicts():
    bad = pooled(folder=EVIL, label=EVIL, decision=EVIL, candidates=[{"model": EVIL, "probability": 1.0}])
    check_self_contained(text := render_attributions([], EVIL, pooled=[bad | {"prediction_set": [EVIL]}]))
    assert EVIL not in text


def test_nothing_to_show():
    assert "There are no images to show" in render_attributions([], "x")


def test_write(tmp_path: Path):
    target = write_attributions([verdict()], tmp_path / "a.html", title="x")
    assert target.read_text(encoding="utf-8") == render_attributions([verdict()], "x")
