"""Options and helpers that several commands share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import split_words
from morelli.errors import CatalogError, MorelliError

if TYPE_CHECKING:
    from rich.table import Table

    from morelli.catalog import Catalog
    from morelli.encoders import FeatureCache

__all__ = [
    "BundleArgument",
    "CacheOption",
    "EncoderOption",
    "FoldsOption",
    "ImagesArgument",
    "LabelOption",
    "MapsOption",
    "NoCacheOption",
    "PromptFrom",
    "PromptFromOption",
    "SplitOption",
    "WorkersOption",
    "check_output",
    "open_cache",
    "open_catalog",
    "parse_views",
    "progress",
    "progress_of_asking",
    "rows_of",
    "tell_study",
]

BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle made by morelli fit.")]
ImagesArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CATALOG", help="Labelled images: a catalog, a folder per model, or a table with a path column."
    ),
]
LabelOption = Annotated[
    str, typer.Option("--label", metavar="COLUMN", help="Column to tell: model, version, language ...")
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME[+NAME]",
        help='What measures the images, see "morelli encoders list".',
        show_default="the forensic families, and a pretrained encoder where it was fetched",
    ),
]
SplitOption = Annotated[str | None, typer.Option("--split", metavar="NAME", help="Use only the rows of this split.")]
FoldsOption = Annotated[int, typer.Option("--folds", min=2, metavar="N", help="Folds of whole prompts.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", min=1, metavar="N", help="Processes that measure images.", show_default="one per processor"
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FILE",
        help="Where measured features are kept.",
        show_default="features.sqlite in $MORELLI_CACHE, or in the user's cache folder",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Measure everything anew and keep nothing.")]
MOST_MAPS = 48
MapsOption = Annotated[
    int,
    typer.Option(
        "--maps",
        min=0,
        max=MOST_MAPS,
        metavar="N",
        help=f"Show on the page which regions of N images the evidence lies in, at most {MOST_MAPS}.",
    ),
]
Progress = Callable[[int, int], None]


class PromptFrom(StrEnum):
    """Where a folder's prompts are read from."""

    folder = "folder"
    stem = "stem"


PromptFromOption = Annotated[
    PromptFrom | None,
    typer.Option(
        "--prompt-from",
        metavar="[folder|stem]",
        help="Of a folder: the prompt is the name of the file's folder, or of the file without its suffix.",
    ),
]


def open_catalog(
    source: Path, split: str | None = None, *, model: str | None = None, prompt_from: PromptFrom | None = None
) -> Catalog:
    """Read a catalog, or make one in memory from a folder per model or a table with a path column.

    `model` names what made the images of a folder without folders in it; without it such a folder is refused.

    Raises
    ------
    CatalogError
        Neither of them, or no row is of the split.
    """
    from morelli.catalog import Catalog, build_catalog

    if source.is_file() and source.suffix == ".parquet" and Catalog.is_catalog(source):
        catalog = Catalog.read(source)
    else:
        with progress("Reading images") as report:
            flat = source.is_dir() and not any(inner.is_dir() for inner in source.iterdir())
            catalog = build_catalog(
                source,
                defaults={"model": model} if flat and model is not None else None,
                prompt_from=None if prompt_from is None else prompt_from.value,
                progress=report,
            )
    if split is None:
        return catalog
    chosen = catalog.select(split=split)
    if len(chosen) == 0:
        names = sorted({str(name) for name in catalog.column("split") if name is not None})
        raise CatalogError(f'{source}: no row has the split "{split}"; there are: {", ".join(names) or "none"}.')
    return chosen


def rows_of(catalog: Catalog, label: str, name: str, source: Path) -> Catalog:
    """Return the rows whose label has a value; a CatalogError names the values that there are."""
    values = catalog.text(label)
    chosen = catalog.filter(values == name)
    if len(chosen):
        return chosen
    there = sorted({str(value) for value in values if value is not None})
    more = f", and {len(there) - 12} more" if len(there) > 12 else ""
    raise CatalogError(f"{source}: {label} never is {name}; there are: {', '.join(there[:12]) or 'none'}{more}.")


def open_cache(path: Path | None, disabled: bool) -> FeatureCache | None:
    """Return the cache that the options ask for."""
    from morelli.encoders import FeatureCache, default_cache_path

    return None if disabled else FeatureCache(path or default_cache_path())


def parse_views(text: str, option: str) -> list[str]:
    """Return the canonical names of views separated by commas; the word ``degraded`` stands for a list of them.

    Raises
    ------
    BadParameter
        There is no such view, or one is named twice.
    """
    from morelli.attributors.fitting import DEGRADED_VIEWS
    from morelli.views import parse_view

    words = split_words(text, empty=True)
    names = [name for word in words for name in (DEGRADED_VIEWS if word == "degraded" else [word or "none"])]
    try:
        views = [parse_view(name).name for name in names]
    except MorelliError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    twice = sorted({name for name in views if views.count(name) > 1})
    if twice:
        raise typer.BadParameter(f"named twice: {', '.join(twice)}", param_hint=option)
    return views


def check_output(path: Path, *, folder: bool = False) -> None:
    """Refuse a place that cannot be written to, before an hour of work is done for it.

    Raises
    ------
    MorelliError
        There is a folder where a file shall be written or the reverse, or the folder around it is not writable.
    """
    if folder and path.exists() and not path.is_dir():
        raise MorelliError(f"{path} is a file; name a folder to write to.")
    if not folder and path.is_dir():
        raise MorelliError(f"{path} is a folder; name the file to write.")
    around = next(place for place in (path, *path.absolute().parents) if place.exists() and (folder or place != path))
    if not around.is_dir():
        raise MorelliError(f"{around} is a file, so that nothing can be written below it.")
    if not os.access(around, os.W_OK):
        raise MorelliError(f"{around}: this folder cannot be written to.")


def tell_study(
    written: Path, as_json: bool, table: Callable[[], Table], headline: str, notes: Sequence[str], files: Sequence[str]
) -> None:
    """Print what a study came to: its JSON file, or a table, a sentence, notes and where its page is.

    Parameters
    ----------
    written : Path
        Folder.
    as_json : bool
    table : callable
        Makes the table, which is not needed for JSON.
    headline : str
    notes : sequence of str
    files : sequence of str
        In the folder; one of them ends in ``.json``.
    """
    if as_json:
        document = next(name for name in files if name.endswith(".json"))
        typer.echo((written / document).read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console

    Console().print(table())
    typer.echo(headline)
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Written to {written}: {', '.join(files)}")


@contextmanager
def progress(what: str, *, rate: bool = False, lines_every: float | None = None) -> Iterator[Progress]:
    """Show a bar on standard error while the block runs; where that is not a terminal, nothing, or a line now and then.

    Parameters
    ----------
    what : str
        Stands before the bar.
    rate : bool
        Whether the bar says how many are done in a second.
    lines_every : float, optional
        Seconds between two lines where there is no terminal; by default there are none.
    """
    if lines_every is not None and not sys.stderr.isatty():
        yield _lines_of_progress(lines_every)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn("{task.fields[rate]}")] if rate else []
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, rate="")
        began = time.monotonic()

        def show(done: int, total: int) -> None:
            a_second = done / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=done, total=total, rate=f"{a_second:.3g}/s")

        yield show


def _lines_of_progress(every: float) -> Progress:
    """Return what writes a line with counts and rate, at most once in so many seconds."""
    began = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every:
            last = now
            typer.echo(f"{done:,} of {total:,} images, {done / (now - began):.3g} a second", err=True)

    return tell


@contextmanager
def progress_of_asking() -> Iterator[None]:
    """Show a bar while models are asked; it appears with the first answer."""
    from morelli.attributors.mllm.asking import watching

    with ExitStack() as stack:
        bars: list[Progress] = []

        def report(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress("Asking")))
            bars[0](done, total)

        with watching(report):
            yield
