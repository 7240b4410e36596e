from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from morelli.errors import CatalogError, MorelliError, NotEnoughDataError
from morelli.studies import Frame, make_study, run_study
from morelli.studies.co_occurrence import co_occurrence
from morelli.studies.domains import MIXED
from morelli.studies.findings import HeatMap, ScatterChart

from ._planted import SIDE, write_catalog

ATTRIBUTOR = "centroid:raw@forensic[colour]"
GREY, RED, BLUE, GREEN = (110, 110, 110), (200, 60, 60), (60, 60, 200), (20, 230, 20)
SHOWN = {"apples": ("apples;boats", "boats;apples"), "boats": ("boats; Apples", "boats"), "cats": ("cats", "")}


def picture(shares, rng) -> Image.Image:
    """Pixels of few colours in these shares, in a random order: no content, and never a near-duplicate."""
    colours = np.array([GREY, RED, BLUE, GREEN])
    counts = [round(share * SIDE * SIDE) for share in shares[:-1]]
    which = np.repeat(np.arange(4), [*counts, SIDE * SIDE - sum(counts)])
    pixels = colours[rng.permutation(which)].reshape(SIDE, SIDE, 3) + rng.integers(-4, 5, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def planted(rng):
    """Some of each image is red or blue, by model: swapped in cats. In boats one model is mostly green too."""
    looks = {
        ("apples", "m0"): (0.7, 0.3, 0, 0), ("apples", "m1"): (0.7, 0, 0.3, 0),
        ("boats", "m0"): (0.7, 0.3, 0, 0), ("boats", "m1"): (0.1, 0, 0.3, 0.6),
        ("cats", "m0"): (0.7, 0, 0.3, 0), ("cats", "m1"): (0.7, 0.3, 0, 0),
    }  # fmt: skip
    for (domain, model), shares in looks.items():
        for image in range(8):
            prompt = image // 2
            labels = {"model": model, "domain": domain, "prompt_id": f"{domain}-{prompt}"}
            yield picture(shares, rng), {**labels, "shows": SHOWN[domain][prompt % 2]}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return write_catalog(tmp_path_factory.mktemp("domains of images"), planted(np.random.default_rng(0)))


@pytest.fixture(scope="module")
def frame(catalog) -> Frame:
    return Frame(catalog, (ATTRIBUTOR,), folds=12, seeds=(0, 1))


@pytest.fixture(scope="module")
def result(frame):
    return run_study(make_study("domains", {"presence": "shows"}), frame, jobs=1)


LACKING = ["m0"] * 8 + ["m1"] * 8 + ["m0"] * 8 + ["m1"] * 8 + ["m0"] * 8 + ["m2"] * 8
EXPECTED = {
    ("apples", "apples"): 1, ("apples", "boats"): 1, ("apples", "cats"): 0,
    ("boats", "apples"): 0.5, ("boats", "boats"): 1, ("boats", "cats"): 0.5,
    ("cats", "apples"): 0, ("cats", "boats"): 0, ("cats", "cats"): 1,
}  # fmt: skip


def test_the_matrix_is_what_was_planted(result):
    rows = {(row["trained_on"], row["tested_on"]): row for row in result.cells.to_pylist()}
    assert {key: row["accuracy"] for key, row in rows.items() if key[0] != MIXED} == EXPECTED
    assert len(rows) == 12
    assert all(row["n"] == 32 and row["seeds"] == 2 and row["chance"] == 0.5 for row in rows.values())
    assert len({row["references"] for row in rows.values()}) == 1  # the baseline and the diagonal included
    assert rows["boats", "cats"]["low"] < 0.5 or rows["boats", "cats"]["spread"] == 0.0
    matrix = next(chart for chart in result.findings.charts if isinstance(chart, HeatMap))
    assert matrix.rows == ("apples", "boats", "cats", MIXED)
    assert matrix.columns == ("apples", "boats", "cats", "all others")
    assert [row[-1] for row in matrix.values] == [0.5, 0.5, 0.0, None]
    assert matrix.values[0][:3] == (1.0, 1.0, 0.0)


def test_asymmetry_and_kinds_are_in_the_findings(result):
    values = result.findings.values
    assert values["asymmetry"]["mean"] == pytest.approx(1 / 3)
    assert values["asymmetry"]["largest"] == pytest.approx(0.5)
    assert any("apples to boats, 100, against 50 the other way" in s for s in result.findings.sentences)
    assert values["pooled"][f"{ATTRIBUTOR} same domain"] == 1.0
    assert values["pooled"][f"{ATTRIBUTOR} another domain"] == pytest.approx(1 / 3)
    kinds = next(table for table in result.findings.tables if table.name == "training")
    by_name = {row[1]: dict(zip([c.name for c in kinds.columns], row, strict=True)) for row in kinds.rows}
    other = by_name["another domain"]
    assert other["difference"] == pytest.approx(-2 / 3)
    assert other["difference_low"] <= other["difference"] <= other["difference_high"] < 0.0
    assert other["n"] == 2 * 48 * 2 and by_name["same domain"]["n"] == 2 * 48
    alone = next(table for table in result.findings.tables if table.name == "one-domain-only")
    assert {row[0]: row[1] for row in alone.rows} == {"apples": 0.5, "boats": 0.5, "cats": 0.0}


def test_co_occurrence_goes_along_with_accuracy(frame, result):
    seen, notes = co_occurrence(frame, "domain", "shows", ["apples", "boats", "cats"])
    assert seen.tolist() == [[1, 1, 0], [0.5, 1, 0], [0, 0, 0.5]]
    assert notes == []
    mantel = result.findings.values["mantel"]
    off = ~np.eye(3, dtype=bool)
    accuracy = np.array([EXPECTED[a, b] for a in ("apples", "boats", "cats") for b in ("apples", "boats", "cats")])
    assert mantel["r"] == pytest.approx(np.corrcoef(seen[off], accuracy.reshape(3, 3)[off])[0, 1])
    assert mantel["p"] == pytest.approx(1 / 6) or mantel["p"] > 1 / 6
    scatter = next(chart for chart in result.findings.charts if isinstance(chart, ScatterChart))
    assert ("apples to boats", 1.0, 1.0) in scatter.points and len(scatter.points) == 6


def test_what_was_not_looked_at_or_is_no_domain_is_left_out(frame, catalog):
    shows = catalog.column("shows")
    shows[catalog.column("domain") == "cats"] = None
    shows[0] = "apples; Ducks ;apples"
    seen, notes = co_occurrence(replace(frame, catalog=catalog.with_column("shows", shows)), "domain", "shows",
                                ["apples", "boats", "cats"])  # fmt: skip
    assert seen[0].tolist() == [1, 15 / 16, 0]
    assert np.isnan(seen[2]).all()
    assert notes[0].startswith("16 images") and "Ducks" in notes[1]


def test_the_paper_stands_beside_and_is_marked(result):
    bars = next(chart for chart in result.findings.charts if chart.name == "training").bars
    paper = [bar for bar in bars if bar.paper]
    assert {bar.value for bar in paper} >= {0.467, 0.711}
    assert len(paper) == 6 and all(bar.low is None for bar in paper)
    assert not {bar.value for bar in bars if not bar.paper} & {bar.value for bar in paper}


def test_without_presence_nothing_is_said_of_it(frame):
    found = run_study(make_study("domains", {"per_class": "3"}), frame, jobs=1)
    assert "mantel" not in found.findings.values
    assert not any(isinstance(chart, ScatterChart) for chart in found.findings.charts)
    assert {row["references"] for row in found.cells.to_pylist()} == {6.0}


@pytest.mark.parametrize(
    ("settings", "change", "error", "words"),
    [
        ({"column": "scene"}, None, CatalogError, "scene"),
        ({"column": "language"}, None, MorelliError, "empty"),
        ({"column": "model"}, None, MorelliError, "to be told"),
        ({"presence": "source"}, None, MorelliError, "empty"),
        ({}, {"domain": ["apples"] * 48}, NotEnoughDataError, "two or more"),
        ({}, {"domain": [MIXED] * 24 + ["cats"] * 24}, MorelliError, "baseline"),
        ({}, {"model": LACKING}, NotEnoughDataError, '"m2" has 0 in "apples"'),
        ({"per_class": 0}, None, MorelliError, "at least one"),
    ],
)  # fmt: skip
def test_a_catalog_that_cannot_answer_is_refused(frame, catalog, settings, change, error, words):
    for name, values in (change or {}).items():
        catalog = catalog.with_column(name, values)
    with pytest.raises(error, match=words):
        make_study("domains", settings).trials(replace(frame, catalog=catalog))


def test_a_class_that_a_domain_lacks_is_taken_as_it_is_when_a_number_is_given(frame, catalog):
    frame = replace(frame, catalog=catalog.with_column("model", LACKING))
    found = run_study(make_study("domains", {"per_class": 3}), frame, jobs=1)
    assert any("not of one size" in note for note in found.findings.notes)


def test_a_domain_with_too_few_prompts_for_itself_is_judged_by_the_others(frame, catalog):
    """As in the public gallery: one image of each model and prompt, and a domain of three prompts."""
    keep = np.arange(len(catalog)) % 2 == 0
    keep &= catalog.column("prompt_id") != "cats-3"
    small = catalog.filter(keep)
    found = run_study(make_study("domains"), replace(frame, catalog=small, folds=11), jobs=1)
    rows = {(row["trained_on"], row["tested_on"]): row for row in found.cells.to_pylist()}
    assert ("cats", "cats") not in rows and len(rows) == 11
    assert {key: row["accuracy"] for key, row in rows.items() if key[0] != MIXED} == {
        key: value for key, value in EXPECTED.items() if key != ("cats", "cats")
    }
    assert {row["references"] for row in rows.values()} == {6.0}
    assert not found.missing  # folds without an image of a domain are no trials
    assert any(note.startswith("cats is not judged") for note in found.findings.notes)
