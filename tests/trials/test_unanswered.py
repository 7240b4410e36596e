"""Images for which no candidate was named: they count, as not right, and are never guessed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.studies.paired import known_hits
from morelli.trials import Predictions, summarise
from morelli.trials._parts import Kept, PartStore
from morelli.trials.cells import Results
from morelli.trials.runner import Outcome
from morelli.trials.trial import Trial

REASONS = [None, "refused", None, "unknown", None, "failed"]


@pytest.fixture
def silent(make) -> Predictions:
    """Six images of two candidates; of the three that are answered, the last is wrong."""
    right, nothing = [0.9, 0.1], [np.nan, np.nan]
    return make(
        n=6,
        k=2,
        label=["m0"] * 6,
        proba=np.array([right, nothing, right, nothing, [0.2, 0.8], nothing]),
        prediction_set=np.array([[True, False], [False] * 2, [True, False], [False] * 2, [False, True], [False] * 2]),
        open_set_p=np.full(6, np.nan),
        decision=["attributed", "unanswered", "attributed", "unknown", "attributed", "unanswered"],
        unanswered=REASONS,
        evidence={},
        family_proba={},
        without_family={},
    )


def test_masks(silent):
    assert silent.answered.tolist() == [True, False, True, False, True, False]
    assert silent.readable.all()
    assert silent.known.all()
    assert silent.top.tolist() == [0, -1, 0, -1, 1, -1]
    assert np.isnan(silent.confidence[1])
    assert known_hits(silent)[1].tolist() == [True, False, True, False, False, False]


def test_they_are_kept(silent, tmp_path):
    silent.write(tmp_path / "p.parquet")
    back = Predictions.read(tmp_path / "p.parquet")
    assert back.unanswered.tolist() == REASONS
    assert back.take([1, 0]).unanswered.tolist() == ["refused", None]
    assert Predictions.concat([back, back]).unanswered.tolist() == REASONS * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decision": ["attributed"] * 6}, 'decision is "unknown" or "unanswered" where unanswered is set'),
        ({"unanswered": [None] * 6}, 'decision is "unanswered" only where unanswered is set'),
        ({"proba": np.full((6, 2), 0.5)}, "proba must be NaN where no candidate was named"),
        ({"prediction_set": np.ones((6, 2), bool)}, "prediction_set must be empty"),
        (
            {"error": ["broken"] * 6, "decision": ["unreadable"] * 6, "proba": np.full((6, 2), np.nan)},
            "unanswered must be None where error is set",
        ),
    ],
)
def test_what_cannot_be(silent, change, words):
    with pytest.raises(MorelliError, match=words):
        dataclasses.replace(silent, **change)


def test_measures_of_all_and_of_the_answered(silent):
    m = summarise(silent, n_boot=10)
    assert m.n == 6
    assert m.accuracy == pytest.approx(2 / 6)
    assert m.top3 == pytest.approx(3 / 6)
    assert m.lineage_accuracy == pytest.approx(2 / 6)
    assert (m.n_unanswered, m.accuracy_answered) == (3, pytest.approx(2 / 3))
    assert m.coverage == pytest.approx(2 / 6)
    assert m.mean_set_size == m.per_class[0].set_size == 1.0  # a silent image has no set, rather than a small one
    assert m.log_loss == pytest.approx(-(2 * np.log(0.9) + np.log(0.2)) / 3)
    assert m.mean_confidence == pytest.approx((0.9 + 0.9 + 0.8) / 3)
    assert m.risk_at_half == pytest.approx(1 / 3)  # the three that are answered are the surest
    assert m.confusion == ((2, 1), (0, 0))
    assert (m.per_class[0].support, m.per_class[0].recall) == (6, pytest.approx(2 / 6))
    assert {row.decision: row.n for row in m.decisions}["unanswered"] == 2


def test_nothing_is_answered(silent):
    mute = silent.take([1, 3, 5])
    m = summarise(mute, n_boot=10)
    assert (m.n, m.accuracy, m.top3, m.lineage_accuracy) == (3, 0.0, 0.0, 0.0)
    assert (m.log_loss, m.ece, m.mean_confidence) == (None, None, None)
    assert (m.n_unanswered, m.accuracy_answered, m.mean_set_size) == (3, None, None)


def test_cells_count_them(silent):
    results = Results([Outcome(Trial({"who": "x"}), silent)])
    (cell,) = results
    assert cell.accuracy == pytest.approx(2 / 6)
    assert (cell.measures["n"], cell.measures["n_unanswered"], cell.measures["called_unknown"]) == (6, 3, 1 / 6)
    assert {(row["answer"], row["n"]) for row in results.confusion_table().to_pylist()} == {("m0", 2), ("m1", 1)}
    assert {row["class"]: row["recall"] for row in results.class_table().to_pylist()}["m0"] == pytest.approx(2 / 6)
    long = results.prediction_table().to_pylist()
    assert [row["answer"] for row in long] == ["m0", None, "m0", None, "m1", None]
    assert [row["right"] for row in long] == [True, False, True, False, False, False]
    assert [row["unanswered"] for row in long] == REASONS


def test_folds_with_other_classes_are_joined(silent, make):
    other = make(n=2, k=2, label=["m1", "m1"], classes=("m1", "m2"), evidence={}, family_proba={}, without_family={})
    fold = Outcome(Trial({"who": "x"}), dataclasses.replace(other, lineages=(None, None)))
    (cell,) = Results([Outcome(Trial({"who": "x"}), silent), fold])
    (joined,) = cell.draws
    assert joined.classes == ("m0", "m1", "m2")
    assert np.isnan(joined.proba[1]).all()
    assert joined.unanswered.tolist() == [*REASONS, None, None]


def test_parts_with_failures_are_done_again(silent, tmp_path):
    store = PartStore(tmp_path)
    store.put("a", {}, Kept(silent, 1.0, 2.0, spent={"requests": 5.0}))
    store.put("b", {}, Kept(silent.take([0, 1, 2, 3, 4]), 1.0, 2.0))
    assert store.finished("a") is None
    assert store.finished("b") is not None  # refusals are final
    kept = store.get("a")
    assert kept is not None
    assert kept.spent == {"requests": 5.0}
    assert store.finished("c") is None
    (tmp_path / "b.json").write_text("{")
    assert store.get("b") is None
