"""What tables of attacks say: who is compared with whom, on which images, and what chance is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.attack import run_attack
from morelli.leaderboard.attack.tables import attack_findings
from morelli.trials.cells import Results
from morelli.trials.runner import Outcome
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.trial import Trial
from trials.conftest import build

CLASSES = ("m0", "m1", "m2")


def outcome(name, right, *, reads="all", k=5, images=None, unanswered=0):
    """Return the answers of an attributor, sure of them and among two candidates, of which `right` are right."""
    n, y = len(right), np.arange(len(right)) % 2
    named = np.where(right, y, 1 - y)
    proba = np.full((n, 3), [0.0, 0.0, 0.0])
    proba[np.arange(n), named], proba[np.arange(n), 1 - named] = 0.9, 0.1
    silent = np.arange(n) < unanswered
    proba[silent] = np.nan
    predictions = build(
        n,
        proba=proba,
        prediction_set=np.nan_to_num(proba) > 0.2,
        label=[CLASSES[i] for i in y],
        image_id=[f"{i:064x}" for i in (range(n) if images is None else images)],
        decision=["unanswered" if s else "attributed" for s in silent],
        unanswered=["failed" if s else None for s in silent],
    )
    cell = {"attributor": name, "reads": reads, "k": k}
    return Outcome(Trial(cell, attributor=name, same_prompt=SamePrompt(max(k, 1))), predictions)


def findings(*outcomes):
    names = tuple(dict.fromkeys(one.trial.cell["attributor"] for one in outcomes))
    return attack_findings(SimpleNamespace(attributors=names, seed=0, label="model"), Results(outcomes))


def rows_of(found, table):
    return next((list(t.rows) for t in found.tables if t.name == table), None)


def test_who_reads_an_embedding_alone_has_a_conclusion():
    found = findings(outcome("prompt-knn", [True] * 30, reads="net/embedding"), outcome("marra", [False] * 30, k=0))
    assert found.sentences[0].startswith("With 5 references of each model for the prompt, prompt-knn names")


@pytest.mark.parametrize(("gain", "words"), [(20, "fused is better"), (1, "fused is not better")])
def test_better_is_what_is_better_beyond_chance(gain, words):
    right = np.arange(60) < 30
    own = outcome("prompt-fused", np.arange(60) < 30 + gain)
    found = findings(own, outcome("prompt-centroid", right))
    (row,) = rows_of(found, "against-centroid")
    assert row[3] == pytest.approx(gain / 60) and row[4] <= row[3] <= row[5]
    assert any(words in sentence for sentence in found.sentences)


def test_other_images_are_not_compared():
    """Clusters may be the same where the images are not: two of one prompt, each judged by one of both."""
    right = np.arange(20) < 10
    swapped = [1, 0, *range(2, 20)]
    own, other = outcome("prompt-fused", right), outcome("prompt-centroid", right, images=swapped)
    assert rows_of(findings(own, other), "against-centroid") is None


def test_chance_is_that_of_images_with_an_answer():
    (row,) = rows_of(findings(outcome("prompt-fused", [True] * 20, unanswered=5)), "attributors")
    assert row[3] == pytest.approx(0.75)  # no answer is a wrong one
    assert row[6:10] == pytest.approx((0.75, 0.75, 0.5, 2.0))  # the first two, the first three, chance, candidates


def test_pools_are_refused_before_anything_is_measured():
    with pytest.raises(MorelliError, match="two candidates or more, not 1"):
        run_attack(SimpleNamespace(column=lambda name: None), pools=(5, 1))
