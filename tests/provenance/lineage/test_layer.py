from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from morelli.catalog import build_catalog
from morelli.errors import ImageReadError, MorelliError
from morelli.provenance import Settings, inspect, list_layers
from morelli.provenance.lineage import COLUMNS, Entry, Registry, hash_image, hash_images, read_manifest
from morelli.sample import sample_path


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    return sorted((sample_path() / "campaign").glob("*.jpg"))


def only(path: Path | str, registry: Path, **options: object):
    (found,) = inspect([path], Settings(lineage=registry, options=options), layers=("lineage",))
    return found.layers[0]


@pytest.fixture
def registry(tmp_path: Path, pictures: list[Path]) -> Registry:
    made = Registry(tmp_path / "ours.sqlite", create=True)
    hashes = hash_image(pictures[0])
    made.add([Entry(hashes.sha256, hashes.phash, "acme-3", "a fox", "2026-05-17", "spring")])
    return made


def test_the_layer_is_registered():
    assert "lineage" in list_layers()


def test_without_a_registry_nothing_is_examined(pictures):
    (found,) = inspect([pictures[0]], layers=("lineage",))
    assert found.layers[0].status == "not examined"
    with pytest.raises(MorelliError, match="There is no registry"):
        only(pictures[0], Path("nowhere.sqlite"))


def test_the_same_file_is_strong_and_verified(registry, pictures):
    report = only(pictures[0], registry.path)
    (fact,) = report.facts
    assert (fact.model, fact.strength, fact.verification, fact.source) == (
        "acme-3",
        "strong",
        "verified",
        "registry:sha256",
    )
    assert fact.detail["prompt"] == "a fox" and fact.detail["note"] == "spring" and fact.detail["time"] == "2026-05-17"
    assert only(pictures[1], registry.path).status == "none found"


def test_a_copy_is_moderate_with_its_distance(registry, pictures, tmp_path):
    copy = tmp_path / "a copy.webp"
    with Image.open(pictures[0]) as image:
        image.convert("RGB").resize((image.width // 2, image.height // 2)).save(copy, quality=60)
    (fact,) = only(copy, registry.path).facts
    assert (fact.model, fact.strength, fact.verification) == ("acme-3", "moderate", "unverified")
    assert 0 <= fact.detail["distance"] <= 4 and fact.detail["copies"] == 1
    assert only(copy, registry.path, **{"lineage-distance": 0}).facts == () or fact.detail["distance"] == 0


def test_conflicting_registrations_are_both_told(registry, pictures):
    hashes = hash_image(pictures[0])
    registry.add([Entry(hashes.sha256, hashes.phash, "rival-1")])
    report = only(pictures[0], registry.path)
    assert {fact.model for fact in report.facts} == {"acme-3", "rival-1"}
    assert all(fact.detail["conflict"] for fact in report.facts)
    assert report.detail["conflict"] == ["acme-3", "rival-1"]


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((64, 64, 3), 128, np.uint8),
        np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (64, 1, 3)),
        np.repeat(np.repeat(np.array([[0, 255], [255, 0]], np.uint8), 32, 0), 32, 1)[..., None].repeat(3, 2),
    ],
    ids=["flat", "ramp", "symmetric"],
)
def test_plain_pictures_are_no_copies_of_each_other(tmp_path, pixels):
    registry = Registry(tmp_path / "r.sqlite", create=True)
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels + number).save(paths[-1])
    hashes = hash_image(paths[0])
    registry.add([Entry(hashes.sha256, hashes.phash, "acme-3")])
    report = only(paths[1], registry.path)
    assert report.facts == () and "too plain" in report.detail["looks"]
    assert len(only(paths[0], registry.path).facts) == 1


def test_a_file_that_is_no_picture_is_found_by_its_hash(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    import hashlib

    registry = Registry(tmp_path / "r.sqlite", create=True)
    registry.add([Entry(hashlib.sha256(path.read_bytes()).hexdigest(), None, "acme-3")])
    report = only(path, registry.path)
    assert len(report.facts) == 1 and "cannot be read" in report.detail["looks"]


def test_hashing_tells_what_cannot_be_read(tmp_path, pictures):
    results = dict(hash_images([str(pictures[0]), str(tmp_path / "nothing.png")], workers=2))
    assert results[str(pictures[0])] == hash_image(pictures[0])
    assert isinstance(results[str(tmp_path / "nothing.png")], ImageReadError)


# ---- tables ----


def read(path: Path, **defaults: str) -> tuple[list[Entry], list[ImageReadError]]:
    failed: list[ImageReadError] = []
    return list(read_manifest(path, defaults, failed.append)), failed


def test_tables_of_hashes_and_of_paths(tmp_path, pictures):
    (tmp_path / "an image é.jpg").write_bytes(pictures[0].read_bytes())
    table = tmp_path / "table.csv"
    table.write_text(
        "\ufeffpath,sha256,phash,model,prompt,extra\n"
        f',{"AB" * 32},00000000000000ff,acme-1,"a, b",x\n'
        "an image é.jpg,,,,,x\n"
        "missing.png,,,,,x\n",
        encoding="utf-8",
    )
    entries, failed = read(table, model="acme-9")
    hashes = hash_image(pictures[0])
    assert entries == [Entry("ab" * 32, 255, "acme-1", "a, b"), Entry(hashes.sha256, hashes.phash, "acme-9")]
    assert [error.kind for error in failed] == ["missing"]


def test_a_catalog_is_a_table(tmp_path, pictures):
    folder = tmp_path / "images" / "acme-3"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(pictures[0].read_bytes())
    (folder / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    build_catalog(tmp_path / "images", tmp_path / "catalog.parquet", workers=1)
    hashes = hash_image(pictures[0])
    assert read(tmp_path / "catalog.parquet")[0] == [Entry(hashes.sha256, hashes.phash, "acme-3")]
    with pytest.raises(MorelliError, match=r"catalog\.parquet, row 1: .*ISO 8601"):
        read(tmp_path / "catalog.parquet", time="soon")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(MorelliError):
        read(tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'column "sha256" or "path"'),
        ("a,b\n1,2\n", 'column "sha256" or "path"'),
        ("sha256,model\nxyz,m\n", "line 2"),
        (f"sha256,model\n{'a' * 64},\n", "line 2: An entry of the registry names a model"),
        (f"sha256,phash,model\n{'a' * 64},zz,m\n", "no perceptual hash"),
        (f"sha256,model,time\n{'a' * 64},m,soon\n", "ISO 8601"),
        ("path,model\n,m\n", "neither"),
        ("path,model\nx.png,\n", "names a model"),
        ('path,model\n"' + "x" * 200_000 + '",m\n', "no table"),
    ],
)
def test_wrong_tables_name_the_line(tmp_path, text, said):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(MorelliError, match=said):
        read(path)


def test_tables_that_are_none(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"sha256\n\xff\xfe")
    with pytest.raises(MorelliError, match="UTF-8"):
        read(path)
    with pytest.raises(MorelliError, match="cannot be read"):
        read(tmp_path / "nothing.csv")
    assert io.StringIO(",".join(COLUMNS)).read() == "sha256,phash,model,prompt,time,note"
