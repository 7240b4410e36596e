from __future__ import annotations

import pytest

from morelli.attributors.registry import parse_attributor
from morelli.errors import MorelliError
from morelli.leaderboard.attack import Attack, attack_frame, default_attackers, study
from morelli.leaderboard.attack.study import reading
from morelli.trials.plan import Bench, fits_of

from ._planted import ENCODER
from .conftest import CENTROID, FUSED, KNN


def test_defaults_read_the_encoder_and_the_best_is_first(monkeypatch):
    names = default_attackers(ENCODER)
    assert names[:2] == [FUSED, CENTROID]
    assert f"fused@{ENCODER}" in names and {"marra", "dzanic"} <= set(names)
    assert [parse_attributor(name).name for name in names] == names
    monkeypatch.setattr(study, "find_spec", lambda name: None)
    without = default_attackers(ENCODER)
    assert "resnet50:small" not in without and set(without) <= set(names)


def test_a_frame_has_canonical_names(full):
    frame = attack_frame(full, [f" {CENTROID} ", "prompt-knn@forensic"], folds=3, seed=4)
    assert frame.attributors == (CENTROID, "prompt-knn")
    assert (frame.folds, frame.seeds, frame.label) == (3, (4,), "model")


def test_trials_are_attributors_by_references_draws_and_folds(full):
    frame = attack_frame(full, [FUSED, KNN], folds=3)
    trials = Attack(references=(5, 1), draws=2).trials(frame)
    cells = list(dict.fromkeys((t.cell["attributor"], t.cell["reads"], t.cell["k"]) for t in trials))
    assert cells == [(FUSED, "all", 1), (FUSED, "all", 5), (KNN, "all", 0)]
    assert len(trials) == 3 * 2 * 3
    assert {t.same_prompt.references for t in trials if t.attributor == KNN} == {1}
    assert {t.same_prompt.draw for t in trials} == {0, 1}


def test_fewer_references_are_a_part_of_more(full):
    bench = Bench(full)
    trials = Attack(references=(1, 2, 3), draws=2).trials(attack_frame(full, [CENTROID], folds=3))
    planned = {(t.same_prompt.references, t.same_prompt.draw, t.fold.number): bench.plan(t) for t in trials}
    for (k, draw, fold), one in planned.items():
        assert not set(one.references) & set(one.test)
        assert not set(one.train) & (set(one.references) | set(one.test))
        if k > 1:
            fewer = planned[k - 1, draw, fold]
            assert set(fewer.references) < set(one.references)
            assert set(one.test) < set(fewer.test)
    assert set(planned[1, 0, 0].references) != set(planned[1, 1, 0].references)
    assert len(fits_of(list(planned.values()))) == 3  # one for each fold


def test_untold_attributors_judge_what_told_ones_judge(full):
    bench = Bench(full)
    trials = Attack(references=(1,), draws=1).trials(attack_frame(full, [CENTROID, KNN], folds=3))
    told, untold = ([bench.plan(t) for t in trials if t.attributor == name] for name in (CENTROID, KNN))
    for one, other in zip(told, untold, strict=True):
        assert one.test.tolist() == other.test.tolist() and one.train.tolist() == other.train.tolist()


@pytest.mark.parametrize(
    ("attributor", "families", "expected"),
    [
        ("prompt-centroid@forensic[colour,layout]", True, {"all": None, "colour": "colour", "layout": "layout"}),
        ("prompt-centroid@forensic[colour,layout]", False, {"all": None}),
        ("prompt-fused@forensic[colour,layout]", True, {"all": None}),  # both are parts of one encoder
        ("prompt-centroid@forensic[colour]", True, {"all": None}),
        ("prompt-knn@forensic[colour,layout]", True, {"all": None}),  # there is no embedding to be read alone
        ("knn@forensic[colour,layout]", True, {"all": None}),
    ],
)
def test_what_is_read(full, attributor, families, expected):
    trials = Attack(references=(1,), draws=1, families=families).trials(attack_frame(full, [attributor], folds=2))
    assert {t.cell["reads"]: t.options.get("family") for t in trials} == expected


def test_parts_are_what_measured_them():
    names = ["clip.x/crops4", "clip.x/embedding", "colour", "layout", "dino/resized2"]
    assert study._parts(names) == {
        "clip.x": "clip.x/crops4+clip.x/embedding", "forensic": "colour+layout", "dino": "dino/resized2"
    }  # fmt: skip


class Blocks:
    """Stands for an encoder of a network and a forensic family."""

    def __init__(self, *families: str) -> None:
        self.blocks = {name: slice(i, i + 1) for i, name in enumerate(families)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prompt-knn", {"net/embedding": "net/embedding"}),
        ("prompt-mlp:text", {"net/embedding": "net/embedding"}),
        ("prompt-fused", {"all": None, "net": "net/crops4+net/embedding", "forensic": "colour"}),
        ("prompt-centroid", {"all": None, "net/crops4": "net/crops4", "net/embedding": "net/embedding",
                             "colour": "colour"}),
    ],
)  # fmt: skip
def test_what_is_read_of_a_network(monkeypatch, name, expected):
    monkeypatch.setattr(study, "join_encoders", lambda _: Blocks("net/crops4", "net/embedding", "colour"))
    assert {reads: options.get("family") for reads, options in Attack()._readings(name)} == expected


def test_a_study_is_refused_where_its_numbers_make_no_sense():
    for wrong in ({"references": ()}, {"references": (1, 1)}, {"references": (-1,)}, {"draws": 0}, {"candidates": 1}):
        with pytest.raises(MorelliError, match=r"not "):
            Attack(**wrong)


def test_attackers_read_the_encoder_that_is_asked_for():
    assert reading(["prompt-fused", " prompt-knn "], ENCODER) == [f"prompt-fused@{ENCODER}", f"prompt-knn@{ENCODER}"]
    assert reading(["marra", "dzanic", "centroid@dzanic-spectrum"], ENCODER) == [
        "marra",
        "dzanic",
        "centroid@dzanic-spectrum",
    ]
    with pytest.raises(MorelliError, match="nobody"):
        reading(["nobody"], ENCODER)
