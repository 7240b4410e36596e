"""The embedded sample is complete, uniform and honest about what it holds."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from morelli.sample import sample_catalog_csv, sample_path

DATA = sample_path()
COLUMNS = ["path", "model", "lineage", "version", "prompt_id", "prompt", "domain", "split", "source"]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


CATALOG = _read(sample_catalog_csv())
CAMPAIGN = _read(DATA / "campaign.csv")
REFERENCE = [row for row in CATALOG if row["split"] == "reference"]
UNKNOWN = [row for row in CATALOG if row["split"] == "unknown"]


def _models(rows: list[dict[str, str]]) -> set[str]:
    return {row["model"] for row in rows}


def _prompts(rows: list[dict[str, str]]) -> set[str]:
    return {row["prompt_id"] for row in rows}


def test_the_catalog_has_the_promised_columns_and_no_empty_cell() -> None:
    assert list(CATALOG[0]) == COLUMNS
    assert all(value for row in CATALOG + CAMPAIGN for value in row.values())
    assert {row["split"] for row in CATALOG} == {"reference", "unknown"}
    assert len({row["path"] for row in CATALOG}) == len(CATALOG)


def test_the_reference_is_large_enough() -> None:
    assert len(_models(REFERENCE)) >= 8
    assert len(_prompts(REFERENCE)) >= 60
    assert len({row["lineage"] for row in REFERENCE}) >= 4


def test_every_reference_model_has_the_same_contents() -> None:
    contents = defaultdict(list)
    for row in REFERENCE:
        contents[row["model"]].append(row["prompt_id"])
    expected = sorted(_prompts(REFERENCE))
    for model, prompts in contents.items():
        assert sorted(prompts) == expected, model


def test_a_prompt_means_one_photograph() -> None:
    sources = defaultdict(set)
    for row in CATALOG + CAMPAIGN:
        sources[row["prompt_id"]].add((row["source"], row["prompt"], row["domain"]))
    assert all(len(found) == 1 for found in sources.values())
    assert len({next(iter(found))[0] for found in sources.values()}) == len(sources)


def test_the_files_are_those_listed_and_no_others() -> None:
    listed = {row["path"] for row in CATALOG + CAMPAIGN}
    found = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.jpg")}
    assert found == listed


def test_paths_say_what_the_rows_say() -> None:
    for row in CATALOG:
        assert row["path"] == f"{row['split']}/{row['model']}/{row['prompt_id']}.jpg"


def test_all_images_are_of_one_encoder_and_size() -> None:
    containers = set()
    for row in CATALOG + CAMPAIGN:
        with Image.open(DATA / row["path"]) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile), row["path"]
            image.load()
            assert image.mode == "RGB"
            assert min(image.size) >= 256, row["path"]
            assert not image.getexif()
            tables = tuple((key, tuple(table)) for key, table in sorted(image.quantization.items()))
            sampling = tuple(layer[1:3] for layer in image.layer)
            containers.add((image.format, image.size, tables, sampling, tuple(sorted(image.info))))
    assert len(containers) == 1


def test_no_image_is_blank() -> None:
    for row in CATALOG + CAMPAIGN:
        with Image.open(DATA / row["path"]) as image:
            grey = np.asarray(image.convert("L"))
        assert np.ptp(grey) > 60, row["path"]


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) <= 15_000_000


def test_the_unknown_models_are_absent_from_the_reference() -> None:
    assert len(UNKNOWN) >= 20
    assert not _models(UNKNOWN) & _models(REFERENCE)


def test_the_campaign_is_a_mixture_on_contents_of_its_own() -> None:
    assert list(CAMPAIGN[0])[:2] == ["path", "model"]
    assert len(CAMPAIGN) >= 40
    assert not _prompts(CAMPAIGN) & _prompts(CATALOG)
    for row in CAMPAIGN:
        assert row["in_reference"] == ("yes" if row["model"] in _models(REFERENCE) else "no")
        assert Path(row["path"]).stem.isdigit()
    assert {row["in_reference"] for row in CAMPAIGN} == {"yes", "no"}


@pytest.mark.parametrize("name", ["LICENCES.md", "README.md"])
def test_the_texts_are_there(name: str) -> None:
    assert (DATA / name).stat().st_size > 500


def test_the_licence_file_names_every_model_and_every_photograph() -> None:
    text = (DATA / "LICENCES.md").read_text(encoding="utf-8")
    for model in _models(CATALOG + CAMPAIGN):
        assert f"| {model} |" in text, model
    for row in CATALOG + CAMPAIGN:
        assert f"| {row['prompt_id']} |" in text
        assert row["source"] in text
