from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from morelli.errors import MorelliError
from morelli.trials.cells import MEASURES, Results, check_coordinates
from morelli.trials.metrics import cluster_bootstrap_interval, summarise
from morelli.trials.runner import Outcome
from morelli.trials.trial import Fold, Trial

from .conftest import build


def outcome(at: dict[str, object], predictions=None, *, seed: int = 0, fold: Fold | None = None, **more) -> Outcome:
    return Outcome(Trial(at, attributor="centroid", seed=seed, fold=fold), predictions, **more)


def table(truth: str, answers: str, classes: str = "abc", **changes):
    """Predictions of images that truly are of `truth`, one letter each; "?" cannot be read, "-" has no label."""
    n, k = len(truth), len(classes)
    proba = np.full((n, k), 0.1 / (k - 1))
    proba[np.arange(n), [classes.index(a) for a in answers]] = 0.9
    bad = np.array([letter == "?" for letter in truth])
    proba[bad] = np.nan
    values = {
        "classes": tuple(classes),
        "lineages": tuple({"a": "x", "b": "x"}.get(name) for name in classes),
        "label": [{"?": classes[0], "-": None}.get(letter, letter) for letter in truth],
        "proba": proba,
        "prediction_set": np.where(bad[:, None], False, proba > 0.5),
        "open_set_p": np.where(bad, np.nan, 0.5),
        "decision": np.where(bad, "unreadable", "attributed"),
        "error": ["broken" if one else None for one in bad],
        "evidence": {}, "family_proba": {}, "without_family": {},
    } | changes  # fmt: skip
    return build(n=n, k=k, **values)


def test_measures_by_hand():
    # 6 images of candidates (4 right), 1 unreadable, 1 stranger, 1 without a label
    one = table("aabbcc?z-", "aabacbaab", open_set_p=np.array([0.5] * 6 + [np.nan, 0.1, 0.5]))
    decisions = ["attributed"] * 3 + ["ambiguous", "unknown", "attributed", "unreadable", "unknown", "attributed"]
    one = table("aabbcc?z-", "aabacbaab", open_set_p=one.open_set_p, decision=decisions)
    (cell,) = Results([outcome({"x": 1}, one, n_references=30, fit_seconds=2.0)])
    m = cell.measures
    assert list(m) == list(MEASURES)
    assert (m["n"], m["n_unreadable"], m["n_unknown"], m["seeds"], m["missing"]) == (6, 1, 1, 1, 0)
    assert (m["references"], m["classes"], m["fit_seconds"]) == (30, 3, 2.0)
    assert m["chance"] == pytest.approx(1 / 3)
    assert m["accuracy"] == pytest.approx(4 / 6) == cell.accuracy
    assert m["spread"] is None
    assert m["top3"] == 1.0
    assert m["coverage"] == pytest.approx(4 / 6)
    assert m["set_size"] == 1.0
    assert m["log_loss"] == pytest.approx(-(4 * np.log(0.9) + 2 * np.log(0.05)) / 6)
    assert m["ece"] == pytest.approx(0.9 - 4 / 6)
    assert m["called_unknown"] == pytest.approx(1 / 6)
    assert m["unknown_flagged"] == 1.0
    assert m["unknown_auroc"] == 1.0
    assert m["attributed_right"] == pytest.approx(3 / 4)
    low, high = cluster_bootstrap_interval(np.array([1, 1, 1, 0, 1, 0], bool), one.group[:6], 2000, 0)
    assert cell.interval == (low, high)
    assert low < 4 / 6 < high


def test_two_seeds():
    one, other = table("aabbcc", "aabbcc"), table("aabbcc", "abbaca")
    results = Results([outcome({"x": 1}, one, seed=0), outcome({"x": 1}, other, seed=1)], seed=7)
    (cell,) = results
    m = cell.measures
    assert (m["n"], m["seeds"]) == (12, 2)
    assert m["accuracy"] == pytest.approx((6 + 3) / 12)
    assert m["spread"] == pytest.approx(np.std([1.0, 0.5], ddof=1))
    hits = np.concatenate([t.top == t.y for t in (one, other)])
    clusters = np.concatenate([one.group, other.group])  # a prompt is one cluster, however often it is judged
    assert cell.interval == cluster_bootstrap_interval(hits, clusters, 2000, 7)
    assert m["log_loss"] == pytest.approx(np.mean([summarise(t).log_loss for t in (one, other)]))


def test_folds_of_a_seed_are_one_draw():
    parts = [table("aab", "aab", group=[0, 1, 2]), table("bcc", "acc", group=[3, 4, 5])]
    (cell,) = Results([outcome({}, part, fold=Fold(i, 2)) for i, part in enumerate(parts)])
    assert cell.measures["seeds"] == 1
    assert cell.measures["spread"] is None
    assert len(cell.draws[0]) == 6
    assert cell.accuracy == pytest.approx(5 / 6)


def test_folds_with_other_classes_are_put_on_their_union():
    one = table("aab?", "aaba", classes="ab", group=[0, 1, 2, 3])
    other = table("bcca", "bcbb", classes="bc", group=[4, 5, 6, 7])  # nothing was learned of a here
    (cell,) = Results([outcome({}, one, fold=Fold(0, 2)), outcome({}, other, fold=Fold(1, 2))])
    (draw,) = cell.draws
    assert draw.classes == ("a", "b", "c")
    assert draw.lineages == ("x", "x", None)
    assert draw.proba[0].tolist() == pytest.approx([0.9, 0.1, 0.0])
    assert np.isnan(draw.proba[3]).all()
    assert draw.proba[4].tolist() == pytest.approx([0.0, 0.9, 0.1])
    assert draw.prediction_set.sum() == 7
    assert not draw.prediction_set[3].any()
    # The image of a in the second fold now counts as one of a candidate, and is wrong.
    assert cell.measures["n"] == 7
    assert cell.accuracy == pytest.approx(5 / 7)
    assert cell.measures["classes"] == 3


def test_seeds_with_other_candidates_stay_apart():
    one, other = table("aabb", "aabb", classes="ab"), table("bbccd", "bbcbb", classes="bcd")
    (cell,) = Results([outcome({}, one, seed=0), outcome({}, other, seed=1)])
    assert [draw.classes for draw in cell.draws] == [("a", "b"), ("b", "c", "d")]
    assert cell.measures["classes"] == 2.5
    assert cell.measures["chance"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert cell.accuracy == pytest.approx(7 / 9)


@pytest.fixture(scope="module")
def results() -> Results:
    rng = np.random.default_rng(3)
    letters = "abcd"

    def drawn(seed: int, classes: str = letters):
        truth = "".join(rng.choice([*letters, "z", "?", "-"], 60))
        return table(truth, "".join(rng.choice(list(classes), 60)), classes=classes, group=rng.integers(0, 20, 60))

    return Results(
        [outcome({"kind": kind, "size": size}, drawn(s), seed=s) for kind in "pq" for size in (1, 2) for s in (0, 1)]
        + [outcome({"kind": "r"}, None, problem="Too few.", lacking=True), outcome({"kind": "r"}, drawn(5, "ab"))]
    )


def test_precision_and_recall_are_scikit_learns(results):
    from sklearn.metrics import precision_recall_fscore_support

    rows = results.class_table().to_pylist()
    for cell in results.where(kind="p"):
        truth = np.concatenate([np.array(t.label)[t.known] for t in cell.draws])
        answer = np.concatenate([np.array(t.classes)[t.top[t.known]] for t in cell.draws])
        precision, recall, _, support = precision_recall_fscore_support(truth, answer, labels=list("abcd"))
        own = [row for row in rows if (row["kind"], row["size"]) == ("p", cell.at["size"])]
        assert [row["class"] for row in own] == list("abcd")
        assert [row["support"] for row in own] == support.tolist()
        assert [row["precision"] for row in own] == pytest.approx(precision)
        assert [row["recall"] for row in own] == pytest.approx(recall)
        assert sum(row["predicted"] for row in own) == len(truth)


def test_a_class_that_is_never_called_has_no_precision():
    (row, _, absent) = Results([outcome({}, table("aa", "bb"))]).class_table().to_pylist()
    assert (row["precision"], row["recall"]) == (None, 0.0)
    assert (absent["precision"], absent["recall"]) == (None, None)


def test_confusions_are_counted(results):
    rows = results.confusion_table().to_pylist()
    for cell in results:
        own = [row for row in rows if (row["kind"], row["size"]) == (cell.at["kind"], cell.at.get("size"))]
        assert sum(row["n"] for row in own) == sum((t.readable & t.labelled).sum() for t in cell.draws)
        right = sum(row["n"] for row in own if row["truth"] == row["answer"])
        assert right == cell.hits.sum()
        strangers = [row["n"] for row in own if row["truth"] not in cell.draws[0].classes]
        assert sum(strangers) == cell.measures["n_unknown"]
        assert min(row["n"] for row in own) > 0


def test_all_predictions_are_there(results):
    long = results.prediction_table()
    assert long.num_rows == sum(len(t) for cell in results for t in cell.draws)
    assert long.column_names == [
        "kind", "size", "attributor", "train_views", "test_view", "seed", "fold", "image_id", "cluster", "label",
        "answer", "right", "probability", "probability_of_truth", "set_size", "set_holds_truth", "open_set_p",
        "decision", "unanswered", "error",
    ]  # fmt: skip
    rows = [row for row in long.to_pylist() if row["kind"] == "q" and row["size"] == 2]
    (cell,) = results.where(kind="q", size=2)
    known = [row for row in rows if row["label"] in [*"abcd"] and row["error"] is None]
    assert np.mean([row["right"] for row in known]) == pytest.approx(cell.accuracy)
    assert all(row["probability_of_truth"] == pytest.approx(0.9 if row["right"] else 0.1 / 3) for row in known)
    assert all(row["set_holds_truth"] == row["right"] for row in known)
    for row in rows:
        if row["error"] is not None:
            assert (row["answer"], row["right"], row["probability"], row["decision"]) == (
                None,
                None,
                None,
                "unreadable",
            )
        elif row["label"] is None:
            assert row["right"] is None
            assert row["answer"] in "abcd"
        elif row["label"] == "z":
            assert row["right"] is False
            assert row["probability_of_truth"] is None
            assert row["set_holds_truth"] is None


def test_coordinates_stay_what_they_are():
    """A study may put an attributor under the name of another, and call something of its own a group."""
    long = Results([outcome({"attributor": "first", "group": "here"}, table("ab", "ab"))]).prediction_table()
    assert long["attributor"].to_pylist() == ["first", "first"]
    assert long["group"].to_pylist() == ["here", "here"]
    assert long["cluster"].to_pylist() == [0, 0]


def test_the_table_of_cells(results):
    rows = results.table()
    assert rows.column_names == ["kind", "size", *MEASURES]
    assert rows["kind"].to_pylist() == ["p", "p", "q", "q", "r"]
    assert rows["size"].to_pylist() == [1, 2, 1, 2, None]
    assert rows["missing"].to_pylist() == [0, 0, 0, 0, 1]
    assert rows["accuracy"].to_pylist() == [cell.accuracy for cell in results]


def test_coordinates_of_several_types():
    values = [1, 2.5, None], ["a", 1, None], [True, False, None], [True, 1, 2]
    for one, kind in zip(values, (pa.float64(), pa.string(), pa.bool_(), pa.string()), strict=True):
        found = Results([outcome({"x": value, "i": i}) for i, value in enumerate(one)]).table()["x"]
        assert found.type == kind
        assert found.null_count == one.count(None)


def test_looking_cells_up(results):
    assert [cell.at["size"] for cell in results.where(kind="p")] == [1, 2]
    assert results.cell(kind="p", size=2).at == {"kind": "p", "size": 2}
    assert results.values("kind") == ["p", "q", "r"]
    assert results.values("size") == [1, 2]
    assert results.axes == ["kind", "size"]
    assert len(results) == 5
    with pytest.raises(MorelliError, match="There are 2 cells"):
        results.cell(kind="p")
    with pytest.raises(MorelliError, match="There are 0 cells"):
        results.cell(kind="s")
    own = Results([outcome({"self": 1, "value": 2}, table("ab", "ab"))])
    assert own.cell(**{"self": 1, "value": 2}).accuracy == 1.0


@pytest.mark.parametrize("name", ["accuracy", "n", "class", "truth", "image_id", "seed", "cluster", "decision"])
def test_names_that_collide(name):
    with pytest.raises(MorelliError, match=f"named otherwise than columns of results: {name}"):
        Results([outcome({"fine": 1, name: 2}, table("ab", "ab"))])
    with pytest.raises(MorelliError):
        check_coordinates(["fine", name])


def test_problems_are_told_once():
    few = {"problem": "Too few.", "lacking": True}
    at = {"x": 1, "y": "b"}
    lines = Results(
        [outcome(at, **few), outcome(at, seed=1, **few), outcome(at, problem="RuntimeError: no"), outcome({}, **few),
         outcome({"x": 2}, table("ab", "ab"))]
    ).problems()  # fmt: skip
    assert lines == [
        "x 1, y b missing: Too few.",
        "x 1, y b failed: RuntimeError: no",
        "the only cell missing: Too few.",
    ]


def test_nothing_at_all():
    empty = Results([])
    assert (len(empty), empty.axes, empty.problems()) == (0, [], [])
    for one in (empty.table(), empty.class_table(), empty.confusion_table(), empty.prediction_table()):
        assert one.num_rows == 0
    lost = Results([outcome({"x": 1}, problem="Too few.", lacking=True)])
    (cell,) = lost
    assert cell.accuracy is None
    assert cell.interval == (None, None)
    assert cell.measures["n"] == 0
    assert cell.measures["missing"] == 1
    assert lost.table()["accuracy"].to_pylist() == [None]
    assert lost.prediction_table().num_rows == lost.class_table().num_rows == 0


def test_only_strangers():
    (cell,) = Results([outcome({}, table("zz?", "aba"))])
    assert cell.accuracy is None
    assert cell.measures["n_unknown"] == 2
    assert cell.measures["coverage"] is None
    assert cell.measures["low"] is None
