from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.attributors import get_attributor_info
from morelli.catalog import Catalog, build_catalog, split_catalog
from morelli.encoders import FeatureCache, ForensicEncoder, extract
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials import Comparison, cross_validate, summarise
from morelli.trials.compare import compare

MODELS = {"alba": "north", "bruno": "north", "carla": "south", "dora": None}
PROMPTS = 12
FEW = ("centroid", "gaussian-naive")


def paint(model: int, prompt: int) -> np.ndarray:
    """A picture of a prompt (smooth shapes) in the hand of a model (the size of its grain)."""
    side = 96
    shapes = np.random.default_rng(prompt).integers(60, 200, (5, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(shapes).resize((side, side), Image.Resampling.BICUBIC)).astype(float)
    grain = np.random.default_rng([model, prompt]).normal(0, 5 + 3 * model, (side >> model, side >> model, 3))
    return np.clip(smooth + grain.repeat(1 << model, axis=0).repeat(1 << model, axis=1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def catalog(folder) -> Catalog:
    """4 models x 12 prompts, one image that is no image and one without a label."""
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model", "lineage", "prompt_id"])
        for i, (model, lineage) in enumerate(MODELS.items()):
            for prompt in range(PROMPTS):
                Image.fromarray(paint(i, prompt)).save(folder / f"{model}-{prompt}.png")
                writer.writerow([f"{model}-{prompt}.png", model, lineage, f"p{prompt}"])
        (folder / "bad.png").write_bytes(b"no")
        writer.writerow(["bad.png", "alba", "north", "p0"])
        Image.fromarray(paint(0, 99)).save(folder / "nobody.png")
        writer.writerow(["nobody.png", "", "", "p1"])
    return build_catalog(folder / "t.csv", workers=1)


@pytest.fixture(scope="module")
def run(catalog, folder):
    cache = FeatureCache(folder / "features.sqlite")

    def run(attributors=FEW, **changes):
        images = changes.pop("catalog", catalog)
        settings = {"folds": 3, "cache": cache, "workers": 1} | changes
        return compare(images, attributors, **settings)

    return run


@pytest.fixture(scope="module")
def comparison(run):
    return run(references_per_class=[3, 6])


def test_what_it_says(comparison):
    assert comparison.attributors == FEW
    assert comparison.references == (3, 6)
    assert [(s.attributor, s.references) for s in comparison.scores] == [(a, r) for a in FEW for r in (3, 6)]
    assert (comparison.n_images, comparison.n_classes, comparison.n_clusters) == (48, 4, 12)
    assert comparison.chance == 0.25
    assert comparison.prompt_known
    assert any("1 of 49 images were left out, for forensic" in note for note in comparison.notes)
    for score in comparison.scores:
        assert score.n == 48
        assert score.low <= score.accuracy <= score.high
        assert score.accuracy > 0.5
        assert score.unknown_auroc is None
        assert score.n_unknown == score.n_unanswered == 0
        assert score.fit_seconds > 0
        assert score.judge_microseconds > 0
        assert len(score.risk_curve) == 20
        assert score.risk_curve[-1][1] == pytest.approx(1 - score.accuracy)


def test_the_best_and_the_others(comparison):
    for count in (3, 6):
        ranking = comparison.at(count)
        assert ranking[0].behind == ranking[0].behind_low == ranking[0].behind_high == 0
        for score in ranking[1:]:
            assert score.behind == pytest.approx(ranking[0].accuracy - score.accuracy)
            assert score.behind_low <= score.behind <= score.behind_high


def test_round_trip(comparison):
    plain = comparison.to_dict()
    assert Comparison.from_dict(json.loads(json.dumps(plain, allow_nan=False))) == comparison
    with pytest.raises(MorelliError, match="schema version 9"):
        Comparison.from_dict(plain | {"schema_version": 9})
    with pytest.raises(MorelliError, match="damaged"):
        Comparison.from_dict({"schema_version": 2, "scores": []})


def test_all_references_are_cross_validation(run, catalog, folder):
    """With all references and one draw a score is what the engine's cross-validation says."""
    (score,) = run(["centroid"]).scores
    labelled = catalog.filter(catalog.codes("model")[0] >= 0).readable
    features = extract(labelled, ForensicEncoder(), cache=FeatureCache(folder / "features.sqlite"), workers=1)
    folds = split_catalog(labelled, folds=3).folds(labelled)
    predictions = cross_validate(labelled, features, folds, attributor=get_attributor_info("centroid"))
    metrics = summarise(predictions)
    assert score.references is None
    assert score.accuracy == pytest.approx(metrics.accuracy)
    assert (score.low, score.high) == pytest.approx((metrics.accuracy_low, metrics.accuracy_high))
    for ours, theirs in (
        (score.top3, metrics.top3),
        (score.lineage, metrics.lineage_accuracy),
        (score.log_loss, metrics.log_loss),
        (score.ece, metrics.ece),
        (score.coverage, metrics.coverage),
        (score.set_size, metrics.mean_set_size),
        (score.right_at_half, 1 - metrics.risk_at_half),
    ):
        assert ours == pytest.approx(theirs)


def test_hidden_models_are_unknown(run):
    hidden = run(["centroid"], hide=1, repeats=2, seed=1)
    (score,) = hidden.scores
    assert len(hidden.hidden) == 2
    assert all(len(names) == 1 for names in hidden.hidden)
    assert (score.n, score.n_unknown) == (72, 24)
    assert 0 <= score.unknown_auroc <= 1
    assert hidden.chance == pytest.approx(1 / 3)


def untimed(comparison):
    plain = comparison.to_dict()
    for score in plain["scores"]:
        del score["fit_seconds"], score["judge_microseconds"]
    return plain


def test_deterministic(run, comparison):
    assert untimed(run(references_per_class=[6, 3, 6])) == untimed(comparison)
    assert untimed(run(references_per_class=[3, 6], seed=5)) != untimed(comparison)


def test_resumed_is_the_same(run, comparison, tmp_path, monkeypatch):
    parts = tmp_path / "parts"
    first = run(references_per_class=[3, 6], resume_dir=parts)
    assert untimed(first) == untimed(comparison)
    assert len(list(parts.glob("*.parquet"))) == len(list(parts.glob("*.json"))) == 2 * 2 * 3
    calls: list[tuple[int, int]] = []
    with monkeypatch.context() as patch:
        patch.setattr("morelli.trials.runner.fit_registered", lambda *a, **k: pytest.fail("done already"))
        again = run(references_per_class=[3, 6], resume_dir=parts, progress=lambda *call: calls.append(call))
    assert json.dumps(again.to_dict()) == json.dumps(first.to_dict()), "times included"
    assert calls == [(12, 12)]
    # One part lost, one broken off, one without its second file: they are done again, and nothing else.
    tables = sorted(parts.glob("*.parquet"))
    tables[0].unlink()
    tables[1].write_bytes(tables[1].read_bytes()[:100])
    tables[2].with_suffix(".json").unlink()
    before = {path: path.stat().st_mtime_ns for path in tables[3:]}
    assert untimed(run(references_per_class=[3, 6], resume_dir=parts)) == untimed(comparison)
    assert {path: path.stat().st_mtime_ns for path in tables[3:]} == before
    assert len(list(parts.glob("*.parquet"))) == 12


def test_parts_know_what_determines_them(run, tmp_path):
    def files() -> int:
        return len(list(tmp_path.glob("*.json")))

    run(["centroid"], resume_dir=tmp_path)
    assert files() == 3
    run(["centroid", "gaussian-naive"], resume_dir=tmp_path)
    assert files() == 6, "one more attributor leaves the others"
    run(["centroid"], resume_dir=tmp_path, level=0.8)
    assert files() == 9
    run(["centroid"], resume_dir=tmp_path, options={"centroid": {"standardise": False}})
    assert files() == 12
    run(["centroid"], resume_dir=tmp_path, seed=1)
    assert files() == 15


def test_options_reach_the_estimator(run):
    plain, other = run(["centroid"]), run(["centroid"], options={"centroid": {"standardise": False}})
    raw = run(["centroid:raw"])
    assert other.scores[0].log_loss == pytest.approx(raw.scores[0].log_loss)
    assert other.scores[0].log_loss != pytest.approx(plain.scores[0].log_loss)


def test_too_small_for_one_is_left_out_for_all(run):
    with pytest.raises(NotEnoughDataError, match=r"no image that all encoders can measure.*marra-residual needs 256"):
        run(["centroid", "marra"])


def test_other_encoders(run):
    (score,) = run(["knn@forensic+dzanic-spectrum"]).scores
    assert score.encoder == "forensic+dzanic-spectrum"
    assert score.accuracy > 0.5


def test_fused_takes_part(run):
    """The default reads the spread within images, which others have no use for."""
    both = run(["fused", "dzanic"], references_per_class=[4])
    assert both.scores[0].accuracy > 0.6


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"attributors": []}, "one or more different attributors"),
        ({"attributors": ["knn", "knn@forensic"]}, "one or more different attributors"),
        ({"attributors": "knn"}, "a list of names"),
        ({"attributors": ["knn"], "options": {"mlp": {}}}, "options for mlp"),
        ({"references_per_class": [0]}, "whole numbers from 1"),
        ({"references_per_class": []}, "whole numbers from 1"),
        ({"references_per_class": [2]}, "at least 3 references; too few of: alba \\(2\\)"),
        ({"repeats": 0}, "at least one draw"),
        ({"attributors": ["centroid", "mllm"]}, "mllm asks a model about every image.*: use morelli study mllm"),
        ({"attributors": ["mllm-local"]}, "use morelli study mllm"),
        ({"hide": 3}, "at least two must stay"),
    ],
)
def test_what_is_refused(run, changes, error):
    with pytest.raises(MorelliError, match=error):
        run(changes.pop("attributors", FEW), **changes)


def test_no_labels(run, catalog):
    empty = catalog.with_column("model", np.full(len(catalog), None, dtype=object))
    with pytest.raises(NotEnoughDataError, match='no row has a value in the column "model"'):
        run(catalog=empty)


def test_fewer_references_than_asked_for(run):
    asked = run(["centroid"], references_per_class=[50])
    assert any("4 of 4 models have fewer than 50 references" in note for note in asked.notes)
    assert asked.scores[0].accuracy == run(["centroid"]).scores[0].accuracy
