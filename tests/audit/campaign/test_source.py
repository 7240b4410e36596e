from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morelli.audit.campaign import open_campaign
from morelli.catalog import build_catalog
from morelli.errors import MorelliError


def names(campaign):
    return [item.name for item in campaign.items()]


def test_a_folder_is_walked_sorted_without_hidden_files_and_captions(tmp_path):
    for name in ("b/2.png", "b/1.png", "a.jpg", ".hidden.png", ".git/x.png", "b/1.txt", "notes.json", "ü b/ß.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    campaign = open_campaign(tmp_path, ["folder"])
    assert names(campaign) == ["a.jpg", "b/1.png", "b/2.png", "ü b/ß.png"]
    assert [item.values for item in campaign.items()] == [(".",), ("b",), ("b",), ("ü b",)]
    assert campaign.passed_over == [2]
    assert all(Path(item.path).is_file() for item in campaign.items())
    assert campaign.passed_over == [2], "each walk counts anew"


def test_folders_two_levels_deep(tmp_path):
    (tmp_path / "x" / "y" / "z").mkdir(parents=True)
    for folder in (".", "x", "x/y", "x/y/z"):
        (tmp_path / folder / "i.png").touch()
    found = {item.name: item.values for item in open_campaign(tmp_path, ["folder", "folder:2"]).items()}
    assert found == {
        "i.png": (".", "."), "x/i.png": ("x", "x"), "x/y/i.png": ("x", "x/y"), "x/y/z/i.png": ("x", "x/y")
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "i.png").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    assert names(open_campaign(tmp_path)) == ["a/i.png", "nowhere.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")
def test_names_that_are_no_text(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    assert names(open_campaign(tmp_path)) == ["caf\udce9.png"]


def test_a_manifest_has_columns_and_may_name_a_file_twice(tmp_path):
    table = tmp_path / "assets.csv"
    table.write_text("path,vendor,date\nx/1.png,Ünal,2026-01-02\nx/1.png,,2026-02-03\n,B,\nhttps://a/b.png,B,\n")
    items = list(open_campaign(table, ["vendor", "date", "folder"]).items())
    assert [item.values for item in items] == [
        ("Ünal", "2026-01-02", "x"), (None, "2026-02-03", "x"), ("B", None, "."), ("B", None, "https:")
    ]  # fmt: skip
    assert [item.problem is None for item in items] == [True, True, False, False]
    assert items[0].path == str(tmp_path / "x" / "1.png")


def test_a_manifest_in_parquet_with_real_dates(tmp_path):
    import datetime

    columns = {"path": ["a.png"], "shot": pa.array([datetime.date(2026, 3, 4)])}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert next(open_campaign(tmp_path / "m.parquet", ["shot"]).items()).values == ("2026-03-04",)


def test_a_catalog_is_a_campaign(tmp_path, rows):
    from _small import write_rows

    table = write_rows(tmp_path / "images.csv", rows[:2])
    build_catalog(table, tmp_path / "images.parquet", workers=1)
    items = list(open_campaign(tmp_path / "images.parquet", ["model"]).items())
    assert [item.values for item in items] == [(rows[0]["model"],), (rows[1]["model"],)]
    assert [item.path for item in items] == [row["path"] for row in rows[:2]]
    with pytest.raises(MorelliError, match="no column 'vendor'"):
        open_campaign(tmp_path / "images.parquet", ["vendor"])


@pytest.mark.parametrize(
    ("by", "words"),
    [(["vendor"], "is a folder and has no column 'vendor'"), (["folder", "folder"], "once, not twice")],
)
def test_what_cannot_divide_a_folder(tmp_path, by, words):
    with pytest.raises(MorelliError, match=words):
        open_campaign(tmp_path, by)


def test_a_column_that_is_not_there(tmp_path):
    (tmp_path / "m.csv").write_text("path,vendor\na.png,b\n")
    with pytest.raises(MorelliError, match=r"no column 'seller'\. Its columns are: path, vendor"):
        open_campaign(tmp_path / "m.csv", ["seller"])
    with pytest.raises(MorelliError, match="no folder or manifest"):
        open_campaign(tmp_path / "nothing")


def test_what_an_audit_wrote_is_no_part_of_it(tmp_path):
    for name in ("a.jpg", "audit/index.html", "audit/suspects.png", "audit/records.sqlite-wal", "audit-2/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    campaign = open_campaign(tmp_path, without=tmp_path / "audit")
    assert names(campaign) == ["a.jpg", "audit-2/b.png"] and campaign.passed_over == [0]
    for elsewhere in (tmp_path, tmp_path.parent, tmp_path / "none", None):
        assert len(names(open_campaign(tmp_path, without=elsewhere))) > 2
