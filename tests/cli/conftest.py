from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from morelli.attributors import fit_bundle
from morelli.catalog import Catalog, build_catalog
from morelli.cli._app import app
from morelli.encoders import FeatureCache, default_cache_path
from morelli.sample import sample_catalog_csv, sample_path

MODELS = ("acnet-gan", "realesrgan-x4plus", "realsr-df2k", "waifu2x-cunet")
STRANGER = "dat-light"
Cli = Callable[..., Result]


def write_table(path: Path, models: tuple[str, ...], photographs: slice) -> Path:
    """Write a table of paths and labels for some models and photographs (of those that the stranger has too)."""
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = sorted({row["prompt_id"] for row in rows if row["model"] == STRANGER})[photographs]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for row in rows:
            if row["model"] in models and row["prompt_id"] in chosen:
                writer.writerow({**row, "path": str(sample_path() / row["path"])})
    return path


@pytest.fixture(scope="session")
def table_of() -> Callable[[Path, tuple[str, ...], slice], Path]:
    return write_table


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session", autouse=True)
def cache(folder: Path) -> Iterator[Path]:
    """Keep the user's own cache out of the tests, and images that several tests measure in one of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MORELLI_CACHE", str(folder / "cache"))
        patch.setenv("COLUMNS", "200")
        yield default_cache_path()


@pytest.fixture(scope="session")
def references(folder: Path) -> Path:
    """A catalog of 4 models x 12 photographs."""
    path = folder / "references.parquet"
    build_catalog(write_table(folder / "references.csv", MODELS, slice(0, 12)), path)
    return path


@pytest.fixture(scope="session")
def held_out(folder: Path) -> Path:
    """A table of 5 models, one of them no candidate, x 4 other photographs."""
    return write_table(folder / "held-out.csv", (*MODELS, STRANGER), slice(12, 16))


@pytest.fixture(scope="session")
def bundle(folder: Path, references: Path, cache: Path) -> Path:
    fitted = fit_bundle(Catalog.read(references), name="tiny", workers=1, cache=FeatureCache(cache))
    return fitted.save(folder / "tiny.morelli")


@pytest.fixture(scope="session")
def degraded(folder: Path, references: Path, cache: Path) -> Path:
    """A bundle that knows halved images too."""
    views = ("none", "scale:0.5|jpeg:85")
    fitted = fit_bundle(Catalog.read(references), name="tiny", views=views, workers=1, cache=FeatureCache(cache))
    return fitted.save(folder / "degraded.morelli")


@pytest.fixture(scope="session")
def images(folder: Path) -> Path:
    """A folder of two images in two levels, a text, and a hidden file."""
    path = folder / "images"
    (path / "deeper").mkdir(parents=True)
    campaign = sample_path() / "campaign"
    shutil.copy(campaign / "02.jpg", path / "deeper" / "café.jpg")
    shutil.copy(campaign / "06.jpg", path / "one.jpg")
    (path / "notes.txt").write_text("no image")
    (path / ".hidden.jpg").write_bytes(b"")
    return path


@pytest.fixture
def cli() -> Cli:
    """Run a command in this process; give back its result, with the output and the errors apart."""

    def run(*arguments: str | os.PathLike[str], stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(app, [os.fspath(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
