from __future__ import annotations

import shutil

import numpy as np
import pytest

from _striped import NAMES, build
from morelli.attributors.pixels import FEW, PROCESSOR, PixelModel, PixelStore, train_network
from morelli.attributors.pixels import catalogs as module
from morelli.catalog import build_catalog
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.pixels import evaluate_network, network_notes

PROMPTS = 12

RECIPE = PROCESSOR.with_settings(
    {"size": "1-1@16-32", "side": 32, "epochs": 30, "batch": 10, "rate_batch": 10, "at_once": 10}
)


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    return build(tmp_path_factory.mktemp("images") / "references", range(PROMPTS))


@pytest.fixture(scope="module")
def trained(references, tmp_path_factory, torch):
    folder = tmp_path_factory.mktemp("network") / "größe"
    plans, states = [], []
    model = train_network(
        references, folder, recipe=RECIPE, held_out=0.25, device="cpu", workers=1, planned=plans.append,
        progress=states.append,
    )  # fmt: skip
    return folder, model, plans, states


def test_a_network_and_what_it_says_of_itself(trained, references):
    folder, model, (plan,), states = trained
    assert (plan.images, plan.held_out, plan.classes, plan.layout) == (54, 18, 3, "thumbnail-37")
    assert (plan.schedule.steps, plan.processes, plan.device, plan.resumed) == (180, 1, "cpu", False)
    assert len(states) == 180
    assert model.classes == NAMES
    assert model.lineages == ("a", "a", "f")
    assert model.training.n_images == dict.fromkeys(NAMES, 18)
    assert model.training.n_groups == 9
    assert model.training.leak_free
    assert model.training.accuracy > 0.7
    assert "18 held-out images of 3 prompts" in model.training.notes[-1]
    assert model.references.image_ids == set(references.column("image_id"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "log.csv", "network.safetensors", "pixels.bin", "pixels.bin.json",
    ]  # fmt: skip


def test_the_same_call_returns_what_is_finished(trained, references):
    folder, model, _, _ = trained

    def never(*_):
        raise AssertionError("there is nothing to do")

    again = train_network(references, folder, recipe=RECIPE, held_out=0.25, device="cpu", planned=never, progress=never)
    assert again.signature == model.signature
    with pytest.raises(MorelliError, match="network of other images, settings or seed"):
        train_network(references, folder, recipe=RECIPE, held_out=0.25, seed=1, device="cpu")


def test_another_level_is_another_calibration_of_the_same_network(trained, references, tmp_path):
    folder, model, _, _ = trained
    shutil.copytree(folder, tmp_path / "n")

    def again(level):
        return train_network(references, tmp_path / "n", recipe=RECIPE, held_out=0.25, level=level, device="cpu")

    half = again(0.5)
    assert half.doubting.conformal.level == 0.5
    assert half.doubting.conformal.threshold < model.doubting.conformal.threshold
    assert all((half.arrays[name] == array).all() for name, array in model.arrays.items())
    assert (half.training, half.signature) == (model.training, model.signature)
    assert again(0.9).doubting.conformal.level == 0.9
    name = "network.safetensors"
    assert (tmp_path / "n" / name).read_bytes() == (folder / name).read_bytes(), "and back again"


@pytest.mark.parametrize(("share", "prompts"), [(0.02, 1), (0.1, 1), (0.25, 3), (0.33, 4), (0.4, 5), (0.5, 6)])
def test_as_many_prompts_are_held_out_as_were_asked_for(references, tmp_path, share, prompts):
    store = PixelStore.build(references, "thumbnail-37", tmp_path / "pixels", workers=1)
    part = module._Part.of(references, store, "model", share, 0)
    assert len(np.unique(part.groups[part.held])) == prompts
    assert len(np.unique(part.groups[part.train])) == PROMPTS - prompts
    assert (np.bincount(part.codes[part.held]) == 2 * prompts).all()


def test_new_prompts_and_unknown_models_are_judged(trained, tmp_path):
    _, model, _, _ = trained
    new = build(tmp_path / "new", range(20, 26))
    (tmp_path / "new" / "24-flat-0.png").write_bytes(b"no image")
    new = build_catalog(tmp_path / "new" / "images.csv", workers=1)
    predictions = evaluate_network(model, new, workers=1)
    assert len(predictions) == 36
    assert (predictions.decision == "unreadable").sum() == 1
    known = predictions.known
    assert (predictions.top[known] == predictions.y[known]).mean() > 0.8
    assert set(predictions.families) == {"whole"}
    assert predictions.prompt_known
    assert network_notes(model, new) == list(model.training.notes)
    by_label = new.with_column("model", ["stranger"] * 36)
    assert evaluate_network(model, by_label, workers=1).unknown.sum() == 35


def test_references_are_told(trained, references):
    notes = network_notes(trained[1], references)
    assert "72 of 72 images are references of this network" in notes[-2]


def test_an_interrupted_training_goes_on(references, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("morelli.attributors.pixels.training._SAVE_SECONDS", 0.0)

    def stop(state):
        if state.step == 50:
            raise KeyboardInterrupt

    options = {"recipe": RECIPE, "held_out": 0.25, "device": "cpu", "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        train_network(references, tmp_path / "n", **options, progress=stop)
    assert (tmp_path / "n" / module.CHECKPOINT_FILE).exists()
    plans, states = [], []
    model = train_network(references, tmp_path / "n", **options, planned=plans.append, progress=states.append)
    assert plans[0].resumed
    assert states[0].step == 51
    whole = trained[1]
    assert all((model.arrays[name] == array).all() for name, array in whole.arrays.items())
    log = (tmp_path / "n" / "log.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in log[1:]] == [str(step) for step in range(1, 181)]


def test_patches(references, tmp_path, torch):
    recipe = RECIPE.with_settings({"epochs": 4, "check": 0})
    model = train_network(references, tmp_path, recipe=recipe, layout="patches-40x4", device="cpu", workers=1)
    assert PixelModel.load(tmp_path, device="cpu").encoder.patches == 4
    assert model.layout == "patches-40x4"


def test_what_is_refused(references, tmp_path, torch):
    def train(catalog=references, **options):
        return train_network(catalog, tmp_path, **{"recipe": RECIPE, "device": "cpu", "workers": 1, **options})

    with pytest.raises(MorelliError, match="of the kind convnext"):
        train(recipe=FEW.with_settings({"kind": "resnet", "size": "50"}))
    with pytest.raises(MorelliError, match=r"From 0\.02 to 0\.5"):
        train(held_out=0.9)
    with pytest.raises(MorelliError, match="sees 32 pixels, but patches-24x4 has only 24"):
        train(layout="patches-24x4")
    assert not list(tmp_path.iterdir()), "nothing was decoded for that"
    with pytest.raises(NotEnoughDataError, match="one class"):
        train_network(references.select(model="along"), tmp_path / "one", recipe=RECIPE, device="cpu", workers=1)
    with pytest.raises(NotEnoughDataError, match="at least 2 reference images"):
        train_network(references.take([0, 2]), tmp_path / "few", recipe=RECIPE, device="cpu", workers=1)
    with pytest.raises(NotEnoughDataError, match="No image can be used"):
        train_network(references, tmp_path / "large", recipe=RECIPE, layout="patches-64x4", device="cpu", workers=1)


def test_prompts_that_are_not_known_are_told(references, tmp_path, torch):
    blind = references.with_column("prompt_id", [None] * len(references))
    recipe = RECIPE.with_settings({"epochs": 1, "check": 0})
    model = train_network(blind, tmp_path, recipe=recipe, device="cpu", workers=1)
    assert not model.training.leak_free
    assert any("No prompt is known" in note for note in model.training.notes)
