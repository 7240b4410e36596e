"""A few of the embedded images as a catalog, for studies that measure."""

from __future__ import annotations

import csv
from pathlib import Path

from morelli.catalog import Catalog, build_catalog
from morelli.sample import sample_catalog_csv, sample_path

MODELS = ("acnet-gan", "realsr-df2k", "waifu2x-cunet", "waifu2x-upconv7-photo")


def sample_rows(models: tuple[str, ...] = MODELS, prompts: int = 12) -> list[dict[str, str]]:
    """Return rows of the embedded references: every model has all prompts."""
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "reference" and row["model"] in models]
    wanted = sorted({row["prompt_id"] for row in rows})[:prompts]
    return [
        {**row, "path": str(sample_path() / row["path"]), "source": ""} for row in rows if row["prompt_id"] in wanted
    ]


def catalog_of(folder: Path, rows: list[dict[str, str]]) -> Catalog:
    """Build a catalog from rows with absolute paths."""
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "model", "lineage", "prompt_id", "source"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return build_catalog(folder / "table.csv")
