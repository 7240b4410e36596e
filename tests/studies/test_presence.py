from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _small import bare_catalog, build_small
from morelli.catalog import Catalog, join_columns
from morelli.errors import CatalogError, MorelliError, NetworkError, NotEnoughDataError
from morelli.studies.co_occurrence import co_occurrence
from morelli.studies.presence import Presence, by_recall, domains_of, look, separation, write_presence
from morelli.studies.study import Frame


class Told:
    """A judge that is told how bright each image is, and says that bright ones show the first domain."""

    def __init__(self, key="told"):
        self.key, self.calls, self.fail, self.seen = key, [], {}, 0

    def __call__(self, images, domains):
        self.calls.append(len(images))
        if len(self.calls) in self.fail:
            raise self.fail[len(self.calls)]
        self.seen += len(images)
        return np.array([[pixels.mean(), -pixels.mean()] for pixels in images])


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    """48 images, half of them asked for one domain and half for another."""
    small = build_small(tmp_path_factory.mktemp("presence"))
    prompts = sorted(set(small.catalog.text("prompt_id")))
    names = ["beasts" if prompt in prompts[:6] else "houses" for prompt in small.catalog.text("prompt_id")]
    return small.catalog.with_column("domain", names)


def presence_of(scores, asked, domains=("a", "b")) -> Presence:
    ids = tuple(f"{i:064x}" for i in range(len(scores)))
    return Presence(ids, domains, np.asarray(scores, dtype=float), np.asarray(asked, dtype=np.int64), {})


def test_every_image_is_looked_at_once_and_answers_stand_in_its_row(catalog):
    judge, steps = Told(), []
    found = look(catalog, judge, progress=lambda *step: steps.append(step))
    assert judge.seen == len(found.image_ids) == 48 and max(judge.calls) <= 16
    assert found.domains == ("beasts", "houses") and found.errors == {}
    assert steps[-1] == (48, 48)
    row = found.image_ids.index(str(catalog.column("image_id")[5]))
    from morelli.images import read_image

    assert found.scores[row, 0] == read_image(catalog.paths[5]).pixels.mean() == -found.scores[row, 1]
    assert found.asked[row] == found.domains.index(str(catalog.text("domain")[5]))


def test_the_same_image_in_two_rows_is_looked_at_once(catalog):
    judge = Told()
    assert len(look(catalog.take([0, 0, 1, 47]), judge).image_ids) == 3
    assert judge.seen == 3


def test_an_interrupt_loses_no_answers(catalog, tmp_path):
    journal = tmp_path / "deep" / "answers"
    judge = Told()
    judge.fail = {3: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        look(catalog, judge, journal=journal)
    with journal.open("a") as stream:
        stream.write('["torn", [1.0')
    again = Told()
    found = look(catalog, again, journal=journal)
    assert again.seen == 16
    np.testing.assert_array_equal(found.scores, look(catalog, Told()).scores)
    look(catalog, other := Told("another judge"), journal=journal)
    assert other.seen == 48


def test_answers_that_are_not_known_survive_the_journal(catalog, tmp_path):
    def unsure(images, domains):
        return np.full((len(images), len(domains)), np.nan)

    unsure.key = "unsure"
    for _ in range(2):
        found = look(catalog, unsure, journal=tmp_path / "answers")
        assert np.isnan(found.scores).all() and set(found.shown([0, 0])) == {None}
    lines = (tmp_path / "answers").read_text().splitlines()
    assert json.loads(lines[1])[1] == [None, None]


def test_images_that_cannot_be_judged_are_errors_and_others_go_on(catalog):
    judge = Told()
    judge.fail = {1: MorelliError("too strange"), 4: MorelliError("too strange")}  # the batch, then its third image
    found = look(catalog.take(range(8)), judge)
    bad = found.image_ids[2]
    assert found.errors == {bad: "too strange"} and np.isnan(found.scores[2]).all()
    assert np.isfinite(np.delete(found.scores, 2, axis=0)).all()


def test_a_judge_that_cannot_judge_at_all_ends_it(catalog):
    judge = Told()
    judge.fail = {1: NetworkError("no weights")}
    with pytest.raises(NetworkError):
        look(catalog, judge)
    narrow = type("Narrow", (), {"key": "x", "__call__": lambda *_: np.zeros((1, 1))})()
    with pytest.raises(MorelliError, match=r"numbers of shape \(1, 1\), not \(16, 2\)"):
        look(catalog, narrow)


def test_domains_have_to_be_some(catalog):
    assert domains_of(catalog, "domain") == ("beasts", "houses")
    with pytest.raises(CatalogError, match="no column"):
        domains_of(catalog, "nonsense")
    with pytest.raises(NotEnoughDataError, match="names 1 domains"):
        domains_of(bare_catalog({"model": ["x"], "domain": ["a"]}), "domain")
    with pytest.raises(CatalogError, match="semicolon"):
        domains_of(bare_catalog({"model": ["x", "y"], "domain": ["a", "b;c"]}), "domain")


@settings(deadline=None, max_examples=50)
@given(st.integers(10, 60), st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95, 1.0]), st.integers(0, 2**32 - 1))
def test_thresholds_keep_their_promise_and_are_the_highest_that_do(n, recall, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 25, (2 * n, 2)).astype(float)
    presence = presence_of(scores, [0] * n + [1] * n)
    for i, limit in enumerate(by_recall(presence, recall)):
        own = scores[np.arange(2 * n) // n == i, i]
        assert (own >= limit).mean() >= recall - 1e-9
        higher = own[own > limit]
        assert not len(higher) or (own >= higher.min()).mean() < recall


def test_thresholds_need_known_examples():
    presence = presence_of(np.zeros((19, 2)), [0] * 10 + [1] * 9)
    with pytest.raises(NotEnoughDataError, match='"b" has 9 of the 10'):
        by_recall(presence, 0.9)
    for recall in (0, 1.1, float("nan")):
        with pytest.raises(MorelliError, match="share"):
            by_recall(presence, recall)


def test_separation_is_the_area_under_the_curve():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    scores, asked = rng.integers(0, 9, (60, 2)).astype(float), rng.integers(-1, 2, 60)
    scores[4] = np.nan
    known = (asked >= 0) & ~np.isnan(scores[:, 0])
    for i, area in enumerate(separation(presence_of(scores, asked))):
        assert area == pytest.approx(roc_auc_score(asked[known] == i, scores[known, i]))
    assert np.isnan(separation(presence_of([[1.0, 1.0]], [0]))).all()


def test_what_is_written_is_what_the_study_reads(tmp_path):
    scores = [[1, 0], [1, 1], [0, 0], [np.nan, 1]]
    presence = presence_of(scores, [0, 0, 1, 1])
    assert presence.shown([0.5, 0.5]) == ["a", "a;b", ";", None]
    write_presence(presence, [0.5, 0.5], tmp_path / "presence.csv", scores=False)
    with (tmp_path / "presence.csv").open(newline="") as stream:
        assert [row[1] for row in csv.reader(stream)] == ["shows", "a", "a;b", ";"]
    catalog = bare_catalog(
        {"image_id": list(presence.image_ids), "model": ["x", "y"] * 2, "domain": ["a", "a", "b", "b"]}
    )
    joined = join_columns(catalog, tmp_path / "presence.csv")
    seen, notes = co_occurrence(Frame(joined, ("fused",)), "domain", "shows", ["a", "b"])
    np.testing.assert_array_equal(seen, [[1.0, 0.5], [0.0, 0.0]])
    assert notes == ["1 images have nothing in shows and are left out of the co-occurrence."]
