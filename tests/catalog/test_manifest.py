from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morelli.catalog import read_source
from morelli.errors import CatalogError


def manifest(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_folder_per_model(tmp_path):
    for name in (
        "a/1.png",
        "a/deep/er/2.JPG",
        "b c/ü 3.webp",
        "a/note.txt",
        "a/.hidden.png",
        "b c/x.odd",
        ".git/4.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    rows = read_source(tmp_path)
    assert rows.uris == ["a/1.png", "a/deep/er/2.JPG", "b c/x.odd", "b c/ü 3.webp"]
    assert rows.labels["model"] == ["a", "a", "b c", "b c"]
    assert rows.labels["prompt_id"] == [None] * 4
    assert read_source(tmp_path, prompt_from="stem").labels["prompt_id"] == ["1", "2", "x", "ü 3"]
    assert read_source(tmp_path, prompt_from="folder").labels["prompt_id"] == [None, "deep", None, None]
    assert read_source(tmp_path, model_from=None).labels["model"] == [None] * 4


def test_folder_without_models(tmp_path):
    with pytest.raises(CatalogError, match=r"holds no image files"):
        read_source(tmp_path)
    (tmp_path / "1.png").write_bytes(b"x")
    with pytest.raises(CatalogError, match=r"no sub-folder per model"):
        read_source(tmp_path)
    assert read_source(tmp_path, defaults={"model": "m"}).labels["model"] == ["m"]
    assert read_source(tmp_path, model_from=None).labels["model"] == [None]


def test_folder_follows_links_but_not_in_circles(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "1.png").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "model").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "loop").symlink_to(root)
    assert read_source(root).uris == ["model/1.png"]


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_file_name_that_is_no_text(tmp_path):
    (tmp_path / "a").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"/\xff.png")).write_bytes(b"x")
    rows = read_source(tmp_path)
    assert rows.uris == ["a/\\udcff.png"]
    assert rows.problems[0].kind == "unsupported"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_dialects(tmp_path, encoding, delimiter):
    text = "\r\n".join(
        delimiter.join(cells)
        for cells in (
            ["model", "path", "prompt", "odd"],
            ["flüx", "a b/1.png", '"a, b; ""c""\nd"', "1"],
            ["", "2.png", "", ""],
        )
    )
    rows = read_source(manifest(tmp_path, text.encode(encoding)))
    assert rows.uris == ["a b/1.png", "2.png"]
    assert rows.labels["model"] == ["flüx", None]
    assert rows.labels["prompt"] == ['a, b; "c"\nd', None]
    assert rows.base == tmp_path


def test_columns_are_mapped(tmp_path):
    path = manifest(tmp_path, "file,generator,model,sd\n1.png,flux,ignored,7\n")
    rows = read_source(path, columns={"path": "file", "model": "generator"}, defaults={"language": "en", "model": "x"})
    assert rows.labels["model"] == ["flux"]
    assert rows.labels["language"] == ["en"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n", "has no header line"),
        ("path,model\n", "has no rows"),
        ("file,model\n1.png,a\n", "no column 'path'.*its columns are: file, model"),
        ("path,path\n1.png,2.png\n", "names the column 'path' 2 times"),
        ("path,model\n1.png,a\n2.png,b,c\n", "line 3: 3 cells"),
        ("path,model\n1.png\n", "line 2: 1 cells"),
        ('path,model\n1.png,"a\n', "not well-formed CSV"),
        (b"path,model\n1.png,fl\xfcx\n", "Save it as UTF-8"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    with pytest.raises(CatalogError, match=message):
        read_source(manifest(tmp_path, text))


def test_bad_arguments(tmp_path):
    path = manifest(tmp_path, "path\n1.png\n")
    with pytest.raises(CatalogError, match=r"no column 'gen' to take as model. Its columns are: path"):
        read_source(path, columns={"model": "gen"})
    with pytest.raises(CatalogError, match=r"roles are: path, model"):
        read_source(path, columns={"models": "path"})
    with pytest.raises(CatalogError, match=r"labels are: model"):
        read_source(path, defaults={"path": "x"})
    with pytest.raises(CatalogError, match=r"only where the source is a folder"):
        read_source(path, prompt_from="stem")
    with pytest.raises(CatalogError, match=r"the source is a folder"):
        read_source(tmp_path, columns={"path": "path"})
    with pytest.raises(CatalogError, match=r"no folder or manifest"):
        read_source(tmp_path / "none.csv")
    with pytest.raises(CatalogError, match=r"use .csv"):
        read_source(manifest(tmp_path, "x", "m.xlsx"))


def test_jsonl(tmp_path):
    lines = [{"path": "1.png", "prompt_id": 7, "model": "a", "extra": [1]}, {"path": "2.png", "model": None}]
    rows = read_source(manifest(tmp_path, "\n\n".join(map(json.dumps, lines)), "m.jsonl"))
    assert rows.uris == ["1.png", "2.png"]
    assert rows.labels["prompt_id"] == ["7", None]
    assert rows.labels["model"] == ["a", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "1.png"}\n{"path": \n', "line 2: not valid JSON"),
        ('{"path": "1.png"}\n[1]\n', "line 2: every line must be a JSON object"),
        ('{"path": ["1.png"]}\n', "line 1, 'path': a list cannot be"),
        ('{"file": "1.png", "model": "a"}\n', "no column 'path'.*its columns are: file, model"),
        ("\n\n", "has no rows"),
    ],
)
def test_bad_jsonl(tmp_path, text, message):
    with pytest.raises(CatalogError, match=message):
        read_source(manifest(tmp_path, text, "m.jsonl"))


def test_parquet(tmp_path):
    path = tmp_path / "m.parquet"
    table = pa.table(
        {"img": ["1.png", None], "model": pa.array(["a", "b"]).dictionary_encode(), "prompt_id": [3, None]}
    )
    pq.write_table(table, path)
    rows = read_source(path, columns={"path": "img"})
    assert rows.uris == ["1.png", ""]
    assert rows.problems[1].kind == "missing"
    assert rows.labels["model"] == ["a", "b"]
    assert rows.labels["prompt_id"] == ["3", None]


def test_bad_parquet(tmp_path, table_of):
    with pytest.raises(CatalogError, match=r"cannot be read as Parquet"):
        read_source(manifest(tmp_path, "x", "m.parquet"))
    pq.write_table(pa.table({"path": [{"bytes": b"x"}]}), tmp_path / "m.parquet")
    with pytest.raises(CatalogError, match=r"column 'path' holds struct"):
        read_source(tmp_path / "m.parquet")
    table_of(1).write(tmp_path / "c.parquet")
    with pytest.raises(CatalogError, match=r"is a catalog already"):
        read_source(tmp_path / "c.parquet")


def test_paths_become_uris(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    inside, outside = folder / "x" / "1.png", tmp_path / "2.png"
    cells = [
        str(inside),
        str(outside),
        "./y/../3.png",
        "../4.png",
        "https://host/5.png",
        "s3://b/6.png",
        " ",
        "..png/7",
    ]
    rows = read_source(manifest(folder, "path\n" + "\n".join(cells) + "\n"))
    assert rows.uris == [
        "x/1.png",
        str(outside),
        "3.png",
        "../4.png",
        "https://host/5.png",
        "s3://b/6.png",
        "",
        "..png/7",
    ]
    assert {row: problem.kind for row, problem in rows.problems.items()} == {
        4: "unsupported",
        5: "unsupported",
        6: "missing",
    }
    assert rows.path(3) == str(tmp_path / "4.png")
