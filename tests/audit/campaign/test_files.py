"""What can lie in the folder of a campaign."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import zlib

import pytest
from PIL import Image

from morelli.audit.campaign import UNDECIDED
from morelli.cli.audit.campaign import CONDITION_HOLDS
from report.pages import EVIL

from ._running import audit, document, page_of, table


def test_bad_files_are_rows_and_copies_count_once(bundle_path, honest, tmp_path):
    folder = tmp_path / "ümläut & spaces 'quotes'"
    shutil.copytree(honest, folder)
    names = sorted(path.name for path in folder.iterdir())
    shutil.copy(folder / names[0], folder / "copy of it.jpg")
    with Image.open(folder / names[1]) as picture:
        picture.save(folder / "nearly.png")
    (folder / "truncated.jpg").write_bytes((folder / names[2]).read_bytes()[:2000])
    (folder / "empty.png").touch()
    (folder / "no image.png").write_text("hello")
    Image.new("RGB", (8, 8)).save(folder / "tiny.png")
    (folder / "caption.txt").write_text("what it shows")
    if sys.platform != "win32":
        (folder / "circle").symlink_to(folder)
        (folder / "nowhere.png").symlink_to(folder / "gone")
        os.mkfifo(folder / "pipe.png")
    n_bad = 4 if sys.platform == "win32" else 6
    out = tmp_path / "out"
    result = audit(bundle_path, folder, out)
    assert result.exit_code == 0, result.stderr
    counts = document(out)["counts"]
    assert (counts["files"], counts["images"], counts["unreadable"], counts["repeated"], counts["passed_over"]) == (
        12 + n_bad, 11, n_bad, 1, 1
    )  # fmt: skip
    errors = {row["name"]: row["error"] for row in table(out / "verdicts.csv") if row["decision"] == "unreadable"}
    assert len(errors) == n_bad
    assert all(errors.values())
    copies = document(out)["copies"]
    assert copies["repeated"] == [sorted([names[0], "copy of it.jpg"])]
    assert sorted([names[1], "nearly.png"]) in [sorted(group) for group in copies["near"]]
    page_of(out)


def test_one_image_cannot_be_told(bundle_path, honest, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(min(honest.iterdir()), folder)
    result = audit(bundle_path, folder, tmp_path / "out", "--fail-on", "undecided")
    assert (document(tmp_path / "out")["claim"]["outcome"], result.exit_code) == (UNDECIDED, CONDITION_HOLDS)


def test_nothing_readable_cannot_be_told(bundle_path, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").write_text("no image")
    out = tmp_path / "out"
    assert audit(bundle_path, folder, out, "--fail-on", "inconsistent").exit_code == 0
    found = document(out)
    assert found["claim"]["outcome"] == UNDECIDED
    assert (found["mixture"], found["suspects"], found["clusters"]) == (None, [], [])
    page_of(out)


def test_an_empty_folder(bundle_path, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    assert audit(bundle_path, tmp_path / "empty", out).exit_code == 0
    assert document(out)["claim"]["outcome"] == UNDECIDED
    page_of(out)
    missing = audit(bundle_path, tmp_path / "missing", tmp_path / "other")
    assert (missing.exit_code, (tmp_path / "other").exists()) == (1, False)


def test_a_picture_that_is_too_large_is_refused_by_its_header(bundle_path, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = (header, b"IDAT" + zlib.compress(b"\0" * 100), b"IEND")
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts]
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert audit(bundle_path, folder, tmp_path / "out").exit_code == 0
    (row,) = table(tmp_path / "out" / "verdicts.csv")
    assert row["decision"] == "unreadable"
    assert "60000 x 60000" in row["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="such names are not allowed elsewhere")
def test_hostile_names(bundle_path, swapped, tmp_path):
    folder = tmp_path / "hostile"
    folder.mkdir()
    for i, path in enumerate(sorted(swapped.iterdir())):
        odd = [EVIL.replace("/", "\u2215"), "=cmd|'x'!A1", "new\nline", "\x1b[31mred", os.fsdecode(b"caf\xe9"), "‮gnp"]
        shutil.copy(path, folder / f"{odd[i % len(odd)]} {i}.jpg")
    out = tmp_path / "out"
    result = audit(bundle_path, folder, out, "--by", "folder")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    page_of(out)
    assert not any(row["name"].startswith("=") for row in table(out / "verdicts.csv"))
    assert len((out / "verdicts.jsonl").read_text("utf-8").splitlines()) == 10
