from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from morelli.attributors import FusedAttributor, fit_bundle
from morelli.attributors.background import Background
from morelli.attributors.registry import fit_registered, get_attributor_info
from morelli.catalog import Catalog, build_catalog
from morelli.errors import MorelliError
from morelli.sample import sample_catalog_csv, sample_path

BLOCKS = {"left": slice(0, 30), "right": slice(30, 60)}
PROMPTS = 10


def draw(seed: int, models: range, prompts: int = PROMPTS, d: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Models that differ in a few directions, and prompts that vary much more in others, which all models share."""
    rng = np.random.default_rng([7, seed])
    shared = np.random.default_rng(0).normal(size=(12, d))
    traces = np.random.default_rng(1).normal(size=(100, d)) * 0.45
    X, y, groups = [], [], []
    for model in models:
        for prompt in range(prompts):
            content = rng.normal(size=12) @ shared
            X.append(traces[model] + 2 * content + 0.6 * rng.normal(size=d))
            y.append(f"m{model:02d}")
            groups.append(prompt)
    return np.array(X), np.array(y), np.array(groups)


def test_other_models_help_where_candidates_are_few():
    """How content varies is shared by all models, and ten images of each of three candidates cannot show it."""
    gains = []
    for seed in range(6):
        X, y, groups = draw(seed, range(3))
        test_X, test_y, _ = draw(1000 + seed, range(3), 30)
        others = Background(*draw(2000 + seed, range(10, 40)))
        alone = FusedAttributor(BLOCKS, n_folds=5).fit(X, y, groups)
        helped = FusedAttributor(BLOCKS, n_folds=5).fit(X, y, groups, background=others)
        assert helped.classes_.tolist() == alone.classes_.tolist() == ["m00", "m01", "m02"]
        gains.append((helped.predict(test_X) == test_y).mean() - (alone.predict(test_X) == test_y).mean())
    assert np.mean(gains) > 0.03


def test_background_of_held_out_prompts_is_held_out():
    """Every first column is the prompt, so that a fit shows which prompts it has seen."""
    import morelli.attributors._references as module

    X, y, groups = draw(0, range(3))
    other_X, other_y, other_groups = draw(1, range(10, 14))
    X[:, 0], other_X[:, 0] = groups, other_groups
    seen: list[set[int]] = []
    asked: list[tuple[set[int], set[int]]] = []
    fit, judge = module.fit_discriminant, module.judge

    def spy_fit(values, *args, **kwargs):
        seen.append(set(values[:, 0].round().astype(int)))
        return fit(values, *args, **kwargs)

    def spy_judge(discriminants, blocks, values):
        asked.append((seen[-1], set(values[:, 0].round().astype(int))))
        return judge(discriminants, blocks, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "fit_discriminant", spy_fit)
        patch.setattr(module, "judge", spy_judge)
        FusedAttributor({"all": slice(0, 60)}, n_folds=5).fit(
            X, y, groups, background=Background(other_X, other_y, other_groups)
        )
    assert asked
    assert all(not fitted & judged for fitted, judged in asked)


def test_without_background_nothing_changes():
    X, y, groups = draw(3, range(4))
    plain = FusedAttributor(BLOCKS, n_folds=5).fit(X, y, groups)
    again = FusedAttributor(BLOCKS, n_folds=5).fit(X, y, groups, background=None)
    assert np.array_equal(plain.predict_proba(X), again.predict_proba(X))


def test_views_take_their_own_part():
    rows = Background([[1.0], [2.0], [3.0]], ["a", "b", "a"], [1, 2, 3], views=["none", "blur:2", "none"])
    part = rows.seen_through("none")
    assert (np.ravel(part.X).tolist(), part.y.tolist(), part.groups.tolist()) == ([1.0, 3.0], ["a", "a"], [1, 3])
    assert rows.seen_through("jpeg:5") is None
    assert replace(rows, views=None).seen_through("jpeg:5").y == ["a", "b", "a"]


@pytest.mark.parametrize("bad", [np.full((6, 60), np.nan), np.zeros((6, 3)), np.zeros((5, 60))])
def test_what_is_no_background(bad):
    X, y, groups = draw(3, range(3))
    with pytest.raises(ValueError, match="the background has shape"):
        FusedAttributor(BLOCKS).fit(X, y, groups, background=Background(bad, ["a"] * 6))


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory) -> tuple[Catalog, Catalog]:
    """Two candidates, and two other models with one of the candidates among them, on the same photographs."""
    folder = tmp_path_factory.mktemp("background")
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "reference"]
    photographs = sorted({row["prompt_id"] for row in rows})[:8]
    made = []
    for name, models in (
        ("few", ("acnet-gan", "realsr-df2k")),
        ("others", ("acnet-gan", "waifu2x-cunet", "realesrgan-x4plus")),
    ):
        lines = ["path,model,prompt_id"]
        lines += [
            f"{sample_path() / row['path']},{row['model']},{row['prompt_id']}"
            for row in rows
            if row["model"] in models and row["prompt_id"] in photographs
        ]
        (folder / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
        made.append(build_catalog(folder / f"{name}.csv"))
    return made[0], made[1]


def test_bundle_with_a_background(catalogs, tmp_path):
    references, others = catalogs
    bundle = fit_bundle(references, encoder="forensic[sharpness,colour]", background=others, workers=1)
    assert [str(name) for name in bundle.attributor.classes_] == ["acnet-gan", "realsr-df2k"]
    assert "16 images of 2 other models taught how measurements vary from image to image." in bundle.notes
    bundle.save(tmp_path / "b.morelli")
    alone = fit_bundle(references, encoder="forensic[sharpness,colour]", workers=1)
    X = np.zeros((1, bundle.encoder.dim))
    assert not np.allclose(bundle.attributor.predict_proba(X), alone.attributor.predict_proba(X))


def test_background_of_candidates_only_is_not_used(catalogs):
    references, _ = catalogs
    bundle = fit_bundle(references, encoder="forensic[sharpness]", background=references, workers=1)
    assert any("no readable image of a model that is no candidate" in note for note in bundle.notes)


def test_attributors_without_use_for_one_say_so(catalogs):
    references, others = catalogs
    from morelli.encoders import extract, join_encoders

    encoder = join_encoders("forensic[sharpness]")
    tables = [extract(images, encoder, workers=1) for images in (references, others)]
    with pytest.raises(MorelliError, match="centroid learns nothing from a background"):
        fit_registered(get_attributor_info("centroid"), references, tables[0], background=(others, [tables[1]]))
