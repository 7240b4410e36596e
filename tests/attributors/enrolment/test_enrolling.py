from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from morelli.attributors import Bundle, fit_bundle
from morelli.attributors.enrolment import enrol, views_of
from morelli.attributors.fitting import prompt_hash
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, extract
from morelli.errors import MorelliError, NotEnoughDataError

from ._painted import ENCODER, OLD, paint, painted

extracting = importlib.import_module("morelli.encoders.extract")  # the package has a function of that name

PROMPTS = range(8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("enrolment")


@pytest.fixture(scope="module")
def cache(folder) -> FeatureCache:
    return FeatureCache(folder / "features.sqlite")


@pytest.fixture(scope="module")
def references(folder) -> Catalog:
    return painted(folder / "old", OLD, PROMPTS)


@pytest.fixture(scope="module")
def old(references, cache) -> Bundle:
    return fit_bundle(references, name="six", encoder=ENCODER, cache=cache, workers=1)


@pytest.fixture(scope="module")
def newcomer(folder) -> Catalog:
    return painted(folder / "new", ("dot",), PROMPTS, version="2", lineage="dots")


@pytest.fixture(scope="module")
def unseen(folder) -> Catalog:
    return painted(folder / "unseen", (*OLD, "dot"), range(20, 26))


@pytest.fixture(scope="module")
def enrolled(old, newcomer, cache) -> Bundle:
    return enrol(old, newcomer, cache=cache, workers=1)[0]


def right(bundle: Bundle, catalog: Catalog, cache: FeatureCache) -> float:
    X = extract(catalog, bundle.encoder, cache=cache, workers=1).X
    return float((bundle.attributor.predict(X) == catalog.text("model").astype(str)).mean())


# --- a new candidate ----------------------------------------------------------------------------------------------


def test_a_bundle_with_one_candidate_more(old, enrolled, newcomer, unseen, cache):
    assert enrolled.classes == ("ada", "bob", "cyd", "dot", "eva", "fay", "gus")
    assert enrolled.lineages == (None, None, None, "dots", None, None, None)
    assert enrolled.references.image_ids == old.references.image_ids | set(newcomer.column("image_id"))
    assert enrolled.references.prompt_hashes == old.references.prompt_hashes
    assert enrolled.references.fingerprint != old.references.fingerprint
    assert enrolled.attributor.training_.n_images == dict.fromkeys(enrolled.classes, 8)
    assert enrolled.attributor.training_.n_groups == old.attributor.training_.n_groups == 8
    assert enrolled.class_versions == ({}, {}, {}, {"2": 8}, {}, {}, {})
    assert enrolled.id != old.id and (enrolled.name, enrolled.version) == ("six", "1")
    assert right(enrolled, unseen, cache) > 0.75


def test_the_old_bundle_is_left_alone(references, newcomer, cache, tmp_path, folder, old):
    before = old.save(tmp_path / "before").read_bytes()
    for options in ({}, {"references": references}):
        enrol(old, newcomer, cache=cache, workers=1, **options)
    more = painted(folder / "more", ("ada",), range(30, 34))
    enrol(old, more, mode="add", cache=cache, workers=1)
    enrol(old, more, mode="replace", cache=cache, workers=1)
    assert replace(old).save(tmp_path / "after").read_bytes() == before


def test_the_note_says_what_is_known_and_what_is_not(old, enrolled):
    (note,) = enrolled.notes[len(old.notes) :]
    assert note.startswith("dot was enrolled: 8 images of 8 prompts. Its bias was chosen so that ")
    assert "of 100 of these are named right, each judged without its prompt. Nothing else was fitted anew" in note
    assert note.endswith("what images of others it claims was not seen.")


def test_what_is_saved_answers_the_same(enrolled, unseen, cache, tmp_path):
    again = Bundle.load(enrolled.save(tmp_path / "b.morelli"))
    assert again.id == enrolled.id and again.describe() == enrolled.describe()
    X = extract(unseen, again.encoder, cache=cache, workers=1).X
    first, second = enrolled.attributor.answer(X), again.attributor.answer(X)
    np.testing.assert_array_equal(first.proba, second.proba)
    np.testing.assert_array_equal(first.open_set_p, second.open_set_p)
    np.testing.assert_array_equal(first.prediction_set, second.prediction_set)


def test_a_loaded_bundle_enrols_the_same(old, enrolled, newcomer, cache, tmp_path):
    loaded = Bundle.load(old.save(tmp_path / "old.morelli"))
    assert enrol(loaded, newcomer, cache=cache, workers=1)[0].id == enrolled.id


def test_no_image_of_the_others_is_read(old, newcomer, cache, monkeypatch):
    monkeypatch.setattr(extracting, "read_image", lambda *_, **__: pytest.fail("an image was read"))
    enrol(old, newcomer, cache=cache, workers=1)


def test_another_name_and_version(old, newcomer, cache):
    made, _ = enrol(old, newcomer, cache=cache, workers=1, name="seven", version="b")
    assert (made.name, made.version) == ("seven", "b")


def test_several_at_once(old, enrolled, folder, cache, newcomer, unseen):
    two = painted(folder / "two", ("dot", "hal"), PROMPTS)
    made, facts = enrol(old, two, cache=cache, workers=1)
    assert list(facts) == ["dot", "hal"] and made.classes[-1] == "hal" and len(made.classes) == 8
    one_by_one = enrolled
    hal = two.filter(two.text("model") == "hal")
    one_by_one, _ = enrol(one_by_one, hal, cache=cache, workers=1)
    X = extract(unseen, old.encoder, cache=cache, workers=1).X
    np.testing.assert_allclose(
        made.attributor.predict_proba(X), one_by_one.attributor.predict_proba(X), rtol=1e-6, atol=1e-9
    )


def test_prompts_that_are_new_are_counted_once(old, folder, cache):
    two = painted(folder / "two more", ("dot", "hal"), range(6, 12))
    made, _ = enrol(old, two, cache=cache, workers=1)
    assert made.attributor.training_.n_groups == len(made.references.prompt_hashes) == 12
    assert prompt_hash("p11") in made.references.prompt_hashes


# --- all discriminants anew ---------------------------------------------------------------------------------------


def test_with_the_references_at_hand(old, references, newcomer, unseen, cache):
    made, facts = enrol(old, newcomer, references=references, cache=cache, workers=1)
    assert facts["dot"].bias == 0  # as many references as the others
    assert "Discriminants were fitted anew, weights and calibration were not" in made.notes[-1]
    whole = fit_bundle(Catalog.concat([references, newcomer]), encoder=ENCODER, cache=cache, workers=1)
    for name, one in whole.attributor.home.discriminants_.items():
        X = np.random.default_rng(0).normal(size=(9, len(one.centre)))
        again = made.attributor.home.discriminants_[name].log_likelihood(X)
        np.testing.assert_allclose(again, one.log_likelihood(X), rtol=1e-6, atol=1e-6 * np.abs(again).max())
    assert right(made, unseen, cache) > right(whole, unseen, cache) - 0.1


def test_references_may_be_among_others(old, references, newcomer, cache):
    both = Catalog.concat([references, newcomer])
    first, _ = enrol(old, newcomer, references=references, cache=cache, workers=1)
    assert enrol(old, newcomer, references=both, cache=cache, workers=1)[0].id == first.id


def test_several_with_the_references_at_hand(old, references, folder, cache):
    two = painted(folder / "two", ("dot", "hal"), PROMPTS)
    made, _ = enrol(old, two, references=references, cache=cache, workers=1)
    for one in made.attributor.home.discriminants_.values():
        assert one.means.shape == (8, 7)


@pytest.mark.parametrize("change", ["fewer", "other", "renamed", "strangers"])
def test_references_that_are_not_the_bundles(old, references, newcomer, unseen, cache, change):
    labels = references.text("model").astype(object)
    given = {
        "fewer": references.filter(np.arange(len(references)) != 3),
        "other": unseen,
        "renamed": references.with_column("model", np.where(labels == "ada", "adam", labels).tolist()),
        "strangers": references.with_column("model", np.where(np.arange(len(labels)) == 0, "bob", labels).tolist()),
    }[change]
    with pytest.raises(MorelliError, match="are not those that this bundle has learned from: ada"):
        enrol(old, newcomer, references=given, cache=cache, workers=1)


def test_references_that_went_away(old, references, newcomer, folder, tmp_path):
    moved = Catalog(references.table, tmp_path)
    with pytest.raises(MorelliError, match="48 references of this bundle can no longer be measured"):
        enrol(old, newcomer, references=moved, workers=1)


def test_a_prompt_that_is_held_out_is_held_out_of_the_others_too(old, references, newcomer, cache, monkeypatch):
    from morelli.attributors._references import References

    asked = []
    fit = References.discriminants

    def spy(self, rows, *more):
        asked.append(np.asarray(rows))
        return fit(self, rows, *more)

    monkeypatch.setattr(References, "discriminants", spy)
    enrol(old, newcomer, references=references, cache=cache, workers=1)
    prompts = np.concatenate([references.text("prompt_id"), newcomer.text("prompt_id")])
    assert len(asked) == 6 and len(asked[-1]) == len(prompts)
    for rows in asked[:-1]:
        left_out = set(prompts) - set(prompts[rows])
        assert left_out and len(rows) == sum(prompt not in left_out for prompt in prompts)


def test_references_without_the_replaced_ones(old, references, folder, cache, newcomer):
    """After a replacement the old images of a candidate are no references any more, and may be away."""
    version_2 = painted(folder / "ada 2", ("ada",), PROMPTS, seed=5)
    made, _ = enrol(old, version_2, mode="replace", references=references, cache=cache, workers=1)
    left = references.filter(references.text("model") != "ada")
    enrol(made, newcomer, references=Catalog.concat([left, version_2]), cache=cache, workers=1)
    with pytest.raises(MorelliError, match=r"ada \(16 instead of 8\)"):
        enrol(made, newcomer, references=Catalog.concat([references, version_2]), cache=cache, workers=1)


# --- more, and others ---------------------------------------------------------------------------------------------


def test_more_references(old, folder, cache):
    more = painted(folder / "more", ("ada",), range(30, 34), version="1.1")
    made, facts = enrol(old, more, mode="add", cache=cache, workers=1)
    assert made.classes == old.classes and facts["ada"].leak_free
    assert made.attributor.training_.n_images["ada"] == 12
    assert made.versions_of("ada") == {"1.1": 4} and made.versions_of("bob") == {}
    assert "ada got more references: 4 images of 4 prompts. " in made.notes[-1]
    assert "Its bias was chosen" not in made.notes[-1]
    twice, _ = enrol(made, painted(folder / "yet", ("ada",), range(40, 42), version="1.1"), mode="add", cache=cache)
    assert twice.versions_of("ada") == {"1.1": 6}


def test_more_references_of_prompts_that_it_has_seen_are_judged_too_well(old, folder, cache, references):
    more = painted(folder / "again", ("ada",), range(4), seed=3)
    made, facts = enrol(old, more, mode="add", cache=cache, workers=1)
    assert not facts["ada"].leak_free and "may have seen their prompts, so that this is too good" in made.notes[-1]
    _, facts = enrol(old, more, mode="add", references=references, cache=cache, workers=1)
    assert facts["ada"].leak_free  # there they are held out


def test_another_version(old, enrolled, folder, cache):
    version_3 = painted(folder / "dot 3", ("dot",), range(30, 36), version="3")
    made, _ = enrol(enrolled, version_3, mode="replace", cache=cache, workers=1)
    assert made.versions_of("dot") == {"3": 6}
    assert made.attributor.training_.n_images["dot"] == 6
    assert made.references.image_ids > enrolled.references.image_ids  # it has still seen the old ones
    assert made.lineages == enrolled.lineages  # nobody named another
    assert "dot got other references: 6 images" in made.notes[-1]


# --- what is refused ----------------------------------------------------------------------------------------------


def test_who_is_there_already(old, folder, cache, newcomer):
    with pytest.raises(MorelliError, match="ada: a candidate of this bundle already"):
        enrol(old, painted(folder / "more", ("ada", "dot"), range(30, 34)), cache=cache, workers=1)
    for mode in ("add", "replace"):
        with pytest.raises(MorelliError, match=f"dot: no candidate of this bundle, so that there is nothing to {mode}"):
            enrol(old, newcomer, mode=mode, cache=cache, workers=1)
    with pytest.raises(MorelliError, match="enrolled as new, add, replace, not 'more'"):
        enrol(old, newcomer, mode="more", cache=cache, workers=1)


def test_images_that_are_references_already(old, references, newcomer, cache):
    stolen = references.filter(references.text("model") == "ada").with_column("model", ["dot"] * 8)
    with pytest.raises(MorelliError, match="8 of 16 images are references of this bundle already"):
        enrol(old, Catalog.concat([newcomer, stolen]), cache=cache, workers=1)


def test_files_that_are_given_twice(old, newcomer, cache, enrolled):
    twice = Catalog.concat([newcomer, newcomer])
    made, facts = enrol(old, twice, cache=cache, workers=1)
    assert facts["dot"].n_images == 8 and made.references.image_ids == enrolled.references.image_ids
    assert "8 files were given more than once, and count once." in made.notes
    assert not any("could not be enrolled" in note for note in made.notes)
    two_names = Catalog.concat([newcomer, newcomer.with_column("model", ["pip"] * 8)])
    with pytest.raises(MorelliError, match="8 images stand for two models"):
        enrol(old, two_names, cache=cache, workers=1)


def test_too_few(old, newcomer, cache):
    with pytest.raises(NotEnoughDataError, match="dot: 2 references can be used, and 3 are needed"):
        enrol(old, newcomer.filter(np.arange(8) < 2), cache=cache, workers=1)
    with pytest.raises(NotEnoughDataError, match="None of the 8 images can be enrolled"):
        enrol(old, newcomer.with_column("model", [None] * 8), cache=cache, workers=1)
    with pytest.raises(NotEnoughDataError, match="None of the 0 images can be enrolled"):
        enrol(old, newcomer.filter(np.zeros(8, dtype=bool)), cache=cache, workers=1)


def test_files_that_cannot_be_read(old, newcomer, cache, tmp_path):
    (tmp_path / "dot").mkdir()
    (tmp_path / "dot" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    broken = build_catalog(tmp_path, workers=1)
    made, facts = enrol(old, Catalog.concat([newcomer, broken]), cache=cache, workers=1)
    assert facts["dot"].n_images == 8 and made.references.n_unreadable == 1
    assert "1 of 9 images could not be enrolled." in made.notes
    with pytest.raises(NotEnoughDataError, match="None of the 1 images can be enrolled"):
        enrol(old, broken, cache=cache, workers=1)


def test_a_model_whose_files_all_went_away(old, newcomer, folder, cache):
    gone = painted(folder / "gone", ("pip",), range(50, 54))
    for path in gone.paths:
        path.unlink()
    with pytest.raises(NotEnoughDataError, match="pip: 0 references can be used"):
        enrol(old, Catalog.concat([newcomer, gone]), cache=cache, workers=1)


# --- prompts ------------------------------------------------------------------------------------------------------


def test_references_of_one_prompt(old, newcomer, cache, tmp_path):
    one = newcomer.with_column("prompt_id", ["same"] * 8)
    made, facts = enrol(old, one, cache=cache, workers=1)
    assert facts["dot"].n_prompts == 1 and not facts["dot"].leak_free
    assert "dot was enrolled: 8 images of 1 prompt. " in made.notes[-1] and "too good" in made.notes[-1]
    assert Bundle.load(made.save(tmp_path / "one.morelli")).id == made.id


def test_references_without_prompts(old, newcomer, cache):
    """As from a group of unknown images that a person has named."""
    nameless = newcomer.with_column("prompt_id", [None] * 8)
    made, facts = enrol(old, nameless, cache=cache, workers=1)
    assert facts["dot"].n_images == 8 and made.references.prompt_hashes == old.references.prompt_hashes
    assert "8 images whose prompts are not all known" in made.notes[-1]


# --- several views ------------------------------------------------------------------------------------------------


def test_views_of():
    assert views_of("none") == ["none"] and views_of("scale:0.5|jpeg:85") == ["scale:0.5|jpeg:85"]
    assert views_of("shrunk") == [f"shrunk:{n}" for n in range(1, 5)]
    assert views_of("scale:0.5|resaved") == [f"scale:0.5|resaved:{n}" for n in range(1, 5)]
    with pytest.raises(MorelliError):
        views_of("no such view")


def test_a_bundle_that_knows_several_views(references, newcomer, unseen, cache, tmp_path):
    views = ("none", "blur:2", *(f"resaved:{n}" for n in range(1, 5)))
    kept = references.filter(np.isin(references.text("model"), OLD[:4]))
    several = fit_bundle(kept, encoder=ENCODER, views=views, cache=cache, workers=1)
    assert list(several.attributor.experts_) == ["none", "blur:2", "resaved"]
    assert hasattr(several.attributor, "pool_")
    for options in ({}, {"references": references}):
        made, facts = enrol(several, newcomer, cache=cache, workers=1, **options)
        assert facts["dot"].n_images == 8
        for expert in made.attributor.experts_.values():
            assert expert.classes_.tolist() == ["ada", "bob", "cyd", "dot", "eva"]
            assert expert.training_.n_images["dot"] == 8
        assert len(made.attributor.experts_["resaved"].rehearsal_.codes) == 5 * 8 * 4
        again = Bundle.load(made.save(tmp_path / "several.morelli"))
        shown = unseen.filter(np.isin(unseen.text("model"), made.classes))
        X = np.concatenate(
            [extract(shown, made.encoder, view=v, cache=cache, workers=1).X for v in ("none", "jpeg:30")]
        )
        first, second = made.attributor.answer(X), again.attributor.answer(X)
        np.testing.assert_array_equal(first.proba, second.proba)
        assert first.prediction_set.shape == (2 * len(shown), 5)
        named = made.attributor.predict(X[: len(shown)]) == shown.text("model").astype(str)
        assert named.mean() > 0.7


def test_who_resembles_no_view_can_be_named_too(references, newcomer, cache):
    views = ("none", *(f"resaved:{n}" for n in range(1, 5)))
    several = fit_bundle(
        references, encoder=ENCODER, views=views, cache=cache, workers=1, set_per_class=True, level=0.7
    )
    made, _ = enrol(several, newcomer, cache=cache, workers=1)
    pool, before = made.attributor.pool_, several.attributor.pool_
    place = made.classes.index("dot")
    assert pool.conformal.thresholds[place] == before.conformal.threshold
    assert place in pool.conformal.fallback_classes
    np.testing.assert_array_equal(np.delete(pool.conformal.thresholds, place), before.conformal.thresholds)
    X = extract(newcomer, made.encoder, view="none", cache=cache, workers=1).X
    pooled = made.attributor._pooled(X.astype(np.float64))
    assert (pooled.proba.argmax(axis=1) == place).mean() > 0.5


def test_painted_hands_differ():
    assert np.abs(paint("dot", 0).astype(int) - paint("ada", 0)).mean() > 2
