"""A few of the embedded images as a catalog, for studies that measure."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from morelli.catalog import Catalog, build_catalog
from morelli.sample import sample_catalog_csv, sample_path
from morelli.studies import Findings

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


def chart(findings: Findings, name: str) -> Any:
    """Return the chart of this name."""
    return next(chart for chart in findings.charts if chart.name == name)


def rows(findings: Findings, name: str) -> list[dict[str, Any]]:
    """Return the rows of the table of this name."""
    table = next(table for table in findings.tables if table.name == name)
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]
