from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from morelli.attributors import Bundle, FusedAttributor, attribute, fit_attributor, fit_bundle
from morelli.attributors.fitting import ONE_VIEW_NOTE, extract_views, lineages_of, prompt_hash, versions_of
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, ForensicEncoder, extract
from morelli.errors import CatalogError, MorelliError, NotEnoughDataError

extracting = importlib.import_module("morelli.encoders.extract")  # the package has a function of that name


def notes_of(bundle: Bundle) -> list[str]:
    """Return all notes but the one that every bundle of three candidates has: unknown models cannot be rehearsed."""
    notes = [note for note in bundle.notes if "could not be rehearsed" not in note]
    assert len(notes) == len(bundle.notes) - 1
    return notes


def fit(catalog: Catalog, cache: FeatureCache | None, **options):
    return fit_bundle(catalog, cache=cache, workers=1, **options)


def relabelled(catalog: Catalog, column: str, value, where) -> Catalog:
    values = catalog.column(column).astype(object)
    values[where] = value
    return catalog.with_column(column, values.tolist())


def test_what_a_bundle_says_about_its_references(references, bundle):
    catalog = references.catalog
    assert bundle.classes == ("alba", "bruno", "carla")
    assert bundle.lineages == ("north", "north", "south")
    assert bundle.label == "model"
    assert bundle.references.image_ids == set(catalog.column("image_id"))
    assert bundle.references.prompt_hashes == {prompt_hash(f"p{i}") for i in range(8)}
    assert bundle.references.fingerprint == catalog.fingerprint
    assert bundle.references.n_unreadable == 0
    assert notes_of(bundle) == [ONE_VIEW_NOTE]
    training = bundle.attributor.training_
    assert training.n_images == {"alba": 8, "bruno": 8, "carla": 8}
    assert training.leak_free and training.n_groups == 8
    assert training.accuracy == 1.0
    assert list(bundle.attributor.blocks) == list(ForensicEncoder().families)


def test_same_references_same_bundle(references, bundle):
    assert fit(references.catalog, references.cache, name="trio", version="7").id == bundle.id
    assert fit(references.catalog, None, name="trio", version="7").id == bundle.id  # measured anew
    assert fit(references.catalog, references.cache, name="trio", version="7", seed=1).id != bundle.id


def test_fingerprint_follows_the_data(references, bundle):
    fewer = fit(references.catalog.filter(np.arange(24) != 3), references.cache, name="trio", version="7")
    assert fewer.references.fingerprint != bundle.references.fingerprint
    assert fewer.id != bundle.id
    swapped = relabelled(references.catalog, "model", "bruno", [0])
    assert fit(swapped, references.cache).references.fingerprint != bundle.references.fingerprint


def test_cached_references_are_not_read_again(references, bundle, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("an image was read")

    monkeypatch.setattr(extracting, "read_image", fail)
    calls = []
    again = fit_bundle(
        references.catalog,
        name="trio",
        version="7",
        cache=references.cache,
        workers=1,
        progress=lambda *at: calls.append(at),
    )
    assert again.id == bundle.id
    assert calls[-1] == (24, 24)
    with pytest.raises(AssertionError, match="was read"):
        fit(references.catalog, None)


def test_rows_without_a_label_are_left_out_and_counted(references, monkeypatch):
    catalog = relabelled(references.catalog, "model", None, [0, 1, 8])
    read = []
    monkeypatch.setattr(extracting, "read_image", lambda path, **_: read.append(path))
    bundle = fit(catalog, references.cache)
    assert not read
    assert bundle.references.n_unreadable == 3
    assert "3 of 24 references could not be used." in bundle.notes
    assert bundle.attributor.training_.n_images == {"alba": 6, "bruno": 7, "carla": 8}
    assert bundle.references.image_ids == set(catalog.column("image_id")[np.setdiff1d(np.arange(24), [0, 1, 8])])


def test_unreadable_references_are_left_out_and_counted(references, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    odd = build_catalog(tmp_path, workers=1, model_from=None, defaults={"model": "alba"})
    catalog = Catalog.concat([references.catalog, odd])
    bundle = fit(catalog, references.cache)
    assert bundle.references.n_unreadable == 1
    assert "1 of 25 references could not be used." in bundle.notes
    assert bundle.references.fingerprint == references.catalog.fingerprint


def test_file_that_changed_since_is_left_out(references, tmp_path):
    (tmp_path / "a").mkdir()
    for path in references.folder.glob("*.png"):
        (tmp_path / "a" / path.name).write_bytes(path.read_bytes())
    table = build_catalog(tmp_path / "a", workers=1, model_from=None).table
    catalog = Catalog(table, tmp_path / "a").with_column("model", [Path(u).name[:4] for u in table["uri"].to_pylist()])
    catalog.paths[0].write_bytes(catalog.paths[1].read_bytes())
    bundle = fit(catalog, None)
    assert bundle.references.n_unreadable == 1


def test_nothing_readable(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"no image")
    with pytest.raises(NotEnoughDataError, match=r"None of the 2 references can be used. The first error: .+"):
        fit(build_catalog(tmp_path, workers=1), None)


def test_nothing_labelled(references):
    catalog = relabelled(references.catalog, "model", None, slice(None))
    with pytest.raises(NotEnoughDataError, match=r'None of the 24 .* no row has a value in the column "model"'):
        fit(catalog, references.cache)
    with pytest.raises(NotEnoughDataError, match="None of the 0 references"):
        fit(catalog.filter(np.zeros(24, dtype=bool)), references.cache)
    with pytest.raises(CatalogError, match="no column 'vendor'"):
        fit(references.catalog, references.cache, label="vendor")


def test_too_few(references):
    with pytest.raises(NotEnoughDataError, match=r"one class \(alba\)"):
        fit(references.catalog.select(model="alba"), references.cache)
    with pytest.raises(NotEnoughDataError, match=r"too few of: carla \(2\)"):
        fit(references.catalog.take(np.arange(18)), references.cache)


def test_two_classes_of_five(references):
    bundle = fit(references.catalog.take([0, 1, 2, 3, 4, 16, 17, 18, 19, 20]), references.cache)
    assert bundle.classes == ("alba", "carla")
    verdicts = list(attribute(bundle, references.catalog.paths[5:8] + references.catalog.paths[21:]))
    assert [v.candidates[0].model for v in verdicts] == ["alba"] * 3 + ["carla"] * 3


# --- prompts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "why"), [(slice(None), "No prompt is known"), ([0, 9, 17], "3 of 24 images have no prompt")]
)
def test_missing_prompts_are_noted(rows, why, references):
    bundle = fit(relabelled(references.catalog, "prompt_id", None, rows), references.cache)
    assert any(why in note for note in bundle.notes)
    assert any(why in note for note in bundle.attributor.training_.notes)
    assert not bundle.attributor.training_.leak_free
    assert not bundle.describe()["training"]["leak_free"]


def test_one_prompt_for_a_class_is_noted(references):
    bundle = fit(relabelled(references.catalog, "prompt_id", "p99", slice(8, 16)), references.cache)
    shared, view = notes_of(bundle)
    assert "bruno" in shared and "leakage" in shared
    assert view == ONE_VIEW_NOTE


def test_prompts_of_one_image_stay_together(references, monkeypatch):
    seen = {}
    real = FusedAttributor.fit

    def spy(self, X, y, groups, **kwargs):
        seen["groups"] = groups
        return real(self, X, y, groups, **kwargs)

    monkeypatch.setattr(FusedAttributor, "fit", spy)
    features = extract(references.catalog, ForensicEncoder(), cache=references.cache, workers=1)
    fit_attributor(references.catalog, [features])
    prompts = references.catalog.column("prompt_id")
    for prompt in set(prompts):
        assert len(set(seen["groups"][prompts == prompt])) == 1
    assert len(set(seen["groups"])) == 8


# --- prediction sets ----------------------------------------------------------------------------------------------


def test_sets_of_another_kind(references, tmp_path):
    views = ("none", "jpeg:60")
    bundle = fit(references.catalog, references.cache, views=views, level=0.8, set_method="aps", set_per_class=True)
    loaded = Bundle.load(bundle.save(tmp_path / "aps.morelli"))
    made = [*(expert.conformal_ for expert in loaded.attributor.experts_.values()), loaded.attributor.pool_.conformal]
    assert [(one.method, one.class_conditional) for one in made] == [("aps", True)] * 3
    conformal = loaded.describe()["conformal"]
    assert (conformal["method"], conformal["class_conditional"], conformal["level"]) == ("aps", True, 0.8)
    assert not any("of their own" in note for note in loaded.notes)


def test_classes_with_too_few_references_for_sets_of_their_own(references):
    bundle = fit(references.catalog, references.cache, level=0.9, set_per_class=True)
    (note,) = [note for note in bundle.notes if "of their own" in note]
    assert "level 0.9" in note and "alba, bruno, carla" in note


def test_an_unknown_kind_of_sets_is_refused_before_anything_is_measured(references):
    with pytest.raises(MorelliError, match="made by lac or aps, not by 'raps'"):
        fit_bundle(references.catalog, set_method="raps", encoder="no-such-encoder")


# --- views --------------------------------------------------------------------------------------------------------


def test_a_bundle_of_several_views(references, bundle, tmp_path):
    calls = []
    degraded = fit_bundle(
        references.catalog,
        cache=references.cache,
        workers=1,
        views=("none", "jpeg:60", "blur:2"),
        progress=lambda *at: calls.append(at),
    )
    assert calls[-1] == (72, 72)
    assert [one["view"] for one in degraded.describe()["views"]] == ["none", "jpeg:60", "blur:2"]
    assert notes_of(degraded) == []
    loaded = Bundle.load(degraded.save(tmp_path / "degraded.morelli"))
    assert loaded.id == degraded.id
    verdicts = list(attribute(loaded, references.catalog.paths[:3], workers=1))
    assert {v.judged_as for v in verdicts} <= {"none", "jpeg:60", "blur:2", "unfamiliar"}
    assert all('"judged_as": "' in v.to_json() for v in verdicts)
    assert {v.judged_as for v in attribute(bundle, references.catalog.paths[:2], workers=1)} == {None}
    home = loaded.attributor.home
    assert home.training_ == bundle.attributor.training_


@pytest.mark.parametrize(
    ("views", "words"), [((), "none at all"), (("none", ""), "different views"), (("sepia",), "sepia")]
)
def test_views_that_make_no_sense(references, views, words):
    with pytest.raises(MorelliError, match=words):
        extract_views(references.catalog, ForensicEncoder(), views, cache=references.cache)


# --- lineages and labels ------------------------------------------------------------------------------------------


def test_lineages(references):
    classes = ["alba", "bruno", "carla"]
    assert lineages_of(references.catalog, "model", classes) == (("north", "north", "south"), [])
    mixed = relabelled(references.catalog, "lineage", "south", [0, 1])
    mixed = relabelled(mixed, "lineage", None, slice(8, 16))
    lineages, notes = lineages_of(mixed, "model", classes)
    assert lineages == ("north", None, "south")
    assert len(notes) == 1 and "alba" in notes[0] and "north, south" in notes[0]
    assert notes[0] in fit(mixed, references.cache).notes


def test_versions(references):
    classes = ["alba", "bruno", "carla"]
    assert versions_of(references.catalog, "model", classes) == ()
    some = relabelled(references.catalog, "version", "1.1", [0, 1, 2, 16])
    some = relabelled(some, "version", "1.0", [3])
    assert versions_of(some, "model", classes) == ({"1.0": 1, "1.1": 3}, {}, {"1.1": 1})
    assert fit(some, references.cache).class_versions == ({"1.0": 1, "1.1": 3}, {}, {"1.1": 1})


def test_any_column_can_be_the_label(references):
    numbers = pa.array([0] * 8 + [1] * 8 + [None] * 8, pa.int64())
    catalog = Catalog(references.catalog.table.append_column("era", numbers), references.catalog.base)
    bundle = fit(catalog, references.cache, label="era")
    assert bundle.classes == ("0", "1") and bundle.label == "era"
    assert bundle.references.n_unreadable == 8
    assert bundle.lineages == ("north", "north")
    lineage = fit(references.catalog, references.cache, label="lineage")
    assert lineage.classes == ("north", "south")


def test_prompt_hash_gives_nothing_away():
    assert prompt_hash("a cat") == prompt_hash("a cat") != prompt_hash("a dog")
    assert len(prompt_hash("ünï")) == 16 and int(prompt_hash("x"), 16) >= 0
