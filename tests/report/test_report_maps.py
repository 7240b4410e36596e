from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.explain import Grid, TraceMap
from morelli.report import (
    MAPS_LIMIT,
    MapCard,
    evaluation_maps,
    map_card,
    render_attributions,
    render_report,
    write_maps,
)
from morelli.report.maps import surest_rows
from morelli.trials import summarise

from .pages import EVIL, check_self_contained


def shown(candidate: str = "ada", families: int = 2) -> TraceMap:
    values = np.array([[3.0, -1.0], [0.5, 0.0]])
    parts = {f"family{i}": values / families for i in range(families)}
    grid = Grid(80, 120, 0, 0, 40, 60, 2, 2)
    return TraceMap("votes", candidate, "bob", grid, values, 0.6, 0.2, 9, (40, 60), parts, dict.fromkeys(parts, 0.1))


@pytest.fixture
def card() -> MapCard:
    return map_card("a folder/pïcture.png", shown(), np.zeros((80, 120, 3), np.uint8), "Right: ada")


def test_card(card):
    assert card.name == "pïcture.png"
    assert card.limit == "3"
    assert [family.name for family in card.families] == ["family0", "family1"]
    assert max(card.picture.width, card.picture.height) <= 480
    assert "Blue: evidence for ada" in card.alt
    one = map_card("x", shown(families=1), np.zeros((80, 120, 3), np.uint8))
    assert one.families == ()


def test_page_of_maps(card, tmp_path):
    bad = MapCard("bad.png", "", error=f"bad.png: it ends too soon {EVIL}")
    evil = map_card(EVIL, shown(EVIL), np.zeros((80, 120, 3), np.uint8), EVIL)
    path = write_maps([card, bad, evil], tmp_path / "new" / "index.html", title=EVIL, total=9)
    text = path.read_text(encoding="utf-8")
    page = check_self_contained(text)
    assert EVIL not in text
    assert len([image for image in page.all("img") if image.get("class") == "map"]) == 2
    words = " ".join(" ".join(page.text).split())
    assert "9 images, the first 3 shown" in words and "it ends too soon" in words and "Right: ada" in words


def test_maps_in_a_report(card, make_predictions):
    p = make_predictions(60, 4, 2)
    m = summarise(p)
    page = check_self_contained(render_report(p, m, title="x", maps=[card, MapCard("y.png", "Wrong", error="gone")]))
    assert "maps" in {attrs.get("id") for attrs in page.all("section")}
    assert {"href": "#maps"} in page.all("a")
    without = check_self_contained(render_report(p, m, title="x"))
    assert "maps" not in {attrs.get("id") for attrs in without.all("section")}
    assert "Where the evidence lies" not in " ".join(without.text)


def test_maps_beside_verdicts(card):
    verdict = {"uri": "a.png", "decision": "attributed", "label": "ada", "candidates": [], "error": None}
    page = check_self_contained(render_attributions([verdict, verdict], "x", maps={1: card}))
    assert len([image for image in page.all("img") if image.get("class") == "map"]) == 1
    assert "Where the evidence lies" in " ".join(page.text)
    assert "Where the evidence lies" not in render_attributions([verdict], "x")


def test_the_surest_right_and_wrong(make_predictions):
    p = make_predictions(200, 5, 3, skill=0.5)
    right = (p.top == p.y) & p.known
    wrong = (p.top != p.y) & p.known
    rows = surest_rows(p, 7)
    assert right[rows[:4]].all() and wrong[rows[4:]].all() and len(rows) == 7
    assert list(p.confidence[rows[:4]]) == sorted(p.confidence[right])[::-1][:4]
    assert list(p.confidence[rows[4:]]) == sorted(p.confidence[wrong])[::-1][:3]
    every = surest_rows(p, 10_000)
    assert len(every) == len(set(every)) == p.known.sum()
    assert len(surest_rows(p, 0)) == 0


def test_images_that_are_gone_keep_their_place(make_predictions):
    p = make_predictions(60, 4, 2, skill=0.5)
    cards = evaluation_maps(None, p, 4)  # nothing is asked of the bundle before the image is read
    assert len(cards) == 4
    assert all("there is no such file" in card.error for card in cards)
    assert [card.title.partition(":")[0] for card in cards] == ["Right", "Right", "Wrong", "Wrong"]
    assert "; it is " in cards[-1].title
    for n in (-1, MAPS_LIMIT + 1):
        with pytest.raises(MorelliError, match=f"0 to {MAPS_LIMIT} maps, not {n}"):
            evaluation_maps(None, p, n)


@pytest.mark.parametrize("skill", [0.0, 50.0])
def test_where_there_are_few_of_one_kind(make_predictions, skill):
    p = make_predictions(40, 3, 2, skill=skill)
    n = int(p.known.sum())
    assert len(surest_rows(p, n)) == n
    assert len(surest_rows(p, 6)) == 6
