"""A bundle of seven models, folders of images by them, and records that no image was judged for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from _small import small_rows, write_rows
from morelli.attributors import Bundle, Candidate, Verdict, fit_bundle
from morelli.audit.campaign import RECORDS, FileRow, Judged, Records, Stack
from morelli.catalog import build_catalog
from morelli.encoders import FeatureCache

from ._running import audit

MODELS = (
    "acnet-gan", "realsr-df2k", "realcugan-nose", "realesrgan-x4plus", "waifu2x-cunet", "waifu2x-upconv7-photo",
    "esrgan-medium",
)  # fmt: skip
ENCODER = "forensic"
PROMPTS = 14
STACK = Stack(layers=("metadata",), workers=1)
"""Without credentials, whose reader takes seconds to start."""


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """All images of the models, by 24 prompts that all have."""
    return small_rows(MODELS, 24)


@pytest.fixture(scope="session")
def bundle_path(desk: Path, rows: list[dict[str, str]]) -> Path:
    """A bundle that knows the first prompts."""
    prompts = sorted({row["prompt_id"] for row in rows})[:PROMPTS]
    table = write_rows(desk / "references.csv", [row for row in rows if row["prompt_id"] in prompts])
    references = build_catalog(table, desk / "references.parquet", workers=1)
    cache = FeatureCache(desk / "features.sqlite")
    return fit_bundle(references, name="seven", encoder=ENCODER, workers=1, cache=cache).save(desk / "seven.morelli")


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return Bundle.load(bundle_path)


Deliver = Callable[..., Path]


@pytest.fixture(scope="session")
def deliver(rows: list[dict[str, str]]) -> Deliver:
    """Copy images of prompts that the bundle has not seen into a folder: ``deliver(folder, model=10, other=2)``."""
    unseen = sorted({row["prompt_id"] for row in rows})[PROMPTS:]

    def copy(folder: Path, **numbers: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, n in numbers.items():
            model = name.replace("_", "-")
            own = [row for row in rows if row["model"] == model and row["prompt_id"] in unseen]
            assert len(own) >= n
            for i, row in enumerate(own[:n]):
                shutil.copy(row["path"], folder / f"{model} {i:02d}{Path(row['path']).suffix}")
        return folder

    return copy


@pytest.fixture(scope="session")
def honest(desk, deliver):
    return deliver(desk / "honest", waifu2x_cunet=10)


@pytest.fixture(scope="session")
def swapped(desk, deliver):
    return deliver(desk / "swapped", waifu2x_cunet=7, realsr_df2k=3)


@pytest.fixture(scope="session")
def audited(desk, bundle_path, swapped):
    """The audit of a folder with three images of another model."""
    out = desk / "audited"
    return audit(bundle_path, swapped, out), out


CLASSES = ("a", "b", "c")
IDENTITY = {"bundle": {"name": "n", "version": "1", "id": "0" * 16}, "candidates": list(CLASSES), "provenance": {}}


def made_up(
    i: int, rng: np.random.Generator, decision: str | None = None, n_classes: int = len(CLASSES)
) -> tuple[FileRow, Judged]:
    """Return a file and its verdict; the more certain, the fewer candidates are left."""
    names = CLASSES if n_classes == len(CLASSES) else tuple(f"model-{k:02d}" for k in range(n_classes))
    proba = rng.dirichlet(np.full(n_classes, 0.3)).clip(1e-9)
    proba /= proba.sum()
    order = np.argsort(-proba)
    open_set_p = float(rng.uniform(0.001, 1))
    decision = decision or ("unknown" if open_set_p < 0.05 else "attributed" if proba.max() > 0.8 else "ambiguous")
    members = tuple(names[k] for k in order[: 1 if decision == "attributed" else 2])
    verdict = Verdict(
        f"{i}.png",
        f"{i:064x}",
        decision,
        label=None if decision == "unknown" else names[order[0]],
        probability=None if decision == "unknown" else float(proba.max()),
        candidates=tuple(Candidate(names[k], float(proba[k]), 0.0) for k in order),
        prediction_set=members,
        open_set_p=open_set_p,
        evidence={"colour": {name: float(rng.normal()) for name in members}},
        bundle=IDENTITY["bundle"],  # type: ignore[arg-type]
        provenance={"outcome": "conflict" if decision == "conflict" else "silence"},
    )
    words = np.log(proba).astype(np.float32)
    judged = Judged(verdict, 1000 + i, words, int(rng.integers(1 << 64, dtype=np.uint64)), {"metadata": "none found"})
    return FileRow(i, f"{i}.png", f"/campaign/{i}.png", f"{i:064x}", None, ()), judged


@pytest.fixture
def records(tmp_path: Path):
    with Records(tmp_path / RECORDS) as opened:
        opened.begin(IDENTITY)
        yield opened
