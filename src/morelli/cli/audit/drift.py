"""``morelli audit drift``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    EncoderOption,
    NoCacheOption,
    PromptFrom,
    PromptFromOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
    rows_of,
)
from morelli.cli._sections import SeedOption, tell_sections
from morelli.cli.audit.campaign import CONDITION_HOLDS

if TYPE_CHECKING:
    from morelli.catalog import Catalog

__all__ = ["drift"]

FAIL_ON = ("changed",)


def drift(
    reference: Annotated[
        Path,
        typer.Argument(metavar="REFERENCE", help="Images from before: a catalog, a folder, or a table with paths."),
    ],
    new: Annotated[
        Path | None,
        typer.Argument(metavar="[NEW]", help="Images of now, likewise; not with --models.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, tables and figures.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Compare only the images of this model.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option("--models", metavar="A,B", help="Compare two values of the label in one catalog: before, now."),
    ] = None,
    label: Annotated[
        str, typer.Option("--label", metavar="COLUMN", help="Column that --models names values of: model, version ...")
    ] = "model",
    design: Annotated[
        str,
        typer.Option(
            "--design", metavar="WORD", help="paired: same prompts only; grouped: prompts as they are; or auto."
        ),
    ] = "auto",
    rate: Annotated[
        float, typer.Option("--rate", min=1e-6, max=0.5, metavar="SHARE", help="Rate of false alarms, over all looks.")
    ] = 0.05,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="Earlier looks at this model; this one is added."),
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="WORD", help="changed: end with status 3 if a change is found.")
    ] = None,
    prompt_from: PromptFromOption = None,
    encoder: EncoderOption = None,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    seed: SeedOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say whether a model has changed: two samples of its images compared by every family of traces.

    Where both samples have images of the same prompts, only these are compared, pairwise: 6 prompts are the least.
    Each p-value comes from dealing the labels anew, so that the rate of false alarms is exact; what is not found is
    told with the change that would have been. For several looks at one model keep a history: then the rate holds for
    all of them together, however many there will be.

    Examples:

        morelli audit drift may.parquet june.parquet --model sdxl -o drift/
        morelli audit drift gallery.parquet --models "hunyuan-1.1,hunyuan-1.2" -o drift/
        morelli audit drift before/ now/ --prompt-from stem --history looks.json --fail-on changed
    """
    for path in (output, history):
        if path is not None:
            check_output(path, folder=path is output)
    if fail_on is not None and fail_on not in FAIL_ON:
        raise typer.BadParameter(f"{fail_on!r} is none of {', '.join(FAIL_ON)}", param_hint="--fail-on")

    from morelli.audit.drift import DESIGNS, detect_drift, drift_section, read_looks, write_looks

    if design not in DESIGNS:
        raise typer.BadParameter(f"{design!r} is none of {', '.join(DESIGNS)}", param_hint="--design")
    if models is not None:
        names = _two(models)
        if new is not None:
            raise typer.BadParameter("--models names two samples of one catalog: give no second one", param_hint="NEW")
        whole = _of_model(open_catalog(reference, prompt_from=prompt_from), model, reference)
        samples = [rows_of(whole, label, name, reference) for name in names]
    else:
        if new is None:
            raise typer.BadParameter("name the images of now, or two models of one catalog", param_hint="NEW")
        names = (reference.name or str(reference), new.name or str(new))
        samples = [_of_model(_images(path, model, prompt_from), model, path) for path in (reference, new)]
    looks = None if history is None else read_looks(history, rate)
    with progress("Measuring") as bar:
        found = detect_drift(
            *samples, names=names, encoder=encoder, cache=open_cache(cache, no_cache), workers=workers, progress=bar,
            design=design, rate=rate, looks=looks, seed=seed,
        )  # fmt: skip
    if history is not None:
        write_looks(history, found.looks, rate)
    section = drift_section(found)
    settings = {"design": design, "rate": rate, "seed": seed, "encoder": found.encoder, "model": model, "label": label}
    tell_sections([section], output, as_json, title=f"{names[0]} and {names[1]}", provenance=settings, desk="audit")
    if fail_on == "changed" and found.test.changed:
        raise typer.Exit(CONDITION_HOLDS)


def _images(path: Path, model: str | None, prompt_from: PromptFrom | None) -> Catalog:
    """Open a sample; images of a folder without folders in it are of one model, whatever that is called."""
    return open_catalog(path, model=model or path.resolve().name, prompt_from=prompt_from)


def _two(text: str) -> tuple[str, str]:
    names = split_words(text)
    if len(names) != 2 or names[0] == names[1]:
        raise typer.BadParameter(f"{text!r} is not two different names", param_hint="--models")
    return names[0], names[1]


def _of_model(catalog: Catalog, model: str | None, source: Path) -> Catalog:
    return catalog if model is None else rows_of(catalog, "model", model, source)
