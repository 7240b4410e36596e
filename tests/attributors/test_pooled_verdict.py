from __future__ import annotations

import json
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.attributors import PooledVerdict, Verdict, VerdictPool, attribute, pool_verdicts
from morelli.attributors.pooled_verdict import PooledCandidate
from morelli.attributors.pooling import SetPooling
from morelli.attributors.verdict import Candidate, Lineage
from morelli.errors import MorelliError, NotEnoughDataError

from .conftest import paint

POOLING = SetPooling(dependence=0.25, doubt=0.01)
DOUBT = 1 / 202


def bundle_of(
    classes: str = "abc", lineages: tuple[str | None, ...] | None = None, pooling: SetPooling | None = POOLING
) -> Any:
    """Return what of a bundle pooling needs: 200 references, level 0.9."""
    training = SimpleNamespace(n_images={name: 200 / len(classes) for name in classes})
    return SimpleNamespace(
        name="few", version="1", id="0" * 16, classes=tuple(classes), lineages=lineages or (None,) * len(classes),
        attributor=SimpleNamespace(pooling_=pooling, level=0.9, training_=training),
    )  # fmt: skip


COUNT = iter(range(10**6))


def said(*proba: float, decision: str = "ambiguous", sets: str = "abc", **changes: Any) -> Verdict:
    """Return the verdict for a new image with these probabilities of a, b, c ..."""
    number = next(COUNT)
    named = sorted(zip("abcdefgh", proba, strict=False), key=lambda pair: -pair[1])
    verdict = Verdict(
        uri=f"campaign/{number}.png", image_id=f"{number:064x}", decision=decision, label=named[0][0],
        candidates=tuple(Candidate(name, p, 0.0) for name, p in named), prediction_set=tuple(sets),
        bundle={"name": "few", "version": "1", "id": "0" * 16},
    )  # fmt: skip
    return replace(verdict, **changes)


def unreadable(**changes: Any) -> Verdict:
    return said(1.0, decision="unreadable", label=None, candidates=(), prediction_set=(), error="cut off", **changes)


def pooled(verdicts: list[Verdict], bundle: Any = None) -> PooledVerdict:
    (one,) = pool_verdicts(bundle_of() if bundle is None else bundle, verdicts)
    return one


def probabilities(verdict: PooledVerdict) -> dict[str, float]:
    return {candidate.model: candidate.probability for candidate in verdict.candidates}


# --- what is pooled ----------------------------------------------------------------------------------------------


def test_it_is_the_pool_of_all_answers():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 7)
    found = pooled([said(*row) for row in proba])
    expected = (1 - DOUBT) * POOLING.pool(proba) + DOUBT / 3
    for name, value in zip("abc", expected, strict=True):
        assert probabilities(found)[name] == pytest.approx(value, rel=1e-12)
    assert [c.probability for c in found.candidates] == sorted(probabilities(found).values(), reverse=True)
    assert sum(probabilities(found).values()) == pytest.approx(1)
    assert found.n_images == 7
    assert found.n_effective == pytest.approx(7 / 2.5)


def test_closed_form_for_two_candidates():
    found = pooled([said(0.8, 0.2), said(0.7, 0.3)], bundle_of("ab"))
    odds = (0.99 * 0.8 + 0.005) / (0.99 * 0.2 + 0.005) * (0.99 * 0.7 + 0.005) / (0.99 * 0.3 + 0.005)
    one = odds ** (1 / 1.25)
    assert found.probability == pytest.approx((1 - DOUBT) * one / (1 + one) + DOUBT / 2)
    assert (found.label, found.prediction_set) == ("a", ("a", "b"))


def test_one_image_says_what_it_said():
    found = pooled([said(0.95, 0.03, 0.02, decision="attributed", sets="a")])
    assert (found.decision, found.label, found.n_images, found.n_effective) == ("attributed", "a", 1, 1.0)
    assert found.probability == pytest.approx(0.95, abs=0.015)
    assert found.counts == "1 image: by themselves 1 name a, 0 rule it out, 0 are called unknown."
    assert pooled([said(0.95, 0.03, 0.02, decision="unknown", label=None)]).decision == "unknown"


def test_weak_answers_that_agree_make_a_strong_one():
    bundle = bundle_of(pooling=SetPooling(0.0, 0.01))
    assert pooled([said(0.6, 0.2, 0.2)], bundle).decision == "ambiguous"
    assert pooled([said(0.6, 0.2, 0.2) for _ in range(8)], bundle).decision == "attributed"
    alike = bundle_of(pooling=SetPooling(1.0, 0.01))
    assert pooled([said(0.6, 0.2, 0.2) for _ in range(8)], alike).decision == "ambiguous"


def test_never_surer_than_the_references_can_bear_out():
    found = pooled([said(1.0, 0.0, 0.0) for _ in range(500)], bundle_of(pooling=SetPooling(0.0, 0.001)))
    assert found.probability == pytest.approx(1 - DOUBT * 2 / 3)
    assert all(c.probability == pytest.approx(DOUBT / 3) for c in found.candidates[1:])


def test_one_image_does_not_overrule_the_others():
    found = pooled([said(0.0, 1.0, 0.0, decision="attributed", sets="b"), *(said(0.7, 0.2, 0.1) for _ in range(9))])
    assert found.label == "a"
    assert (found.agreement, found.n_against) == (9, 1)


def test_order_does_not_count_and_repeats_do_not_either():
    verdicts = [said(*row) for row in np.random.default_rng(1).dirichlet(np.ones(3), 6)]
    once, again = pooled(verdicts), pooled([*verdicts[::-1], verdicts[2], replace(verdicts[0], uri="copy.png")])
    assert (once.n_repeated, again.n_repeated, again.n_images) == (0, 2, 6)
    for name, value in probabilities(once).items():
        assert probabilities(again)[name] == pytest.approx(value, rel=1e-12)
    assert "Left out: 2 given before." in again.counts


def test_without_a_hash_nothing_is_called_a_repeat():
    assert pooled([said(0.5, 0.3, 0.2, image_id=None)] * 2).n_images == 2


# --- decisions ---------------------------------------------------------------------------------------------------


def test_set_is_the_fewest_that_reach_the_level():
    flat = SetPooling(1.0, 1e-9)
    for proba, members in (
        ((0.95, 0.04, 0.01), ("a",)),
        ((0.6, 0.35, 0.05), ("a", "b")),
        ((0.2, 0.5, 0.3), ("b", "c", "a")),
        ((0.0, 0.5, 0.5), ("b", "c")),
    ):
        found = pooled([said(*proba)], bundle_of(pooling=flat))
        assert found.prediction_set == members
        assert found.decision == ("attributed" if len(members) == 1 else "ambiguous")
        assert (found.label, found.probability) == (found.candidates[0].model, found.candidates[0].probability)


@pytest.mark.parametrize(
    ("n_unknown", "n", "unknown"), [(0, 3, False), (1, 2, False), (2, 2, True), (2, 3, True), (2, 4, False)]
)
def test_unknown_by_majority(n_unknown, n, unknown):
    verdicts = [said(0.9, 0.05, 0.05, decision="unknown", label=None) for _ in range(n_unknown)]
    found = pooled(verdicts + [said(0.9, 0.05, 0.05) for _ in range(n - n_unknown)])
    assert (found.decision == "unknown") is unknown
    assert (found.n_unknown, found.n_images, found.agreement) == (n_unknown, n, n - n_unknown)
    assert (found.label is None) is (found.probability is None) is unknown
    assert found.candidates[0].model == "a"  # all readable images are in the sum, whatever they are called


def test_images_of_several_models_are_noticed():
    parts = [said(*np.roll([0.98, 0.01, 0.01], k), decision="attributed", sets="abc"[k]) for k in (0, 0, 0, 1, 1, 2, 2)]
    found = pooled(parts)
    assert (found.label, found.agreement, found.n_against) == ("a", 3, 4)
    assert found.counts.endswith("More than half speak against a by themselves: are they really of one model?")
    assert "really" not in pooled(parts[:5]).counts


def test_unreadable_files_are_left_out_and_said():
    alone, beside = pooled([said(0.7, 0.2, 0.1)]), pooled([unreadable(), said(0.7, 0.2, 0.1), unreadable()])
    assert (beside.n_unreadable, beside.n_images) == (2, 1)
    assert beside.candidates == alone.candidates
    assert "Left out: 2 that could not be judged." in beside.counts


def test_nothing_readable():
    found = pooled([unreadable(image_id=None), unreadable()])
    assert (found.decision, found.label, found.probability, found.candidates) == ("unreadable", None, None, ())
    assert (found.n_images, found.n_unreadable, found.lineage) == (0, 2, Lineage())
    assert found.counts == "No image could be judged. Left out: 2 that could not be judged."


def test_no_verdict_no_answer():
    assert pool_verdicts(bundle_of(), []) == []


@pytest.mark.parametrize(
    ("proba", "decision", "label", "settled"),
    [
        ((0.5, 0.45, 0.05), "ambiguous", "north", True),
        ((0.5, 0.05, 0.45), "ambiguous", "north", False),
        ((0.5, 0.45, 0.05), "unknown", "north", False),
    ],
)
def test_lineage(proba, decision, label, settled):
    found = pooled([said(*proba, decision=decision)], bundle_of(lineages=("north", "north", "south")))
    assert (found.decision, found.lineage.label, found.lineage.settled) == (decision, label, settled)
    members = probabilities(found)
    alone = (1 - DOUBT) * POOLING.pool([[proba[0] + proba[1], proba[2]]])[0] + DOUBT / 2
    assert found.lineage.probability == pytest.approx((members["a"] + members["b"] + alone) / 2)


def test_images_that_agree_on_the_lineage_alone():
    """As images by a relative of the candidates do: now a, now b, and once in three c, of another lineage, surely."""
    answers = [(0.7, 0.05, 0.25), (0.05, 0.7, 0.25), (0.2, 0.2, 0.6)] * 4
    bundle = bundle_of(lineages=("north", "north", "south"))
    found = pooled([said(*one) for one in answers], bundle)
    assert found.candidates[0].model == "c"
    assert (found.lineage.label, found.lineage.settled) == ("north", False)


# --- sets, streams and storage -----------------------------------------------------------------------------------


def test_one_verdict_for_each_folder():
    verdicts = [
        said(0.9, 0.05, 0.05, uri="x/A/1.png"),
        said(0.1, 0.8, 0.1, uri="x/B/1.png"),
        said(0.9, 0.05, 0.05, uri="x/A/2.png"),
        said(0.1, 0.1, 0.8, uri="top.png"),
        unreadable(uri="x/notes.txt"),
    ]
    found = pool_verdicts(bundle_of(), verdicts, by_folder=True)
    assert [one.folder for one in found] == ["x/A", "x/B", ".", "x"]
    assert [one.label for one in found] == ["a", "b", "c", None]
    assert [one.n_images for one in found] == [2, 1, 1, 0]
    assert found[0].candidates == pooled([verdicts[0], verdicts[2]]).candidates
    repeated = [replace(verdicts[0], uri="x/B/copy.png"), *verdicts]
    assert [one.n_repeated for one in pool_verdicts(bundle_of(), repeated, by_folder=True)] == [0] * 4


def test_streaming_says_at_any_time_what_all_so_far_say():
    verdicts = [said(*row) for row in np.random.default_rng(2).dirichlet(np.ones(3), 5)]
    pool = VerdictPool(bundle_of())
    assert pool.verdicts() == []
    for number, verdict in enumerate(verdicts, start=1):
        pool.add(verdict)
        assert pool.verdicts() == pool_verdicts(bundle_of(), verdicts[:number])


def test_json_round_trip():
    for one in (pooled([said(0.5, 0.3, 0.2), unreadable()]), pooled([unreadable()])):
        values = json.loads(one.to_json())
        assert list(values)[:2] == ["schema_version", "kind"]
        assert set(values) == {field.name for field in fields(PooledVerdict)}
        assert PooledVerdict.from_dict(values) == one
        assert PooledVerdict.from_dict({**values, "later": 1}) == one
    assert isinstance(pooled([said(0.5, 0.3, 0.2)]).candidates[0], PooledCandidate)


def test_folders_that_are_not_text_are_written():
    (one,) = pool_verdicts(bundle_of(), [said(0.5, 0.3, 0.2, uri="caf\udce9/1.png")], by_folder=True)
    assert json.loads(one.to_json().encode())["folder"] == "caf\udce9"


@pytest.mark.parametrize(("field", "value"), [("schema_version", 9), ("kind", "single"), ("kind", None)])
def test_other_json_is_refused(field, value):
    with pytest.raises(ValueError, match="schema version 9" if value == 9 else "no pooled verdict"):
        PooledVerdict.from_dict({**pooled([said(0.5, 0.3, 0.2)]).to_dict(), field: value})
    with pytest.raises(ValueError, match="no pooled verdict"):
        PooledVerdict.from_dict(said(0.5, 0.3, 0.2).to_dict())


def test_a_bundle_that_did_not_learn_it_is_refused():
    with pytest.raises(NotEnoughDataError, match="two prompts"):
        VerdictPool(bundle_of(pooling=None))


def test_answers_of_another_bundle_are_refused():
    with pytest.raises(MorelliError, match="another bundle than few"):
        pool_verdicts(bundle_of(), [said(0.5, 0.3, 0.2, bundle={"name": "few", "version": "1", "id": "1" * 16})])
    with pytest.raises(MorelliError, match="does not list the candidates"):
        pool_verdicts(bundle_of(), [said(0.5, 0.5)])


def test_real_images_from_json(bundle, tmp_path):
    paths = []
    for number, model in enumerate(["bruno"] * 3 + ["alba"] * 2):
        paths.append(tmp_path / model / f"{number}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(paint(model, 20 + number, seed=5)).save(paths[-1])
    verdicts = list(attribute(bundle, paths, workers=1))
    found = pool_verdicts(bundle, verdicts, by_folder=True)
    assert [(one.candidates[0].model, one.n_images) for one in found] == [("bruno", 3), ("alba", 2)]
    lines = [verdict.to_json() for verdict in verdicts]
    assert pool_verdicts(bundle, [Verdict.from_dict(json.loads(line)) for line in lines], by_folder=True) == found
