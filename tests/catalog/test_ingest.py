from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

import morelli.catalog.ingest as ingest
from morelli.catalog import Catalog, build_catalog, read_facts
from morelli.errors import CatalogError
from morelli.images import Limits, read_image


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read, in whatever order."""
    seen, lock, original = [], threading.Lock(), ingest.read_facts

    def count(path, limits):
        with lock:
            seen.append(Path(path).name)
        return original(path, limits)

    monkeypatch.setattr(ingest, "read_facts", count)
    return seen


def test_facts_agree_with_the_image_room(tmp_path, save):
    path = save(tmp_path / "1.jpg", 1, (60, 40), quality=83)
    facts, image = read_facts(path), read_image(path).facts
    assert facts.image_id == image.sha256
    assert (facts.width, facts.height, facts.format, facts.bytes) == (60, 40, "JPEG", path.stat().st_size)
    assert facts.jpeg_quality == 83
    assert len(facts.jpeg_tables) == 12
    assert facts.error is None
    assert read_facts(save(tmp_path / "2.jpg", 2, (60, 40), quality=82)).jpeg_tables != facts.jpeg_tables
    assert read_facts(save(tmp_path / "3.jpg", 3, (60, 40), quality=83)).jpeg_tables == facts.jpeg_tables


def test_every_bad_file_is_a_row(tmp_path, save):
    root = tmp_path / "src"
    good = save(root / "m" / "good one ü.png", 1)
    (root / "m" / "cut.png").write_bytes(good.read_bytes()[:-200])
    (root / "m" / "empty.png").write_bytes(b"")
    (root / "m" / "text.jpg").write_text("I am no image")
    (root / "m" / "README").write_text("nor am I")
    (root / "m" / "gone.png").symlink_to(root / "nowhere.png")
    catalog = build_catalog(root)
    kinds = dict(zip(catalog.column("uri"), catalog.column("error_kind"), strict=True))
    assert kinds == {
        "m/README": "not-an-image",
        "m/cut.png": "truncated",
        "m/empty.png": "empty",
        "m/gone.png": "missing",
        "m/good one ü.png": None,
        "m/text.jpg": "not-an-image",
    }
    assert catalog.n_unreadable == 5
    assert catalog.readable.column("uri").tolist() == ["m/good one ü.png"]
    ids = dict(zip(catalog.column("uri"), catalog.column("image_id"), strict=True))
    assert ids["m/cut.png"] is not None
    assert ids["m/gone.png"] is None
    assert all(catalog.column("model") == "m")


def test_limits_reach_the_reader(gallery):
    catalog = build_catalog(gallery, limits=Limits(max_pixels=100))
    assert set(catalog.column("error_kind")) == {"too-many-pixels"}


def test_manifest_rows_without_file_and_twice(tmp_path, save, reads):
    save(tmp_path / "1.png", 1)
    (tmp_path / "m.csv").write_text("path,model\n1.png,a\n./1.png,b\nhttp://x/y.png,a\n,a\nno.png,a\n")
    catalog = build_catalog(tmp_path / "m.csv")
    assert catalog.column("error_kind").tolist() == [None, None, "unsupported", "missing", "missing"]
    assert catalog.column("model").tolist() == ["a", "b", "a", "a", "a"]
    assert sorted(reads) == ["1.png", "no.png"]


def test_output_and_progress(gallery, tmp_path):
    calls = []
    output = tmp_path / "new folder" / "c.parquet"
    catalog = build_catalog(gallery, output, workers=3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 15) for done in range(16)]
    assert [path.name for path in output.parent.iterdir()] == ["c.parquet"]
    assert Catalog.read(output).table.equals(catalog.table)
    first = output.read_bytes()
    build_catalog(gallery, output, workers=1)
    assert output.read_bytes() == first


def test_bad_output(gallery, tmp_path, reads):
    with pytest.raises(CatalogError, match="is a folder"):
        build_catalog(gallery, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot write its journal"):
        build_catalog(gallery, tmp_path / "file" / "c.parquet")
    with pytest.raises(CatalogError, match="at least one worker"):
        build_catalog(gallery, workers=0)
    assert reads == []


def interrupt(gallery, output, after):
    """Build, and stop as if by Ctrl-C after so many files."""

    def stop(done, total):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_catalog(gallery, output, workers=1, progress=stop)
    return output.with_name(f"{output.name}.journal")


def test_an_interrupted_build_goes_on(gallery, tmp_path, reads):
    output = tmp_path / "c.parquet"
    journal = interrupt(gallery, output, 6)
    assert not output.exists()
    assert len(journal.read_text().splitlines()) == 1 + 6
    reads.clear()
    resumed = build_catalog(gallery, output)
    assert len(reads) == 15 - 6
    assert not journal.exists()
    assert resumed.table.equals(build_catalog(gallery).table)


def test_changed_files_are_read_again(gallery, tmp_path, save, reads):
    output = tmp_path / "c.parquet"
    interrupt(gallery, output, 6)
    changed = save(gallery / "model0" / "prompt0.png", 77)
    os.utime(gallery / "model0" / "prompt1.png", ns=(1, 1))
    reads.clear()
    catalog = build_catalog(gallery, output)
    assert len(reads) == 15 - 6 + 2
    assert catalog.column("image_id")[0] == read_facts(changed).image_id


@pytest.mark.parametrize("tail", ['["/some/path", 12, 3', "\x00\x00\n", "{}\n", '["a"]\n', "\udce4\n"])
def test_torn_journal(gallery, tmp_path, reads, tail):
    output = tmp_path / "c.parquet"
    journal = interrupt(gallery, output, 6)
    with journal.open("ab") as stream:
        stream.write(tail.encode("utf-8", "surrogateescape"))
    # Interrupted once more: what is appended behind the torn line must count too.
    interrupt(gallery, output, 9)
    reads.clear()
    build_catalog(gallery, output)
    assert len(reads) == 15 - 9


def test_journal_cut_inside_its_last_line(gallery, tmp_path, reads):
    output = tmp_path / "c.parquet"
    journal = interrupt(gallery, output, 6)
    journal.write_bytes(journal.read_bytes()[:-20])
    reads.clear()
    build_catalog(gallery, output)
    assert len(reads) == 15 - 5


def test_a_journal_of_another_recipe_is_not_used(gallery, tmp_path, reads):
    output = tmp_path / "c.parquet"
    journal = interrupt(gallery, output, 6)
    head, *rest = journal.read_text().splitlines(keepends=True)
    head = json.loads(head)
    head["recipe"]["morelli"] = "0.0.0"
    journal.write_text(json.dumps(head) + "\n" + "".join(rest))
    reads.clear()
    build_catalog(gallery, output)
    assert len(reads) == 15
    interrupt(gallery, output, 6)
    reads.clear()
    build_catalog(gallery, output, resume=False)
    assert len(reads) == 15


def test_a_killed_process_resumes(gallery, tmp_path, reads):
    """SIGKILL in the middle: finished rows are not computed again, and the result is that of an undisturbed build."""
    output, journal = tmp_path / "c.parquet", tmp_path / "c.parquet.journal"
    script = textwrap.dedent("""
        import sys, time
        import morelli.catalog.ingest as ingest
        import morelli.catalog._journal as journal
        journal._BATCH = 2
        read = ingest.read_facts
        def slowly(path, limits):
            time.sleep(0.1)
            return read(path, limits)
        ingest.read_facts = slowly
        ingest.build_catalog(sys.argv[1], sys.argv[2], workers=1)
    """)
    process = subprocess.Popen([sys.executable, "-c", script, str(gallery), str(output)])
    try:
        deadline = time.monotonic() + 30
        while not (journal.exists() and len(journal.read_bytes().splitlines()) >= 5):
            assert process.poll() is None, "the build ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
    assert not output.exists()
    finished = {json.loads(line)[0] for line in journal.read_text().splitlines()[1:]}
    assert 4 <= len(finished) < 15
    resumed = build_catalog(gallery, output)
    assert sorted(reads) == sorted(path.name for path in gallery.rglob("*.png") if str(path) not in finished)
    undisturbed = tmp_path / "d.parquet"
    build_catalog(gallery, undisturbed)
    assert output.read_bytes() == undisturbed.read_bytes()
    assert resumed.table.equals(Catalog.read(undisturbed).table)


def test_a_folder_that_cannot_be_listed_is_a_row(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "open").mkdir()
    Image.new("RGB", (80, 80), "teal").save(tmp_path / "open" / "a.png")
    scandir = os.scandir

    def denied(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", denied)
    catalog = build_catalog(tmp_path)
    assert [path.name for path in catalog.paths] == ["a.png", "shut"]
    assert catalog.n_unreadable == 1
    assert list(catalog.column("model")) == ["open", "shut"]
    assert list(catalog.column("error_kind")) == [None, "missing"]
    assert catalog.column("error")[1] == "The folder cannot be listed: Permission denied."


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_a_circle_leaves_its_folder_alone(tmp_path, save):
    save(tmp_path / "model" / "a.png", 1)
    (tmp_path / "model" / "loop").symlink_to(tmp_path / "model" / "loop")
    catalog = build_catalog(tmp_path)
    assert list(catalog.column("uri")) == ["model/a.png", "model/loop"]
    assert [error is not None for error in catalog.column("error")] == [False, True]
