from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from encoders.fingerprint.conftest import TINY, References, picture
from morelli.catalog import build_catalog
from morelli.encoders.fingerprint import (
    FingerprintEncoder,
    FingerprintModel,
    TrainingProgress,
    checkpoint_of,
    fit_fingerprint,
    train_fingerprint,
)
from morelli.encoders.fingerprint.batches import draw_patches
from morelli.encoders.fingerprint.crops import CropWindow, random_degradation
from morelli.errors import MissingExtraError, MorelliError, NotEnoughDataError
from morelli.views import parse_view


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch", reason="training needs torch: pip install 'morelli[deep]'")


def fit(references: References, **arguments) -> FingerprintModel:
    return train_fingerprint(
        references.paths, references.labels, references.groups, settings=TINY, threads=1, device="cpu", **arguments
    )


def same(one: FingerprintModel, other: FingerprintModel) -> bool:
    return one.to_onnx() == other.to_onnx() and all(
        np.array_equal(array, other.weights[name]) for name, array in one.weights.items()
    )


@pytest.fixture(scope="session")
def trained(torch, references: References) -> FingerprintModel:
    return fit(references, steps=60)


def test_generators_are_told_apart_on_new_prompts(trained, tmp_path):
    encoder = FingerprintEncoder(trained.save(tmp_path / "trained.onnx"))
    right = []
    for prompt in range(100, 106):
        for generator, name in enumerate(("checks", "stripes", "bands")):
            mean = encoder.encode(picture(generator, prompt)).mean[encoder.name][: TINY.architecture.dim]
            right.append(trained.classes[int(trained.scores(mean).argmax())] == name)
    assert np.mean(right) > 0.9


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(torch, references, tmp_path):
    whole = fit(references, steps=8)
    path = tmp_path / "state.safetensors"
    first = fit(references, steps=3, checkpoint=path)
    assert first.steps == 3 and not same(whole, first)
    resumed = fit(references, steps=8, checkpoint=path)
    assert resumed.steps == 8 and same(whole, resumed)
    assert same(resumed, fit(references, steps=8, checkpoint=path)), "nothing is left to do"
    assert list(tmp_path.iterdir()) == [path], "no half-written files"


def test_a_stop_in_the_middle_loses_nothing_that_was_saved(torch, references, tmp_path, monkeypatch):
    monkeypatch.setattr("morelli.encoders.fingerprint.training._SAVE_SECONDS", 0.0)
    path = tmp_path / "state.safetensors"

    def stop(at: TrainingProgress) -> None:
        if at.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(references, steps=8, checkpoint=path, progress=stop)
    assert same(fit(references, steps=8), fit(references, steps=8, checkpoint=path))


def test_the_seed_decides(torch, references):
    assert same(fit(references, steps=2), fit(references, steps=2))
    assert not same(fit(references, steps=2), fit(references, steps=2, seed=1))


def test_time_bounds_a_training_and_progress_tells(torch, references):
    seen: list[TrainingProgress] = []
    model = fit(references, minutes=1 / 60, progress=seen.append)
    assert model.steps == len(seen) == seen[-1].step
    assert seen[-1].share == 1 and [each.step for each in seen] == list(range(1, len(seen) + 1))
    assert np.isfinite(seen[-1].loss) and 0 <= seen[-1].accuracy <= 1
    assert fit(references, minutes=1e-9).steps == 1


def test_a_catalog_brings_labels_and_groups(torch, references, tmp_path):
    table = tmp_path / "images.csv"
    lines = [f"{path},{label},{group}" for path, label, group in zip(*references, strict=True)]
    table.write_text("\n".join(["path,model,prompt_id", *lines, f"{tmp_path / 'missing.png'},checks,9"]))
    catalog = build_catalog(table)
    model = train_fingerprint(catalog, steps=1, settings=TINY, threads=1)
    assert model.classes == ("bands", "checks", "stripes") and model.n_images == 12
    path = tmp_path / "network.onnx"
    encoder = fit_fingerprint(catalog, path, steps=1, settings=TINY, threads=1)
    assert encoder.path == path and encoder.sha256 == model.describe()["sha256"]
    assert checkpoint_of(path).exists()
    with pytest.raises(MorelliError, match="brings its labels"):
        train_fingerprint(catalog, references.labels, steps=1)


def test_a_checkpoint_of_another_training_is_refused(torch, references, tmp_path):
    path = tmp_path / "state.safetensors"
    fit(references, steps=1, checkpoint=path)
    with pytest.raises(MorelliError, match="other images, settings or seed"):
        fit(references, steps=2, checkpoint=path, seed=1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MorelliError, match="damaged"):
        fit(references, steps=2, checkpoint=path)


def test_bad_references_are_refused(torch, references, tmp_path):
    paths, labels, groups = references
    with pytest.raises(NotEnoughDataError, match="two generators"):
        train_fingerprint(paths, ["one"] * len(paths), steps=1)
    with pytest.raises(NotEnoughDataError, match="two generators"):
        train_fingerprint([], steps=1)
    with pytest.raises(MorelliError, match="one label"):
        train_fingerprint(paths, labels[1:], steps=1)
    with pytest.raises(MorelliError, match="one group"):
        train_fingerprint(paths, labels, groups[1:], steps=1)
    small = tmp_path / "small.png"
    Image.fromarray(picture(0, 0, (40, 31))).save(small)
    with pytest.raises(NotEnoughDataError, match=r"small\.png: 31x40 pixels.*32 or more"):
        train_fingerprint([*paths, small], [*labels, "bands"], steps=1, settings=TINY)


@pytest.mark.parametrize("arguments", [{"minutes": 0}, {"minutes": -1.0}, {"steps": 0}, {"device": "abacus"}])
def test_bad_arguments_are_refused(torch, references, arguments):
    with pytest.raises(MorelliError):
        train_fingerprint(references.paths, references.labels, **{"steps": 1, **arguments})


def test_without_torch_the_error_names_the_extra(references, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "morelli\[deep\]"'):
        fit(references, steps=1)


def test_contrast_is_with_other_images_only(torch):
    from morelli.encoders.fingerprint.network import contrastive_loss

    rng = np.random.default_rng(0)
    base = np.repeat(np.eye(2, 4), 2, axis=0)
    codes, images = torch.tensor([0, 0, 1, 1]), torch.arange(4)

    def loss(embeddings: np.ndarray, images=images) -> float:
        return float(contrastive_loss(torch, torch.from_numpy(embeddings), codes, images, 0.2))

    assert loss(base) < loss(base[[0, 2, 1, 3]])
    assert loss(rng.normal(size=(4, 4)), torch.tensor([0, 0, 1, 1])) == 0, "one image each: there is no pair"


def test_the_window_is_bounded_moves_on_and_can_be_joined_anywhere(references: References):
    settings = TINY
    whole = CropWindow(references.paths, settings, seed=3)
    assert whole.size == 12 and sorted(visit.image for visit in whole.at(0)) == list(range(12))
    first = whole.at(0)[0]
    later = whole.at(5)
    assert all(visit is not first for visit in later) and len(later) == 12
    joined = CropWindow(references.paths, settings, seed=3).at(5)
    for one, other in zip(later, joined, strict=True):
        assert one.image == other.image
        assert all(np.array_equal(a, b) for a, b in zip(one.native, other.native, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(one.degraded, other.degraded, strict=True))
    sides = {side for visit in later for crop in (*visit.native, *visit.degraded) for side in crop.shape[:2]}
    assert max(sides) <= settings.crop and min(sides) >= settings.architecture.patch


def test_the_memory_bounds_the_window(references: References):
    from dataclasses import replace

    window = CropWindow(references.paths, replace(TINY, memory=1), seed=0)
    assert window.size == 2 * TINY.classes == len(window.at(0)) == len(window.at(40))


def test_patches_lie_on_the_grid_and_prompts_are_shared(references: References):
    codes = np.unique(references.labels, return_inverse=True)[1].astype(np.int64)
    groups = references.groups.astype(np.int64)
    visits = CropWindow(references.paths, TINY, seed=0).at(0)
    patches, rows = draw_patches(visits, codes, groups, TINY, np.random.default_rng(0))
    assert patches.shape == (6 * 4, 3, 32, 32) and patches.dtype == np.uint8
    assert sorted(codes[rows]) == [0, 0, 1, 1, 2, 2] and len(set(rows.tolist())) == 6
    prompts = [set(groups[rows[codes[rows] == code]]) for code in range(3)]
    assert set.intersection(*prompts), "every generator shows a picture of the same prompt"


def test_degradations_are_views(references: References):
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(60):
        name, scale = random_degradation(rng, 0.6)
        assert 0.5 <= scale <= 1
        kinds.add("|".join(step.partition(":")[0] for step in parse_view(name).name.split("|")))
    assert kinds == {"scale|jpeg", "scale", "jpeg", "webp", "blur"}
    name, scale = random_degradation(np.random.default_rng(1), 1.0)
    assert scale == 1.0, name


def test_half_a_file_is_never_seen(untrained: FingerprintModel, tmp_path: Path, monkeypatch):
    path = tmp_path / "network.onnx"
    untrained.save(path)
    before = path.read_bytes()

    def fail(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        untrained.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
