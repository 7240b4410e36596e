"""Decisions become rows to learn from, and never rows to be tested on."""

from __future__ import annotations

import csv
import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from morelli.audit.ledger import export
from morelli.catalog import Catalog, build_catalog, reviewed_rows, split_catalog
from morelli.errors import LedgerError, NotEnoughDataError

from ._made import made_verdict


def picture(path, seed, **how):
    """Write a smooth random picture: such ones differ in their perceptual hash."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize((128, 128), Image.Resampling.BICUBIC).save(path, **how)
    return path


def verdict_of(path, uri, **changes):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return made_verdict(0, **{"uri": uri, "image_id": digest, **changes})


@pytest.fixture
def decided(in_file, tmp_path):
    """Six images in a folder with a space, of which four have a label."""
    folder = tmp_path / "in a folder é"
    for number in range(6):
        path = picture(folder / f"{number}.png", number)
        in_file.append_verdict(verdict_of(path, f"{number}.png"), folder=folder)
    in_file.decide(2, "Ada", "confirm", reason="sure")
    in_file.decide(3, "Ada", "relabel", label="new, model")
    in_file.decide(3, "Grace", "relabel", label="new, model")
    in_file.decide(4, "Ada", "none")
    in_file.decide(5, "Ada", "confirm")
    in_file.decide(5, "Grace", "relabel", label="sdxl")
    in_file.decide(6, "Grace", "relabel", label="sdxl")
    return in_file, folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_rows_are_for_training_and_say_whose_label_it_is(decided, tmp_path):
    ledger, folder = decided
    done = export(ledger, tmp_path / "reviewed.csv", actor="Edsger")
    rows = rows_of(tmp_path / "reviewed.csv")
    assert [(row["path"], row["model"], row["source"], row["incident"]) for row in rows] == [
        (str(folder / "0.png"), "flux-1", "review:Ada", "2"),
        (str(folder / "1.png"), "new, model", "review:Ada+Grace", "3"),
        (str(folder / "4.png"), "sdxl", "review:Grace", "6"),
    ]
    assert {row["split"] for row in rows} == {"train"}
    assert {row["ledger"] for row in rows} == {ledger.id}
    assert done.labels == {"flux-1": 1, "new, model": 1, "sdxl": 1}
    assert [(one.incident, one.reason) for one in done.left] == [(4, "none"), (5, "disputed")]
    assert done.sha256 == hashlib.sha256((tmp_path / "reviewed.csv").read_bytes()).hexdigest()
    last = list(ledger.entries(kind="export"))[-1]
    assert (last.actor, last.payload["rows"], last.payload["sha256"]) == ("Edsger", 3, done.sha256)
    assert ledger.verify().ok


def test_the_table_becomes_a_catalog_that_is_not_tested_on(decided, tmp_path):
    ledger, _ = decided
    export(ledger, tmp_path / "reviewed.csv", actor="Ada")
    catalog = build_catalog(tmp_path / "reviewed.csv")
    assert list(catalog.column("model")) == ["flux-1", "new, model", "sdxl"]
    assert list(catalog.column("split")) == ["train"] * 3
    assert list(catalog.column("image_id")) == [row["image_id"] for row in rows_of(tmp_path / "reviewed.csv")]
    assert reviewed_rows(catalog).all()
    with pytest.raises(NotEnoughDataError, match="labels by reviewers"):
        split_catalog(catalog, test=0.5)


def test_what_is_in_the_test_catalog_stays_out(decided, tmp_path):
    ledger, folder = decided
    (tmp_path / "test" / "m").mkdir(parents=True)
    shutil.copy(folder / "0.png", tmp_path / "test" / "m" / "same.png")
    picture(tmp_path / "test" / "m" / "near.jpg", 1, quality=60)
    picture(tmp_path / "test" / "m" / "other.png", 99)
    test = build_catalog(tmp_path / "test")
    done = export(ledger, tmp_path / "reviewed.csv", test=test, actor="Ada")
    assert [row["incident"] for row in rows_of(tmp_path / "reviewed.csv")] == ["6"]
    assert [(one.incident, one.reason) for one in done.left] == [
        (2, "in-test"), (3, "near-test"), (4, "none"), (5, "disputed"),
    ]  # fmt: skip
    assert list(ledger.entries(kind="export"))[-1].payload["test"] == test.fingerprint


def test_flat_images_are_no_copies_of_each_other(in_file, tmp_path):
    for name, shade in (("a", 10), ("b", 200)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (64, 64), (shade, shade, shade)).save(tmp_path / name / f"{name}.png")
    in_file.append_verdict(verdict_of(tmp_path / "a" / "a.png", str(tmp_path / "a" / "a.png")))
    in_file.decide(2, "Ada", "confirm")
    test = build_catalog(tmp_path / "b", model_from=None, defaults={"model": "m"})
    assert export(in_file, tmp_path / "r.csv", test=test, actor="Ada").rows == 1


def test_files_that_are_not_what_was_judged(decided, tmp_path):
    ledger, folder = decided
    picture(folder / "0.png", 77)
    (folder / "1.png").unlink()
    done = export(ledger, tmp_path / "reviewed.csv", actor="Ada")
    assert [(one.incident, one.reason) for one in done.left] == [
        (2, "changed"), (3, "missing"), (4, "none"), (5, "disputed"),
    ]  # fmt: skip


def test_two_bundles_and_one_image(in_file, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    other = picture(tmp_path / "b.png", 2)
    for file in (path, other):
        for bundle in ("one", "two"):
            in_file.append_verdict(verdict_of(file, str(file), bundle={"id": bundle}))
    in_file.decide(2, "Ada", "relabel", label="kolors")
    in_file.decide(3, "Grace", "relabel", label="kolors")
    in_file.decide(4, "Ada", "relabel", label="kolors")
    in_file.decide(5, "Ada", "relabel", label="sdxl")
    done = export(in_file, tmp_path / "r.csv", actor="Ada")
    assert [(row["path"], row["model"]) for row in rows_of(tmp_path / "r.csv")] == [(str(path), "kolors")]
    assert [(one.incident, one.reason) for one in done.left] == [(4, "again"), (5, "again")]


def test_names_that_no_table_can_hold(in_file, tmp_path):
    path = picture(tmp_path / "a.png", 1)
    in_file.append_verdict(verdict_of(path, "caf\udce9.png"))
    in_file.decide(2, "Ada", "confirm")
    with pytest.raises(LedgerError, match="name is not valid text"):
        export(in_file, tmp_path / "r.csv", actor="Ada")
    assert not (tmp_path / "r.csv").exists()
    assert in_file.head().seq == 3


def test_nothing_to_export(in_file, tmp_path):
    in_file.append_verdict(made_verdict(1))
    with pytest.raises(LedgerError, match="nobody decided"):
        export(in_file, tmp_path / "r.csv", actor="Ada")


def test_redacted_images_give_no_row(decided, tmp_path):
    ledger, _ = decided
    for seq in (2, 3):
        ledger.redact(ledger.incident(seq).subject, actor="Ada", reason="r")
    assert export(ledger, tmp_path / "r.csv", actor="Ada").rows == 1


def test_a_catalog_is_read_back(decided, tmp_path):
    """From the file that --test names."""
    ledger, folder = decided
    build_catalog(folder.parent, tmp_path / "test.parquet", model_from=None, defaults={"model": "m"})
    with pytest.raises(LedgerError, match="is in the test catalog"):
        export(ledger, tmp_path / "r.csv", test=Catalog.read(tmp_path / "test.parquet"), actor="Ada")
