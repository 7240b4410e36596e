"""``morelli evaluate``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from morelli.cli._common import (
    BundleArgument,
    CacheOption,
    ImagesArgument,
    MapsOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    parse_views,
    progress,
)
from morelli.cli._evaluation import (
    EvaluationJsonOption,
    EvaluationOutput,
    EvaluationSeedOption,
    tell_evaluation,
)

__all__ = ["evaluate"]


def evaluate(
    bundle: BundleArgument,
    catalog: ImagesArgument,
    output: EvaluationOutput,
    split: SplitOption = None,
    view: Annotated[
        str,
        typer.Option("--view", metavar="VIEW", help="See the images through a view, such as scale:0.5|jpeg:85."),
    ] = "none",
    seed: EvaluationSeedOption = 0,
    maps: MapsOption = 0,
    as_json: EvaluationJsonOption = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure how good a bundle is on labelled images; write predictions, metrics and a page.

    Images of models that are no candidates of the bundle measure how well unknown models are told. Images and prompts
    that the bundle was fitted to are counted and named in the notes. With --view, the images are judged as they would
    look after that treatment. With --maps, the page shows where in the images the evidence lies, for the surest right
    answers and the surest wrong ones.

    Examples:

        morelli evaluate candidates.morelli held-out.parquet -o report/
        morelli evaluate candidates.morelli held-out.parquet --view "scale:0.5|jpeg:85" -o halved/
        morelli evaluate candidates.morelli all.parquet --split test -o report/ --json
        morelli evaluate candidates.morelli held-out.parquet -o report/ --maps 12
    """
    check_output(output, folder=True)
    names = parse_views(view, "--view")
    if len(names) != 1:
        raise typer.BadParameter("name one view", param_hint="--view")

    from morelli.attributors import Bundle
    from morelli.report import evaluation_maps, write_evaluation
    from morelli.trials import evaluate as run
    from morelli.trials import overlap_notes

    loaded, images = Bundle.load(bundle), open_catalog(catalog, split)
    images.column(loaded.label)  # refuses a column that there is not, before the images are measured
    notes = [*loaded.notes, *overlap_notes(loaded, images)]
    if names != ["none"]:
        notes.insert(0, f"All images were judged as seen through the view {names[0]}.")
    with progress("Measuring images") as report:
        predictions = run(
            loaded, images, view=names[0], cache=open_cache(cache, no_cache), workers=workers, progress=report
        )
    cards = []
    if maps:
        from morelli.explain import explain

        with progress("Explaining answers") as report:
            cards = evaluation_maps(partial(explain, loaded), predictions, maps, view=names[0], progress=report)
    title = f"{loaded.name} {loaded.version}"
    metrics, notes = write_evaluation(
        predictions,
        images,
        output,
        title=title,
        label=loaded.label,
        notes=notes,
        seed=seed,
        target_coverage=loaded.attributor.level,
        maps=cards,
    )
    tell_evaluation(metrics, notes, output, title, as_json)
