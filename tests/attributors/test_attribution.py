from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.attributors import Answers, Bundle, Verdict, attribute, decide, fit_bundle
from morelli.attributors.calibration import BiasCorrectedTemperature
from morelli.attributors.doubt import DoubtedTemperature
from morelli.attributors.fused import CalibratorChoice
from morelli.images import Limits

from .conftest import paint


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> list[Path]:
    """Two new images of each model."""
    folder = tmp_path_factory.mktemp("fresh")
    paths = []
    for model in ("alba", "bruno", "carla"):
        for prompt in (20, 21):
            paths.append(folder / f"{model} {prompt}.png")
            Image.fromarray(paint(model, prompt, seed=5)).save(paths[-1])
    return paths


def judge(bundle: Bundle, paths, **options) -> list[Verdict]:
    return list(attribute(bundle, paths, workers=1, **options))


def saying(bundle: Bundle, proba, sets, p, lineages=("north", "north", "south")) -> Bundle:
    """Return a bundle that answers every image alike."""

    def answer(rows):
        n = len(rows)
        words = np.tile(np.log(proba) - np.mean(np.log(proba)), (n, 1))
        return Answers(
            proba=np.tile(np.asarray(proba, dtype=float), (n, 1)),
            undoubted=np.tile(np.log(proba), (n, 1)),
            prediction_set=np.tile(np.asarray(sets, dtype=bool), (n, 1)),
            open_set_p=np.full(n, p),
            evidence={"colour": words},
            family_proba={"colour": np.tile(proba, (n, 1))},
        )

    attributor = copy.copy(bundle.attributor)
    attributor.answer = answer
    return replace(bundle, attributor=attributor, lineages=lineages)


# --- decisions ----------------------------------------------------------------------------------------------------


def test_decide():
    sets = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    p = np.array([0.5, 0.5, 0.05, 0.049, 0.01, 0.05])
    answers = Answers(np.ones((6, 3)) / 3, np.log(np.ones((6, 3)) / 3), sets, p, {}, {})
    expected = ["attributed", "ambiguous", "ambiguous", "unknown", "unknown", "attributed"]
    assert decide(answers, 0.05) == expected
    assert decide(answers, 0.0) == ["attributed", "ambiguous", "ambiguous", "attributed", "ambiguous", "attributed"]


@pytest.mark.parametrize(
    ("sets", "p", "decision", "label", "lineage"),
    [
        ([0, 1, 0], 0.5, "attributed", "bruno", ("north", True)),
        ([1, 1, 0], 0.5, "ambiguous", "bruno", ("north", True)),
        ([0, 1, 1], 0.5, "ambiguous", "bruno", ("north", False)),
        ([1, 1, 1], 0.5, "ambiguous", "bruno", ("north", False)),
        ([0, 1, 0], 0.01, "unknown", None, ("north", False)),
        ([1, 1, 1], 0.01, "unknown", None, ("north", False)),
    ],
)
def test_verdict_of_an_answer(sets, p, decision, label, lineage, bundle, fresh):
    (verdict,) = judge(saying(bundle, [0.2, 0.5, 0.3], sets, p), fresh[:1])
    assert (verdict.decision, verdict.label) == (decision, label)
    assert verdict.probability == (0.5 if label else None)
    assert (verdict.lineage.label, verdict.lineage.settled) == lineage
    assert verdict.lineage.probability == pytest.approx(0.7)
    assert verdict.open_set_p == p
    assert [c.model for c in verdict.candidates] == ["bruno", "carla", "alba"]
    assert list(verdict.prediction_set) == [c.model for c in verdict.candidates if sets["abc".index(c.model[0])]]
    assert verdict.error is None


@pytest.mark.parametrize(
    ("lineages", "sets", "label", "probability", "settled"),
    [
        ((None, None, None), [1, 1, 0], None, None, False),
        ((None, None, "south"), [0, 1, 0], "bruno", 0.5, True),  # stands for itself
        ((None, "bruno", "bruno"), [0, 1, 1], "bruno", 0.8, True),
        (("one", None, None), [1, 1, 1], "bruno", 0.5, False),
        (("carla", None, None), [1, 0, 1], "carla", 0.5, True),  # named like the base model of the line
    ],
)
def test_lineages_that_are_known_in_part(lineages, sets, label, probability, settled, bundle, fresh):
    (verdict,) = judge(saying(bundle, [0.2, 0.5, 0.3], sets, 0.5, lineages), fresh[:1])
    assert (verdict.lineage.label, verdict.lineage.settled) == (label, settled)
    assert verdict.lineage.probability == (None if probability is None else pytest.approx(probability))


def test_evidence_is_listed_for_the_set_and_the_first_few(bundle, fresh):
    k = 12
    proba = np.linspace(1, 2, k) / np.linspace(1, 2, k).sum()
    sets = np.zeros(k, dtype=bool)
    sets[[11, 0]] = True  # the most and the least probable
    many = saying(bundle, proba, sets, 0.5, (None,) * k)
    many.attributor.classes_ = np.array([f"m{i:02}" for i in range(k)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bundle, "id", "0" * 16)
        (verdict,) = judge(many, fresh[:1])
    assert list(verdict.evidence["colour"]) == ["m11", "m10", "m09", "m08", "m07", "m00"]
    assert verdict.prediction_set == ("m11", "m00")
    assert len(verdict.candidates) == k


# --- images -------------------------------------------------------------------------------------------------------


def test_new_images_are_attributed(bundle, fresh):
    verdicts = judge(bundle, fresh)
    assert [v.uri for v in verdicts] == [str(p) for p in fresh]
    assert [v.candidates[0].model for v in verdicts] == ["alba"] * 2 + ["bruno"] * 2 + ["carla"] * 2
    assert sum(v.decision == "attributed" for v in verdicts) >= 4
    for verdict, path in zip(verdicts, fresh, strict=True):
        assert verdict.image_id == hashlib.sha256(path.read_bytes()).hexdigest()
        assert verdict.bundle == {"name": "trio", "version": "7", "id": bundle.id}
        assert verdict.quality["short_side"] == 96
        assert set(verdict.quality) == {"short_side", "jpeg_quality", "blur", "bucket"}
        assert Verdict.from_dict(json.loads(verdict.to_json())) == verdict


@pytest.mark.parametrize("calibrator", [DoubtedTemperature(), BiasCorrectedTemperature()], ids=lambda c: c.name)
def test_numbers_fit_together(calibrator, references, fresh, monkeypatch):
    def choose(logits, y, groups, seed):
        return CalibratorChoice(calibrator.fit(logits, y), calibrator.name, "forced", {}, None, None, 0, 0, seed)

    monkeypatch.setattr("morelli.attributors.fused.choose_calibrator", choose)
    bundle = fit_bundle(references.catalog, cache=references.cache, workers=1)
    bias = dict(zip(bundle.classes, calibrator.bias - calibrator.bias.mean(), strict=True))
    assert any(bias.values()) == (calibrator.name == "bias-corrected-temperature")
    doubt = getattr(calibrator, "doubt", 0.0)
    assert (doubt > 0) == (calibrator.name == "doubted-temperature")
    for verdict in judge(bundle, fresh):
        probabilities = [c.probability for c in verdict.candidates]
        assert sum(probabilities) == pytest.approx(1)
        assert probabilities == sorted(probabilities, reverse=True)
        assert sorted(c.model for c in verdict.candidates) == list(bundle.classes)
        assert sum(c.llr for c in verdict.candidates) == pytest.approx(0, abs=1e-4)
        assert list(verdict.evidence) == list(bundle.encoder.families)
        for candidate in verdict.candidates:
            words = [listed[candidate.model] for listed in verdict.evidence.values()]
            assert candidate.llr == pytest.approx(sum(words) + bias[candidate.model], abs=1e-4)
        # Doubt comes after the evidence: it moves every probability towards 1 / K by its share.
        llr = np.array([c.llr for c in verdict.candidates])
        expected = (1 - doubt) * np.exp(llr) / np.exp(llr).sum() + doubt / len(llr)
        np.testing.assert_allclose(probabilities, expected, atol=1e-3)
        if verdict.label is not None:
            assert (verdict.label, verdict.probability) == (verdict.candidates[0].model, probabilities[0])


def test_saved_bundle_gives_the_same_verdicts(bundle, bundle_file, fresh):
    assert [v.to_json() for v in judge(Bundle.load(bundle_file), fresh)] == [v.to_json() for v in judge(bundle, fresh)]


def test_unreadable_images_among_good_ones(bundle, fresh, tmp_path):
    good = fresh[0].read_bytes()
    cases = {
        "cut.png": good[: len(good) // 2],
        "empty.png": b"",
        "text.jpg": b"hello",
        "small.png": None,
        "missing.png": None,
        "folder.png": None,
    }
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "small.png")
    (tmp_path / "folder.png").mkdir()
    bad = [tmp_path / name for name in cases]
    mixed = [fresh[0], *itertools.chain.from_iterable(zip(bad, itertools.cycle(fresh[1:2]), strict=False))]
    verdicts = judge(bundle, mixed)
    assert [v.uri for v in verdicts] == [str(p) for p in mixed]
    reference = judge(bundle, fresh[1:2])[0]
    for verdict, path in zip(verdicts, mixed, strict=True):
        if path not in bad:
            assert verdict.decision != "unreadable" and verdict.error is None
            continue
        assert verdict.decision == "unreadable"
        assert str(path) in verdict.error
        assert (verdict.label, verdict.probability, verdict.open_set_p) == (None, None, None)
        assert verdict.candidates == verdict.prediction_set == () and verdict.evidence == verdict.quality == {}
        assert verdict.lineage.label is None
        assert verdict.bundle["id"] == bundle.id
        readable = path.is_file()
        assert verdict.image_id == (hashlib.sha256(path.read_bytes()).hexdigest() if readable else None)
        json.loads(verdict.to_json())
    assert {v.candidates[0].model for v in verdicts[2::2]} == {reference.candidates[0].model}
    assert "32" in verdicts[7].error and verdicts[7].uri.endswith("small.png")


def test_no_image_can_be_read(bundle, tmp_path):
    assert [v.decision for v in judge(bundle, [tmp_path / "a", tmp_path / "b"])] == ["unreadable"] * 2
    assert judge(bundle, []) == []


def test_odd_paths(bundle, fresh, tmp_path):
    names = ["with space.png", "Ünï 日本 🎨.png", "-dash.png", "'quote\".png", "noext", "new\nline.png", ".hidden.png"]
    for name in names:
        (tmp_path / name).write_bytes(fresh[0].read_bytes())
    verdicts = judge(bundle, [tmp_path / name for name in names])
    assert [Path(v.uri).name for v in verdicts] == names
    assert len({v.candidates for v in verdicts}) == 1 and verdicts[0].error is None
    assert all("\n" not in v.to_json() for v in verdicts)
    for path in ("\0.png", "x" * 300 + ".png", "", "http://example.org/a.png"):
        (verdict,) = judge(bundle, [path])
        assert (verdict.decision, verdict.image_id, verdict.uri) == ("unreadable", None, path)


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_path_that_is_not_utf8(bundle, fresh, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        Path(name).write_bytes(fresh[0].read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (verdict,) = judge(bundle, [name])
    assert verdict.error is None and verdict.uri == name
    assert json.loads(verdict.to_json().encode("utf-8"))["uri"] == name


def test_uri_is_what_the_caller_said(bundle, fresh, monkeypatch):
    monkeypatch.chdir(fresh[0].parent)
    names = [f"./{fresh[0].name}", f"..//{fresh[0].parent.name}/{fresh[0].name}", fresh[0].name, "./missing.png"]
    assert [v.uri for v in judge(bundle, names)] == names


def test_limits(bundle, fresh):
    verdict, _ = judge(bundle, fresh[:2], limits=Limits(max_side=50))
    assert verdict.decision == "unreadable" and "50" in verdict.error
    assert verdict.image_id == hashlib.sha256(fresh[0].read_bytes()).hexdigest()
    verdict, _ = judge(bundle, fresh[:2], limits=Limits(max_bytes=50))
    assert verdict.decision == "unreadable" and verdict.image_id is None  # not read at all


# --- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, None])
def test_paths_may_be_endless(workers, bundle, fresh, monkeypatch):
    if workers is None:  # as on a machine with one processor: processes take seconds to start
        monkeypatch.setitem(attribute.__globals__["iter_extract"].__globals__, "processors", lambda: 1)
    taken = []

    def forever():
        for path in itertools.cycle(fresh):
            taken.append(path)
            yield path

    verdicts = attribute(bundle, forever(), workers=workers)
    assert taken == []  # nothing happens before the first verdict is asked for
    first = list(itertools.islice(verdicts, 3))
    assert [v.uri for v in first] == [str(p) for p in fresh[:3]]
    assert 3 <= len(taken) <= (3 if workers == 1 else 64)
    verdicts.close()


def test_verdicts_do_not_depend_on_the_images_around(bundle, fresh):
    paths = [*fresh, Path("missing.png"), *fresh[::-1]]
    together = judge(bundle, paths)
    assert [v.uri for v in together] == [str(p) for p in paths]
    assert [v.to_json() for v in together] == [judge(bundle, [p])[0].to_json() for p in paths]
