from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.trials import Metrics, Predictions, summarise

DECISIONS = ["attributed", "attributed", "ambiguous", "ambiguous", "unknown", "unknown", "attributed", "unreadable"]


@pytest.fixture
def small(make) -> Predictions:
    """Eight images: five of candidates, one of another model, one without label, one unreadable."""
    proba = np.array(
        [
            [0.8, 0.1, 0.1],
            [0.6, 0.3, 0.1],
            [0.42, 0.55, 0.03],
            [0.4, 0.1, 0.5],
            [0.2, 0.2, 0.6],
            [0.9, 0.05, 0.05],
            [0.9, 0.05, 0.05],
            [np.nan] * 3,
        ]
    )
    return make(
        n=8,
        proba=proba,
        prediction_set=np.nan_to_num(proba) >= 0.4,
        label=["m0", "m1", "m1", "m0", "m2", "other", None, "m0"],
        decision=DECISIONS,
        error=[None] * 7 + ["it ends too soon"],
        open_set_p=[0.5, 0.6, 0.7, 0.8, 0.02, 0.01, 0.9, np.nan],
        group=[0, 0, 1, 1, 2, 2, 3, 3],
    )


def test_numbers_by_hand(small):
    m = summarise(small, nuisance=0.4, seed=3, target_coverage=0.9)
    assert (m.n_rows, m.n, m.n_unreadable, m.n_unknown, m.n_unlabelled) == (8, 5, 1, 1, 1)
    assert (m.n_classes, m.n_lineages, m.n_clusters) == (3, 2, 3)
    assert m.accuracy == pytest.approx(3 / 5)
    assert m.lift == pytest.approx(0.2)
    assert m.chance == pytest.approx(1 / 3)
    assert m.majority == pytest.approx(2 / 5)
    assert m.top3 == 1.0
    # m0 and m2 share a lineage: row 3 is wrong by model and right by lineage.
    assert m.lineage_accuracy == pytest.approx(4 / 5)
    assert m.lineage_chance == pytest.approx((3 * 2 + 2 * 1) / 5 / 3)
    assert m.coverage == pytest.approx(4 / 5)
    assert m.mean_set_size == pytest.approx(7 / 5)
    assert m.confusion == ((1, 0, 1), (1, 1, 0), (0, 0, 1))
    assert m.seed == 3 and m.target_coverage == 0.9


def test_decisions_count_every_row(small):
    m = summarise(small)
    by_name = {d.decision: d for d in m.decisions}
    assert sum(d.n for d in m.decisions) == 8
    assert list(by_name) == ["attributed", "ambiguous", "unknown", "unreadable"]
    assert by_name["attributed"].accuracy == pytest.approx(1 / 2)  # the unlabelled one is not judged
    assert by_name["ambiguous"].set_coverage == 1.0
    assert by_name["unknown"].n_unknown == 1
    assert by_name["unknown"].accuracy == pytest.approx(1 / 2)  # an outsider can only be wrong
    assert by_name["unreadable"].accuracy is None


def test_open_set_only_where_there_are_unknowns(small):
    m = summarise(small)
    assert m.open_set is not None
    assert (m.open_set.n_known, m.open_set.n_unknown, m.open_set.unknown_models) == (5, 1, 1)
    assert m.open_set.auroc == 1.0
    assert m.open_set.oscr == pytest.approx(3 / 5)
    assert m.open_set.unknown_flagged == 1.0
    assert m.open_set.known_flagged == pytest.approx(1 / 5)
    assert summarise(small.take(np.arange(5))).open_set is None


def test_per_class_names_the_usual_mistake(small):
    m = summarise(small)
    first = m.per_class[0]
    assert (first.confused_with, first.confused_share) == ("m2", 0.5)
    assert (first.precision, first.recall) == (0.5, 0.5)
    assert m.per_class[2].confused_with is None


def test_families_alone_and_left_out(make):
    p = make(n=60, k=3)
    right = np.eye(3)[p.y] * 0.9 + 0.1 / 3
    m = summarise(make(n=60, k=3, family_proba={"sees": right}, without_family={"sees": p.proba, "rest": right}))
    sees, rest = m.families[1], m.families[2]
    assert [f.family for f in m.families] == ["residual", "sees", "rest"]
    assert m.families[0].accuracy is None and m.families[0].drop is None
    assert sees.accuracy == 1.0
    assert sees.drop == sees.drop_low == sees.drop_high == 0.0
    assert rest.without == 1.0
    assert rest.drop == pytest.approx(m.accuracy - 1.0)
    assert rest.drop_high < 0


def test_a_family_without_an_answer_is_left_out_of_its_own_count(make):
    p = make(n=20)
    block = p.family_proba["residual"].copy()
    block[:5] = np.nan
    m = summarise(make(n=20, family_proba={"residual": block}))
    assert m.families[0].n == 15


def test_json_round_trip_has_no_nan(small):
    for p in (small, small.take([7]), small.take([])):
        m = summarise(p, nuisance=0.1)
        text = json.dumps(m.to_dict(), allow_nan=False)
        assert Metrics.from_dict(json.loads(text)) == m
        assert json.loads(text) == m.to_dict()


def test_from_dict_refuses_what_it_does_not_know(small):
    values = summarise(small).to_dict()
    with pytest.raises(MorelliError, match="schema version 99"):
        Metrics.from_dict(values | {"schema_version": 99})
    del values["families"]
    with pytest.raises(MorelliError, match="damaged"):
        Metrics.from_dict(values)


@pytest.mark.parametrize("rows", [[], [7], [5], [6], [5, 6, 7]])
def test_nothing_to_measure_is_none(small, rows):
    m = summarise(small.take(rows), nuisance=0.2)
    assert m.n == 0
    for name in ("accuracy", "accuracy_low", "lift", "top3", "ece", "coverage", "risk_at_half", "majority", "aurc"):
        assert getattr(m, name) is None
    assert m.risk_curve == ()
    assert sum(d.n for d in m.decisions) == len(rows)


def test_one_class(make):
    m = summarise(make(n=4, k=1, label=["m0"] * 4))
    assert m.accuracy == m.chance == 1.0
    assert m.accuracy_low < 1.0


def test_same_seed_same_numbers(make):
    p = make(n=80)
    assert summarise(p, seed=1) == summarise(p, seed=1)
    assert summarise(p, seed=1).accuracy == summarise(p, seed=2).accuracy


def test_shares_are_checked(make):
    with pytest.raises(MorelliError, match="nuisance"):
        summarise(make(), nuisance=31.0)
    with pytest.raises(MorelliError, match="target_coverage"):
        summarise(make(), target_coverage=90)
