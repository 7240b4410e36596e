from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes import Recognition, read_recognition

AB = ("a", "b")


def test_names_to_rates():
    known = Recognition.of(["b", "a", "a", "a", "b"], ["b", "a", "b", None, "abstains"])
    assert known.models == AB
    assert np.allclose(known.rates, [[1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]])


def test_assumed_recognition_has_no_sampling_error():
    for known, accuracy in ((Recognition.perfect("abcd"), 1.0), (Recognition.chance("abcd"), 0.25)):
        assert known.accuracy == accuracy
        assert known.accuracy_interval() == (accuracy, accuracy)
        assert known.resampled(np.random.default_rng(0)) is known


def test_resampling_varies_as_a_sample_does():
    known = Recognition(AB, [[80, 20, 0], [0, 100, 0]])
    rng = np.random.default_rng(0)
    rates = np.array([known.resampled(rng).rates for _ in range(2000)])
    assert rates[:, 0, 0].mean() == pytest.approx(0.8, abs=0.01)
    assert rates[:, 0, 0].std() == pytest.approx(0.04, rel=0.1)
    assert (rates[:, 1, 1] == 1).all()
    low, high = known.accuracy_interval()
    assert low == pytest.approx(0.86, abs=0.015)
    assert high == pytest.approx(0.94, abs=0.015)


def test_some_models_in_another_order():
    known = Recognition(("a", "b", "c"), [[6, 1, 2, 1], [0, 9, 0, 1], [0, 0, 5, 5]])
    part = known.for_models(["c", "a"])
    assert part.counts.tolist() == [[5, 0, 5], [2, 6, 2]]
    with pytest.raises(MorelliError, match="d, e can be recognised was not measured"):
        known.for_models(["a", "d", "e"])


def test_what_is_no_recognition():
    with pytest.raises(MorelliError, match="2 rows and 3 columns"):
        Recognition(AB, np.eye(2))
    with pytest.raises(MorelliError, match="undefined"):
        Recognition(AB, np.full((2, 3), np.nan))
    with pytest.raises(NotEnoughDataError, match="images of b"):
        Recognition(AB, [[1, 0, 0], [0, 0, 0]])
    with pytest.raises(MorelliError, match="in each row"):
        Recognition.of(["a"], ["a", "a"])
    with pytest.raises(MorelliError, match="no image: z"):
        Recognition.of(["a"], ["z"])


def test_one_attack_of_several_is_read(tmp_path):
    """Counts of a weak and of a strong attack added up would be those of nobody."""
    path = tmp_path / "attack-confusion.csv"
    rows = ["attributor,reads,k,truth,answer,n"]
    for who, k, right in (("prompt-fused", 1, 6), ("prompt-fused", 30, 9), ("marra", 0, 5)):
        for name, other in ("ab", "ba"):
            rows += [f"{who},all,{k},{name},{name},{right}", f"{who},all,{k},{name},{other},{10 - right}"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(MorelliError, match=r"several attacks.*attributor=VALUE; there are: prompt-fused, marra"):
        read_recognition(path)
    with pytest.raises(MorelliError, match="k=VALUE; there are: 1, 30"):
        read_recognition(path, {"attributor": "prompt-fused"})
    assert read_recognition(path, {"attributor": "prompt-fused", "k": "30"}).accuracy == pytest.approx(0.9)
    pq.write_table(csv.read_csv(path), tmp_path / "same.parquet")
    assert read_recognition(tmp_path / "same.parquet", {"k": "1"}).accuracy == pytest.approx(0.6)
    with pytest.raises(NotEnoughDataError, match="with these values"):
        read_recognition(path, {"k": "7"})
    with pytest.raises(MorelliError, match="column seed is missing"):
        read_recognition(path, {"seed": "0"})


def test_counts_that_no_images_can_have():
    with pytest.raises(MorelliError, match="counts images"):
        Recognition(AB, [[1e30, 0, 0], [0, 1, 0]])
