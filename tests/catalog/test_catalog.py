from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.catalog import COLUMNS, LABEL_COLUMNS, Catalog, build_catalog
from morelli.errors import CatalogError

BOUNDS = {"int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**63}


def cells(field):
    kind = str(field.type)
    if field.name == "uri":
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if kind == "string":
        return st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if kind == "bool":
        return st.none() | st.booleans()
    if kind == "uint64":
        return st.none() | st.integers(0, 2**64 - 1)
    return st.none() | st.integers(-BOUNDS[kind], BOUNDS[kind] - 1)


ROWS = st.lists(st.fixed_dictionaries({field.name: cells(field) for field in COLUMNS}), max_size=5)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_parquet_round_trip(rows):
    catalog = Catalog(pa.Table.from_pylist(rows, schema=COLUMNS), Path("/some/where"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.parquet"
        catalog.write(path)
        again = Catalog.read(path)
        first = path.read_bytes()
        catalog.write(path)
        assert path.read_bytes() == first
    assert again.table.equals(catalog.table)
    assert again.base == catalog.base
    assert again.fingerprint == catalog.fingerprint


def test_a_folder_moves_with_its_catalog(gallery, tmp_path):
    build_catalog(gallery, tmp_path / "c.parquet")
    there = tmp_path / "elsewhere"
    there.mkdir()
    shutil.move(gallery, there / "gallery")
    shutil.move(tmp_path / "c.parquet", there / "c.parquet")
    catalog = Catalog.read(there / "c.parquet")
    assert catalog.base == there / "gallery"
    assert all(path.is_file() and path.is_absolute() for path in catalog.paths)


def test_base_can_be_given_where_only_the_images_moved(gallery, tmp_path):
    build_catalog(gallery, tmp_path / "c.parquet")
    moved = shutil.move(gallery, tmp_path / "moved images")
    assert all(path.is_file() for path in Catalog.read(tmp_path / "c.parquet", base=moved).paths)


def test_fingerprint_is_of_content_and_labels(gallery, tmp_path, table_of):
    catalog = build_catalog(gallery)
    assert catalog.take(np.arange(len(catalog))[::-1]).fingerprint == catalog.fingerprint
    shutil.copytree(gallery, tmp_path / "copy")
    assert build_catalog(tmp_path / "copy").fingerprint == catalog.fingerprint
    assert catalog.with_column("model", ["other"] * len(catalog)).fingerprint != catalog.fingerprint


def test_fingerprint_counts_foreign_columns(gallery):
    catalog = build_catalog(gallery)
    one, two = (catalog.with_column("mood", [i % k for i in range(len(catalog))]) for k in (2, 3))
    assert len({catalog.fingerprint, one.fingerprint, two.fingerprint}) == 3
    assert one.take(list(range(len(one)))[::-1]).fingerprint == one.fingerprint


def test_column_types(table_of):
    catalog = table_of(3, model=["b", None, "a"], jpeg_quality=[90, None, 80], phash=[1, None, 2**64 - 1])
    assert catalog.column("model").tolist() == ["b", None, "a"]
    assert np.isnan(catalog.column("jpeg_quality")[1])
    assert catalog.column("phash").dtype == np.uint64
    assert catalog.column("phash").tolist() == [1, 0, 2**64 - 1]
    assert catalog.column("width").dtype == np.int32
    codes, values = catalog.codes("model")
    assert codes.tolist() == [1, -1, 0]
    assert values == ["a", "b"]


def test_choosing_rows(table_of):
    catalog = table_of(4, model=["a", "b", None, "a"], width=[1, 2, 3, 4])
    assert catalog.select(model="a").column("width").tolist() == [1, 4]
    assert catalog.select(model=["b", None]).column("width").tolist() == [2, 3]
    assert catalog.select(model="a", width=4).column("uri").tolist() == ["3.png"]
    assert len(catalog.select(model="nobody")) == 0
    assert catalog.take([3, 0]).column("width").tolist() == [4, 1]
    assert catalog.filter(catalog.column("width") > 2).column("width").tolist() == [3, 4]
    with pytest.raises(CatalogError, match="no column 'modle'"):
        catalog.select(modle="a")
    with pytest.raises(CatalogError, match="4 booleans"):
        catalog.filter(np.array([0, 1]))
    with pytest.raises(CatalogError, match="between 0 and 3"):
        catalog.take([4])
    with pytest.raises(CatalogError, match="does not fit"):
        catalog.select(width="wide")


def test_concat_finds_a_common_base(gallery, tmp_path, save):
    save(tmp_path / "more" / "model9" / "a b.png", 99)
    first, second = build_catalog(gallery), build_catalog(tmp_path / "more")
    both = Catalog.concat([first, second])
    assert both.base == tmp_path
    assert both.paths == first.paths + second.paths
    assert Catalog.concat([first, first]).base == first.base
    with pytest.raises(CatalogError, match="no catalog"):
        Catalog.concat([])


def test_foreign_columns_are_kept_and_labels_may_lack(table_of, tmp_path):
    catalog = table_of(2, model=["a", "b"]).with_column("guidance", ["3.5", "7"])
    catalog.write(tmp_path / "c.parquet")
    again = Catalog.read(tmp_path / "c.parquet")
    assert again.column("guidance").tolist() == ["3.5", "7"]
    bare = Catalog(again.table.drop_columns([name for name in LABEL_COLUMNS if name != "model"]), tmp_path)
    assert bare.table.column_names[: len(COLUMNS)] == COLUMNS.names
    assert bare.column("prompt_id").tolist() == [None, None]


def test_files_that_are_no_catalog(tmp_path):
    with pytest.raises(CatalogError, match="There is no catalog"):
        Catalog.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(CatalogError, match="cannot be read as Parquet"):
        Catalog.read(tmp_path / "text.parquet")
    pq.write_table(pa.table({"path": ["a.png"]}), tmp_path / "other.parquet")
    with pytest.raises(CatalogError, match="morelli catalog build"):
        Catalog.read(tmp_path / "other.parquet")
    newer = pa.table({"a": [1]}).replace_schema_metadata({b"morelli.catalog": b'{"version": 99, "base": "."}'})
    pq.write_table(newer, tmp_path / "newer.parquet")
    with pytest.raises(CatalogError, match="newer Morelli"):
        Catalog.read(tmp_path / "newer.parquet")
    odd = pa.table({"a": [1]}).replace_schema_metadata({b"morelli.catalog": b"[]"})
    pq.write_table(odd, tmp_path / "odd.parquet")
    with pytest.raises(CatalogError, match="metadata"):
        Catalog.read(tmp_path / "odd.parquet")


def test_a_catalog_that_cannot_be_written_says_so(table_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be written"):
        table_of(1).write(tmp_path / "file" / "c.parquet")


def test_repr_counts(table_of):
    assert repr(table_of(2, model=["a", "b"], error=[None, "x"])) == "Catalog(2 images, 2 models, 1 unreadable)"
