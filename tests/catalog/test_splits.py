from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.catalog import Split, cluster_ids, group_catalog, group_ids, split_catalog
from morelli.catalog.folds import deal_groups
from morelli.errors import CatalogError, NotEnoughDataError

from .conftest import make_catalog

WORDS = st.none() | st.sampled_from([f"p{number}" for number in range(12)])


@pytest.fixture
def grid(table_of):
    """Four models x ten prompts."""
    return table_of(40, model=[f"m{row % 4}" for row in range(40)], prompt_id=[f"p{row // 4}" for row in range(40)])


# -- groups ------------------------------------------------------------------------------------------------------------


def test_groups_join_prompts_and_near_duplicates(table_of):
    catalog = table_of(
        6, prompt_id=["a", "a", "b", "c", None, None], phash=[7, 2**40 - 1, 31 << 58, 3, 2**20 - 1, 15 << 59]
    )
    groups = group_catalog(catalog)
    # row 3 is near row 0; row 5 near row 2; row 4 is alone
    assert groups.ids.tolist() == [0, 0, 1, 0, 2, 1]
    assert groups.n_groups == 3
    assert not groups.leak_free
    assert groups.note.startswith("2 of 6 images have no prompt")
    assert group_ids(catalog).tolist() == groups.ids.tolist()


def test_prompt_text_stands_in_for_a_missing_prompt_id(table_of):
    texts = ["A  cat", "a cat ", "dog", "dog", None]
    groups = group_catalog(table_of(5, prompt=texts, prompt_id=[None, "1", "2", "3", "1"]))
    # the text "dog" joins nothing: both rows have a prompt_id
    assert groups.ids.tolist() == [0, 0, 1, 2, 0]
    assert groups.leak_free


def test_no_prompt_at_all(table_of):
    groups = group_catalog(table_of(3))
    assert groups.ids.tolist() == [0, 1, 2]
    assert groups.note.startswith("No prompt is known")


# -- dealing -----------------------------------------------------------------------------------------------------------


def imbalance(classes, folds, n_folds):
    counts = np.zeros((n_folds, classes.max() + 1))
    np.add.at(counts, (folds, classes), 1)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    return float(np.abs(share - 1 / n_folds).mean())


def test_dealing_is_as_even_as_scikit_learn():
    from sklearn.model_selection import StratifiedGroupKFold

    ours, theirs = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 40, 400)
        classes = (groups + rng.integers(0, 3, 400) * rng.integers(0, 5, 400)) % 7
        ours.append(imbalance(classes, deal_groups(groups, classes, np.full(5, 0.2), seed), 5))
        parts = np.zeros(400, dtype=int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for number, (_, test) in enumerate(splitter.split(groups, classes, groups)):
            parts[test] = number
        theirs.append(imbalance(classes, parts, 5))
    assert np.mean(ours) <= np.mean(theirs) * 1.02


def test_singletons_are_dealt_exactly():
    classes = np.repeat(np.arange(3), 100)
    parts = deal_groups(np.arange(300), classes, np.array([0.7, 0.3]), seed=1)
    for label in range(3):
        assert np.bincount(parts[classes == label]).tolist() == [70, 30]


# -- splitting ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.sampled_from("xyz"), st.integers(0, 9)), min_size=8, max_size=40), st.integers(0, 99)
)
def test_no_prompt_and_no_cluster_is_on_two_sides(rows, seed):
    prompts, models, pictures = zip(*rows, strict=True)
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**63, len(rows), dtype=np.uint64)
    for row, picture in enumerate(pictures):
        if picture == 0:  # some pictures are near-copies of the first row's
            hashes[row] = hashes[0] ^ np.uint64(0b101 << (row % 60))
    catalog = make_catalog(len(rows), prompt_id=prompts, model=models, phash=hashes)
    clusters = cluster_ids(catalog)
    for arguments in ({"test": 0.3}, {"folds": 3}):
        try:
            split = split_catalog(catalog, seed=seed, **arguments)
        except NotEnoughDataError:
            assert group_catalog(catalog).n_groups < 3
            continue
        parts = split.folds(catalog)
        assert set(parts.tolist()) == set(range(len(split.names)))
        for keys in (catalog.codes("prompt_id")[0], clusters):
            for key in set(keys.tolist()) - {-1}:
                assert len(set(parts[keys == key].tolist())) == 1
        assert split.leak_free == (None not in prompts)


def test_balanced_by_class(grid):
    split = split_catalog(grid, folds=5)
    assert split.names == ("fold0", "fold1", "fold2", "fold3", "fold4")
    assert split.counts() == dict.fromkeys(split.names, 8)
    parts, models = split.folds(grid), grid.codes("model")[0]
    assert all(np.bincount(parts[models == model]).tolist() == [2] * 5 for model in range(4))
    assert split_catalog(grid, test=0.2).counts() == {"train": 32, "test": 8}
    assert split.notes == ("No prompt and no near-duplicate stands in two groups.",)


def test_seed_decides(grid):
    assert split_catalog(grid, test=0.3, seed=4).hash == split_catalog(grid, test=0.3, seed=4).hash
    assert split_catalog(grid, test=0.3, seed=4).hash != split_catalog(grid, test=0.3, seed=5).hash


def test_row_order_does_not_change_the_parts(grid):
    split = split_catalog(grid, test=0.3)
    turned = grid.take(np.arange(40)[::-1])
    assert split.assign(turned).take(np.arange(40)[::-1]).table.equals(split.assign(grid).table)


def test_bad_arguments(grid):
    for arguments in ({}, {"test": 0.2, "folds": 2}):
        with pytest.raises(CatalogError, match="either"):
            split_catalog(grid, **arguments)
    with pytest.raises(CatalogError, match="between 0 and 1"):
        split_catalog(grid, test=1.0)
    with pytest.raises(CatalogError, match="at least 2"):
        split_catalog(grid, folds=1)
    with pytest.raises(CatalogError, match="no column 'maker'"):
        split_catalog(grid, folds=2, label="maker")


def test_one_giant_group_says_why(table_of):
    with pytest.raises(NotEnoughDataError, match=r"make one group: they have 1 different prompts"):
        split_catalog(table_of(6, prompt_id=["p"] * 6), test=0.5)
    with pytest.raises(
        NotEnoughDataError, match=r"near-duplicates tie their 6 prompts together.*6 images of 6 prompts"
    ):
        split_catalog(table_of(6, prompt_id=list("abcdef"), phash=[12345] * 6), test=0.5)
    with pytest.raises(NotEnoughDataError, match=r"5 parts need.*make 2 groups"):
        split_catalog(table_of(6, prompt_id=list("aaabbb")), folds=5)
    with pytest.raises(NotEnoughDataError, match="no readable image"):
        split_catalog(table_of(2, error=["e", "e"]), folds=2)


def test_a_class_that_is_missing_from_a_part_is_named(table_of):
    catalog = table_of(12, prompt_id=[f"p{row % 6}" for row in range(12)], model=[f"m{row % 6}" for row in range(12)])
    notes = split_catalog(catalog, test=0.3).notes
    assert any("test has no image of" in note for note in notes)
    assert any("train has no image of" in note for note in notes)


def test_equal_files_are_one_entry(table_of):
    catalog = table_of(
        4, image_id=["x", "x", "y", "z"], phash=[9, 9, 2**30 - 1, 2**60 - 1], prompt_id=["a", "b", "c", "d"]
    )
    split = split_catalog(catalog, folds=2)
    assert split.image_id == ("x", "y", "z")
    assert len(split.folds(catalog)) == 4


def test_assign(grid, table_of):
    split = split_catalog(grid, test=0.3)
    named = split.assign(grid)
    assert set(named.column("split")) == {"train", "test"}
    broken = grid.with_column("error", ["e"] + [None] * 39)
    assert split.assign(broken).column("split")[0] is None
    assert split.folds(broken)[0] == -1
    assert len(split.folds(grid.take([3, 4]))) == 2
    with pytest.raises(CatalogError, match="1 of 41 images are not in the split"):
        split.assign(table_of(41))


# -- saving ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_save_and_read(grid, tmp_path, suffix):
    split = split_catalog(grid, test=0.3, seed=3)
    path = tmp_path / f"s{suffix}"
    split.write(path)
    again = Split.read(path)
    assert again.hash == split.hash
    assert (again.names, again.label, again.seed, again.notes) == (split.names, split.label, split.seed, split.notes)
    np.testing.assert_array_equal(again.folds(grid), split.folds(grid))
    first = path.read_bytes()
    again.write(path)
    assert path.read_bytes() == first


def test_tampering_is_noticed(grid, tmp_path):
    path = tmp_path / "s.json"
    split_catalog(grid, test=0.3).write(path)
    content = json.loads(path.read_text())
    content["rows"][0][2] = 1 - content["rows"][0][2]
    path.write_text(json.dumps(content))
    with pytest.raises(CatalogError, match="does not match its hash"):
        Split.read(path)
    split_catalog(grid, test=0.3).write(path)
    path.write_text(path.read_text().replace('"leak_free": true', '"leak_free": false'))
    with pytest.raises(CatalogError, match="does not match its hash"):
        Split.read(path)


def test_files_that_are_no_split(grid, tmp_path):
    with pytest.raises(CatalogError, match="no split at"):
        Split.read(tmp_path / "none.json")
    for name, content in (("a.json", "[]"), ("b.json", "{"), ("c.json", "{}"), ("d.parquet", "x")):
        (tmp_path / name).write_text(content)
        with pytest.raises(CatalogError, match="not a split"):
            Split.read(tmp_path / name)
    pq.write_table(grid.table, tmp_path / "e.parquet")
    with pytest.raises(CatalogError, match="not a split"):
        Split.read(tmp_path / "e.parquet")
    with pytest.raises(CatalogError, match=r"saved as .json or .parquet"):
        split_catalog(grid, folds=2).write(tmp_path / "s.csv")
