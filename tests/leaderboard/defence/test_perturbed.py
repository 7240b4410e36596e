from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from morelli.catalog import Catalog
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.images import read_image
from morelli.leaderboard.defence import Perturbing, SurrogateEncoder, perturb_catalog

from ._leaderboard import make_leaderboard
from ._networks import PLAIN, convnet

pytest.importorskip("torch", reason="needs the deep extra")

SETTINGS = Perturbing(epsilon=4, steps=2, transforms=1, batch=2)


@pytest.fixture(scope="module")
def surrogates():
    return [SurrogateEncoder(convnet(), PLAIN, name="net", device="cpu")]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_leaderboard(tmp_path_factory.mktemp("small"), prompts=2, images=2, models=("amber", "céladon")).catalog


@pytest.fixture(scope="module")
def whole(small, surrogates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    return folder, perturb_catalog(small, folder, surrogates, SETTINGS, seed=3)


def files(folder):
    return {path.name: path.read_bytes() for path in (folder / "images").iterdir()}


def test_every_image_has_a_defended_one_with_its_labels(small, whole):
    folder, made = whole
    again = Catalog.read(folder / "perturbed.parquet")
    assert again.fingerprint == made.fingerprint and len(made) == len(small) == 8
    for name in ("model", "prompt_id", "prompt"):
        assert made.text(name).tolist() == small.text(name).tolist()
    assert made.text("perturbed_from").tolist() == small.text("image_id").tolist()
    for one, two in zip(small.paths, again.paths, strict=True):
        before, after = read_image(one), read_image(two)
        assert after.facts.format == "PNG" and after.facts.metadata_bytes == 0
        assert 0 < np.abs(before.pixels.astype(int) - after.pixels).max() <= 4
    facts = json.loads((folder / "perturbing.json").read_text())
    assert facts["epsilon"] == 4 and facts["seed"] == 3 and list(facts["surrogates"]) == ["net"]


def test_an_interrupted_run_goes_on_to_the_same_files(small, surrogates, whole, tmp_path):
    folder, calls = tmp_path / "out", []

    def interrupt(done, total):
        calls.append((done, total))
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perturb_catalog(small, folder, surrogates, SETTINGS, seed=3, progress=interrupt)
    assert calls[-1] == (4, 8) and len(files(folder)) == 4 and not (folder / "perturbed.parquet").exists()
    # Half of a batch is gone, as after a crash between two files: the batch is made again, and comes out the same.
    sorted((folder / "images").iterdir())[0].unlink()
    kept = {name: (folder / "images" / name).stat().st_mtime_ns for name in files(folder)}
    calls.clear()
    perturb_catalog(small, folder, surrogates, SETTINGS, seed=3, progress=lambda *state: calls.append(state))
    assert files(folder) == files(whole[0]) and calls[-1] == (8, 8)
    untouched = [name for name, when in kept.items() if (folder / "images" / name).stat().st_mtime_ns == when]
    assert len(untouched) == 2


def test_nothing_is_made_twice(small, surrogates, whole, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    shutil.copytree(whole[0], folder)
    monkeypatch.setattr("morelli.leaderboard.defence.perturbed.perturb_images", None)
    assert perturb_catalog(small, folder, surrogates, SETTINGS, seed=3).fingerprint == whole[1].fingerprint


def test_other_settings_need_another_folder(small, surrogates, whole):
    folder = whole[0]
    before = files(folder)
    other = [SurrogateEncoder(convnet(9), PLAIN, name="net", device="cpu")]
    for networks, settings, seed in (
        (surrogates, Perturbing(epsilon=5, steps=2, batch=2), 3),
        (other, SETTINGS, 3),
        (surrogates, SETTINGS, 4),
    ):
        with pytest.raises(MorelliError, match="other settings"):
            perturb_catalog(small, folder, networks, settings, seed=seed)
    # Other images of a prompt pull otherwise, and would leave a mixture.
    with pytest.raises(MorelliError, match="other images beside them"):
        perturb_catalog(small.filter(np.arange(len(small)) > 0), folder, surrogates, SETTINGS, seed=3)
    assert files(folder) == before


def test_what_cannot_be_perturbed(small, surrogates, folder):
    alone = small.filter(np.array([name == "amber" for name in small.text("model")]))
    with pytest.raises(NotEnoughDataError, match="two models"):
        perturb_catalog(alone, folder, surrogates, SETTINGS)
    assert not folder.exists()


def test_unreadable_images_and_lonely_prompts_stay_out(small, surrogates, folder):
    errors = ["broken" if row == 0 else None for row in range(len(small))]
    prompts = list(small.text("prompt_id"))
    prompts[-1] = "alone"
    made = perturb_catalog(
        small.with_column("error", errors).with_column("prompt_id", prompts), folder, surrogates, SETTINGS
    )
    assert len(made) == 6 and "alone" not in made.text("prompt_id")
