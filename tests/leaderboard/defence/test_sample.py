from __future__ import annotations

import numpy as np
import pytest

from _small import bare_catalog
from morelli.errors import CatalogError, MorelliError, NotEnoughDataError
from morelli.leaderboard.defence import deal_images


def of_counts(counts: dict[tuple[str, str], int], **more: list[object]):
    keys = [key for key, count in counts.items() for _ in range(count)]
    return bare_catalog({"prompt_id": [p for p, _ in keys], "model": [m for _, m in keys], **more})


FULL = {(p, m): 6 for p in "pqrs" for m in ("a", "b", "ç")}


def test_roles_are_disjoint_and_complete():
    catalog = of_counts(FULL)
    sample = deal_images(catalog, prompts=3, references=2, shown=1, spare=2, draws=4, seed=1)
    assert len(sample.prompts) == 3 and sample.models == ("a", "b", "ç")
    for draw in range(4):
        parts = [sample.references[draw], sample.shown[draw], sample.spare[draw]]
        assert [len(part) for part in parts] == [18, 9, 18]
        assert len(np.unique(np.concatenate(parts))) == 45
        for part, each in zip(parts, (2, 1, 2), strict=True):
            cells = sample.prompt[part] * 3 + sample.model[part]
            assert np.bincount(cells).tolist() == [each] * 9
    assert not np.array_equal(sample.shown[0], sample.shown[1])
    names = np.array(sample.models)[sample.model[sample.rows]]
    assert names.tolist() == catalog.text("model")[sample.rows].tolist()


def test_the_same_seed_deals_the_same_images():
    catalog = of_counts(FULL)
    one, two, other = (deal_images(catalog, prompts=2, seed=seed) for seed in (3, 3, 4))
    assert one.prompts == two.prompts and np.array_equal(one.references[0], two.references[0])
    assert one.prompts != other.prompts or not np.array_equal(one.references[0], other.references[0])


def test_small_cells_have_fewer_references_and_always_something_to_judge():
    catalog = of_counts({("p", "a"): 9, ("p", "b"): 2, ("p", "c"): 1, ("q", "a"): 3, ("q", "b"): 4})
    sample = deal_images(catalog, prompts=None, references=5, shown=2, spare=1)
    cells = [sample.prompt[part] * 2 + sample.model[part] for part in (*sample.references, *sample.shown)]
    assert [np.bincount(of, minlength=4).tolist() for of in cells] == [[5, 1, 1, 1], [2, 1, 2, 2]]
    assert any("single image" in note for note in sample.notes)
    assert any("not 5 references everywhere" in note for note in sample.notes)
    assert (sample.model[catalog.text("model") == "c"] == -1).all()


def test_prompts_with_the_most_models_come_first():
    counts = {(p, m): 2 for p in "pqrstu" for m in "ab"} | {("z", m): 2 for m in "abc"}
    assert all("z" in deal_images(of_counts(counts), prompts=2, seed=seed).prompts for seed in range(5))


def test_a_file_is_never_its_own_reference():
    counts = {(p, m): 3 for p in "p" for m in "ab"}
    catalog = of_counts(counts, image_id=["x", "x", "y", "u", "v", "w"])
    sample = deal_images(catalog, references=5)
    assert len(sample.rows) == 5 and any("repeat a file" in note for note in sample.notes)


def test_unusable_rows_are_counted():
    catalog = of_counts(FULL, error=["broken", *[None] * 71])
    sample = deal_images(catalog)
    assert 0 not in sample.rows and any(note.startswith("1 of 72 images cannot be read") for note in sample.notes)


def test_bad_arguments():
    with pytest.raises(NotEnoughDataError, match="two images of two models"):
        deal_images(of_counts({("p", "a"): 5, ("p", "b"): 1}))
    with pytest.raises(CatalogError):
        deal_images(of_counts(FULL), label="nothing")
    for wrong in ({"references": 0}, {"shown": 0}, {"draws": 0}, {"prompts": 0}, {"spare": -1}):
        with pytest.raises(MorelliError, match="start at 1"):
            deal_images(of_counts(FULL), **wrong)
