"""Tables on predictions that are made up, so that every figure is known."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.leaderboard.attack import attack_frame
from morelli.leaderboard.attack.tables import CROSS, attack_findings
from morelli.leaderboard.paper import TOPS
from morelli.trials import Predictions
from morelli.trials.cells import Results
from morelli.trials.runner import Outcome
from morelli.trials.trial import Trial

from .conftest import CENTROID, FUSED, KNN

CLASSES = ("a", "b", "c")


def predictions(ranks, *, groups=None, first=0, candidates=3):
    """Return predictions in which the truth, always ``a``, has these ranks; 0 is first."""
    n = len(ranks)
    proba = np.zeros((n, 3))
    for row, rank in enumerate(ranks):
        others = [1, 2][: candidates - 1]
        order = [*others[:rank], 0, *others[rank:]]
        proba[row, order] = np.array([0.6, 0.3, 0.1])[: len(order)] / [0.6, 0.9, 1.0][len(order) - 1]
    ids = np.array([f"{first + i:064x}" for i in range(n)], dtype=object)
    return Predictions(
        classes=CLASSES, lineages=(None,) * 3, image_id=ids, uri=ids, label=["a"] * n,
        group=np.arange(n) if groups is None else np.asarray(groups), proba=proba, prediction_set=proba > 0.25,
        open_set_p=np.full(n, 0.5), decision=["attributed"] * n, evidence={}, family_proba={}, without_family={},
        error=[None] * n, judged_as=[None] * n, prompt_known=True,
    )  # fmt: skip


def outcome(attributor, k, table, reads="all"):
    trial = Trial({"attributor": attributor, "reads": reads, "k": k}, attributor=attributor)
    return Outcome(trial, table, None if table else "Nothing there.", lacking=table is None)


def find(full, outcomes):
    names = list(dict.fromkeys(one.trial.attributor for one in outcomes))
    return attack_findings(attack_frame(full, names), Results(outcomes))


def rows(findings, name):
    found = {table.name: table for table in findings.tables}
    if name not in found:
        return None
    return [dict(zip([c.name for c in found[name].columns], row, strict=True)) for row in found[name].rows]


def test_figures_of_a_row(full):
    findings = find(full, [outcome(FUSED, 2, predictions([0] * 6 + [1] * 2 + [2] * 2))])
    [row] = rows(findings, "attributors")
    assert (row["attributor"], row["reads"], row["k"], row["n"]) == ("prompt-fused", "all", 2, 10)
    assert [row[name] for name in ("accuracy", "top2", "top3")] == pytest.approx([0.6, 0.8, 1.0])
    assert row["chance"] == pytest.approx(1 / 3) and row["candidates"] == 3
    assert row["coverage"] == pytest.approx(0.8)
    assert findings.sentences[0].startswith("With 2 references of each model for the prompt, prompt-fused names the")
    assert "behind 60 of 100 images" in findings.sentences[0]


def test_candidates_and_chance_are_those_of_each_image(full):
    mixed = Predictions.concat([predictions([0, 0], candidates=2), predictions([0, 0, 0, 0], first=2)])
    [row] = rows(find(full, [outcome(KNN, CROSS, mixed)]), "attributors")
    assert row["candidates"] == pytest.approx((2 * 2 + 4 * 3) / 6)
    assert row["chance"] == pytest.approx((2 / 2 + 4 / 3) / 6)
    assert row["k"] is None


def test_nobody_is_told_of_zero_references(full):
    findings = find(full, [outcome(KNN, CROSS, predictions([0, 1, 0, 0]))])
    assert findings.sentences[0].startswith("With no reference for the prompt, knn names")
    assert rows(findings, "against-centroid") is None


def test_the_lead_is_of_the_same_images(full):
    own, centroid = predictions([0] * 8 + [1] * 2), predictions([0] * 5 + [1] * 5)
    findings = find(full, [outcome(FUSED, 1, own), outcome(CENTROID, 1, centroid)])
    [row] = rows(findings, "against-centroid")
    assert [row[name] for name in ("k", "centroid", "own")] == [1, 0.5, 0.8]
    assert row["gain"] == pytest.approx(0.3)
    assert 0 <= row["low"] <= row["gain"] <= row["high"] <= 0.7
    assert (
        "better than the nearest centroid at every number of references (points: +30.0 at 1, " in findings.sentences[1]
    )


@pytest.mark.parametrize("other", [predictions([0] * 5 + [1] * 5, first=100), predictions([0] * 5 + [1] * 4)])
def test_there_is_no_lead_on_other_images(full, other):
    """Also where the other images are of the same prompts."""
    findings = find(full, [outcome(FUSED, 1, predictions([0] * 10)), outcome(CENTROID, 1, other)])
    assert rows(findings, "against-centroid") is None
    assert not any("better" in sentence for sentence in findings.sentences)


def test_the_lead_is_over_the_centroid_of_the_embedding_or_else_the_best(full):
    table = predictions([0] * 10)
    weak, strong, middle = (predictions([0] * hits + [1] * (10 - hits)) for hits in (3, 9, 6))
    given = [outcome(FUSED, 1, table), outcome(CENTROID, 1, weak), outcome(CENTROID, 1, strong, "colour")]
    assert rows(find(full, given), "against-centroid")[0]["centroid"] == 0.9
    given.append(outcome(CENTROID, 1, middle, "net/embedding"))
    assert rows(find(full, given), "against-centroid")[0]["centroid"] == 0.6


def test_where_the_centroid_is_as_good_it_is_said(full):
    same = predictions([0, 0, 1, 0])
    findings = find(full, [outcome(FUSED, 1, same), outcome(CENTROID, 1, same)])
    assert (
        "not better than the nearest centroid beyond chance at every number of references (points: +0.0 at 1"
        in findings.sentences[1]
    )


def test_the_first_attributor_is_the_answer_and_the_centroid_has_no_lead_over_itself(full):
    findings = find(full, [outcome(CENTROID, 1, predictions([0] * 4)), outcome(FUSED, 1, predictions([1] * 4))])
    assert "prompt-centroid names the model behind 100 of 100" in findings.sentences[0]
    assert rows(findings, "against-centroid") is None


def test_the_papers_figures_stand_beside(full):
    findings = find(
        full,
        [
            outcome(CENTROID, 1, predictions([0, 1])),
            outcome(CENTROID, 30, predictions([0, 0])),
            outcome("dzanic", CROSS, predictions([2, 0])),
        ],
    )
    found = {row["attributor"]: row for row in rows(findings, "beside-the-paper")}
    assert list(found) == list(TOPS)
    assert (found["prompt-centroid"]["k"], found["prompt-centroid"]["first"]) == (30, 1.0)
    assert (found["dzanic"]["k"], found["dzanic"]["top2"]) == (None, 0.5)
    assert found["marra"]["first"] is None
    for name, tops in TOPS.items():
        assert tuple(found[name][column] for column in ("paper", "paper2", "paper3")) == tuple(tops)


def test_charts(full):
    findings = find(full, [outcome(FUSED, k, predictions([0, 0, 1, 2][: k + 2])) for k in (1, 2)])
    line, bars, heat = findings.charts
    assert [(point.x, point.y) for point in line.series[0].points] == [(1.0, pytest.approx(2 / 3)), (2.0, 0.5)]
    assert line.series[-1].paper and line.log_x
    assert len([bar for bar in bars.bars if not bar.paper]) == 1
    assert heat.values[0] == (0.5, 0.5, 0.0) and heat.values[1] == (None, None, None)
    one = find(full, [outcome(FUSED, 1, predictions([0, 0, 1]))])
    assert [type(chart).__name__ for chart in one.charts] == ["BarChart", "HeatMap"]


def test_cells_without_predictions_are_left_out(full):
    findings = find(full, [outcome(FUSED, 1, predictions([0, 0])), outcome(FUSED, 9, None)])
    assert [row["k"] for row in rows(findings, "attributors")] == [1]
    nothing = find(full, [outcome(FUSED, 9, None)])
    assert nothing.sentences == ("No image of a candidate could be judged.",)
    assert nothing.tables == ()
