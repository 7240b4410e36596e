"""Labels by reviewers are learned from, and never in a test part."""

from __future__ import annotations

import numpy as np
import pytest

from _small import bare_catalog
from morelli.catalog import check_catalog, refuse_reviewed, reviewed_rows, split_catalog
from morelli.errors import CatalogError, NotEnoughDataError


def catalog_of(sources, prompts=None, **more):
    n = len(sources)
    columns = {"source": list(sources), "model": [f"m{i % 2}" for i in range(n)]}
    return bare_catalog(columns | {"prompt_id": [f"p{i}" for i in range(n)] if prompts is None else prompts} | more)


def test_whose_label_it_is():
    catalog = catalog_of(["review:Ada", "review:", "Review:Ada", "a review:", None, ""])
    assert reviewed_rows(catalog).tolist() == [True, True, False, False, False, False]
    with pytest.raises(CatalogError, match="2 of 6 images have a reviewer's label"):
        refuse_reviewed(catalog)
    refuse_reviewed(catalog_of([None, "vendor"]))


@pytest.mark.parametrize("seed", range(5))
def test_a_split_keeps_them_and_their_prompts_in_train(seed):
    sources = ["review:Ada" if i % 4 == 0 else None for i in range(40)]
    prompts = [f"p{i // 2}" for i in range(40)]
    catalog = catalog_of(sources, prompts)
    split = split_catalog(catalog, test=0.3, seed=seed)
    parts = split.assign(catalog).column("split")
    assert set(parts[reviewed_rows(catalog)]) == {"train"}
    # Image 1 has no reviewer, but the prompt of image 0.
    pinned = np.isin(catalog.column("prompt_id").astype(str), catalog.column("prompt_id")[::4].astype(str))
    assert set(parts[pinned]) == {"train"}
    assert np.count_nonzero(parts == "test") == 6  # 0.3 of the other twenty
    assert any("10 images have a reviewer's label: they and what belongs to them, 20 in all" in x for x in split.notes)


def test_a_split_without_them_is_what_it_was():
    catalog = catalog_of([None] * 30)
    assert split_catalog(catalog, test=0.3).hash == split_catalog(catalog_of(["vendor"] * 30), test=0.3).hash
    assert not any("reviewer" in note for note in split_catalog(catalog, test=0.3).notes)


def test_nothing_but_reviewed_images_cannot_be_split():
    with pytest.raises(NotEnoughDataError, match="free of labels by reviewers"):
        split_catalog(catalog_of(["review:Ada"] * 9 + [None]), test=0.3)


def test_folds_hold_them_with_a_note():
    split = split_catalog(catalog_of(["review:Ada"] * 4 + [None] * 8), folds=3)
    assert sum(split.counts().values()) == 12
    assert any("must not be judged" in note for note in split.notes)


def test_check_warns_of_them_in_a_test_split():
    facts = {"width": [64] * 4, "height": [64] * 4, "bytes": [100] * 4, "format": ["PNG"] * 4}
    catalog = catalog_of(["review:Ada", "review:Ada", None, None], split=["train", "test", "test", None], **facts)
    report = check_catalog(catalog, nuisance=False)
    assert (report.n_reviewed, report.n_reviewed_in_test) == (2, 1)
    assert report.warnings[0].startswith("1 images of the split test have a reviewer's label")
    assert report.to_dict()["n_reviewed_in_test"] == 1
    fine = check_catalog(catalog.with_column("split", ["train", "train", "test", "test"]), nuisance=False)
    assert not any("reviewer" in warning for warning in fine.warnings)
