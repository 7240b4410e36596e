from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from morelli.encoders import default_cache_path
from morelli.encoders.pretrained import get_pretrained, is_here, weights_folder
from morelli.encoders.pretrained.store import (
    LOCK,
    folder_of,
    read_lock,
    require,
    sha256_of,
    verify,
    write_lock,
)
from morelli.errors import MorelliError

SPEC = replace(get_pretrained("dinov2-vits14.meta"), sha256=None)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    folder = folder_of(SPEC)
    folder.mkdir()
    for file in SPEC.files:
        (folder / file).write_text(file)
    return folder


def test_weights_lie_beside_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("MORELLI_WEIGHTS", raising=False)
    assert weights_folder() == default_cache_path().parent / "weights"
    monkeypatch.setenv("MORELLI_WEIGHTS", "~/elsewhere")
    assert weights_folder() == Path.home() / "elsewhere"


def test_without_the_lock_nothing_is_here(folder):
    assert not is_here(SPEC)
    with pytest.raises(MorelliError, match="not on this machine"):
        require(SPEC)
    write_lock(SPEC, folder, "c" * 40, verify(SPEC, folder))
    assert is_here(SPEC)
    assert require(SPEC) == folder
    state = read_lock(folder)
    assert state["commit"] == "c" * 40
    assert state["source"] == "facebook/dinov2-small"
    assert state["files"][SPEC.file] == {"sha256": sha256_of(folder / SPEC.file), "bytes": len(SPEC.file)}


def test_a_changed_file_is_noticed(folder):
    write_lock(SPEC, folder, None, verify(SPEC, folder))
    (folder / "config.json").write_text("something else")
    with pytest.raises(MorelliError, match=r"config\.json is not the file that belongs to dinov2"):
        verify(SPEC, folder)


def test_the_spec_counts_more_than_the_lock(folder):
    write_lock(SPEC, folder, None, verify(SPEC, folder))
    with pytest.raises(MorelliError, match=r"model\.safetensors is not the file"):
        verify(replace(SPEC, sha256="0" * 64), folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": []}', '{"files": {"a": {}}}', "\udcff"])
def test_a_damaged_lock(folder, text):
    (folder / LOCK).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MorelliError, match="is damaged; delete it"):
        read_lock(folder)


def test_a_sum_is_of_the_file_as_it_is(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = sha256_of(path)
    path.write_bytes(b"three")
    assert sha256_of(path) != first
    with pytest.raises(MorelliError, match="cannot be read"):
        sha256_of(tmp_path / "missing")
