from __future__ import annotations

import pytest

from _small import bare_catalog
from morelli.catalog import Catalog, join_columns
from morelli.errors import CatalogError


@pytest.fixture
def catalog() -> Catalog:
    return bare_catalog(
        {
            "model": ["a", "a", "b", "b"],
            "prompt_id": ["p", "q", "p", None],
            "domain": ["people", "animals", None, "people"],
            "steps": [10, 20, 10, None],
        }
    )


def joined(catalog: Catalog, tmp_path, text: str | bytes) -> Catalog:
    path = tmp_path / "more é columns.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return join_columns(catalog, path)


def test_a_new_column(catalog, tmp_path):
    more = joined(catalog, tmp_path, 'prompt_id,language,note\np,"en, us",ü\nz,de,nobody\n')
    assert more.text("language").tolist() == ["en, us", None, "en, us", None]
    assert more.text("note").tolist() == ["ü", None, "ü", None]
    for name in catalog.table.column_names:
        if name not in ("language", "note"):
            assert more.table[name].equals(catalog.table[name])


@pytest.mark.parametrize(
    ("key", "rows", "expected"),
    [
        ("model", "b,x\n", [None, None, "x", "x"]),
        ("uri", "2.png,x\n", [None, None, "x", None]),
        ("image_id", f"{3:064x},x\n", [None, None, None, "x"]),
        ("prompt_id", "p,x\nq,y\n", ["x", "y", "x", None]),
    ],
)
def test_keys(catalog, tmp_path, key, rows, expected):
    assert joined(catalog, tmp_path, f"{key},era\n{rows}").text("era").tolist() == expected


def test_values_replace_those_that_are_there(catalog, tmp_path):
    """Rows that the file does not name keep theirs; an empty value is null."""
    more = joined(catalog, tmp_path, "prompt_id,domain,steps\np,plants,\n")
    assert more.text("domain").tolist() == ["plants", "animals", "plants", "people"]
    assert more.text("steps").tolist() == [None, "20", None, None]


def test_a_mark_of_bytes_and_blank_lines(catalog, tmp_path):
    more = joined(catalog, tmp_path, b"\xef\xbb\xbfmodel,era\r\n\r\na,old\r\n\r\n")
    assert more.text("era").tolist() == ["old", "old", None, None]


def test_an_empty_column_can_be_looked_at(catalog, tmp_path):
    more = joined(catalog, tmp_path, "model,era\na,\nb,\n")
    assert more.text("era").tolist() == [None] * 4
    assert more.codes("era")[1] == []


def test_the_catalog_is_written_and_read(catalog, tmp_path):
    joined(catalog, tmp_path, "model,era\na,old\n").write(tmp_path / "c.parquet")
    assert Catalog.read(tmp_path / "c.parquet").text("era").tolist() == ["old", "old", None, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the first column is one of image_id, uri, prompt_id, prompt, model"),
        ("model\na\n", "it has: model"),
        ("name,era\na,old\n", "it has: name, era"),
        ("model,era,era\na,1,2\n", "under different names"),
        ("model,width\na,3\n", "width is read from the images"),
        ("prompt_id,uri\np,x\n", "uri is read from the images"),
        ("model,error\na,\n", "error is read from the images"),
        ("model,era\na\n", "row 2: it has 1 values, and the header 2"),
        ("model,era\na,1,2\n", "row 2: it has 3 values, and the header 2"),
        ("model,era\na,1\nb,2\na,3\n", 'row 4: "a" is there twice'),
        ("model,era\nz,1\n", "none of its values of model is in the catalog"),
        ("model,era\n", "none of its values of model is in the catalog"),
        ('model,era\na,"open\n', "is no CSV file in UTF-8"),
        (b"model,era\na,\xff\n", "is no CSV file in UTF-8"),
        (b"PAR1\x00\x01\x02", "the first column is one of"),
        ("model,era\na," + "x" * 200_000 + "\n", "is no CSV file in UTF-8"),
    ],
)
def test_what_is_refused(catalog, tmp_path, text, words):
    with pytest.raises(CatalogError) as refused:
        joined(catalog, tmp_path, text)
    assert words in str(refused.value)
    assert "more é columns.csv" in str(refused.value)


def test_files_that_cannot_be_read(catalog, tmp_path):
    with pytest.raises(CatalogError, match="cannot be read: No such file"):
        join_columns(catalog, tmp_path / "nothing.csv")
    with pytest.raises(CatalogError, match="cannot be read"):
        join_columns(catalog, tmp_path)
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(CatalogError, match="more than 256 MiB"):
        join_columns(catalog, tmp_path / "large.csv")
