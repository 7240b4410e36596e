"""``morelli leaderboard defend``, ``perturb`` and ``defences``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    ImagesArgument,
    LabelOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    parse_views,
    progress,
)
from morelli.cli._sections import FolderOption, SeedOption, tell_sections
from morelli.cli.leaderboard._telling import JsonOption, numbers

if TYPE_CHECKING:
    from morelli.leaderboard.defence import SurrogateEncoder

__all__ = ["defences", "defend", "perturb"]

SurrogatesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--surrogate",
        metavar="FOLDER",
        help="Network in the hub's format that perturbations are made against; may be given several times.",
    ),
]
StepsOption = Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Steps of a perturbation.")]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="Where surrogates run: auto, cpu or cuda.")]


def defend(
    catalog: ImagesArgument,
    output: FolderOption,
    chosen: Annotated[
        str | None,
        typer.Option(
            "--defences",
            metavar="NAMES",
            help='What is judged, see "morelli leaderboard defences"; any view is a defence too.',
            show_default="all that need no network",
        ),
    ] = None,
    epsilon: Annotated[
        str | None,
        typer.Option(
            "--epsilon",
            metavar="NUMBERS",
            help="Bounds of perturbations that are judged too, 1 to 16 of 255; they need --surrogate.",
            show_default="none",
        ),
    ] = None,
    surrogate: SurrogatesOption = None,
    white_box: Annotated[
        bool, typer.Option("--white-box", help="Let a surrogate be the attack's own encoder; the report says so.")
    ] = False,
    steps: StepsOption = 20,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", metavar="NAME", help="The attack's; of a pretrained network its embedding of the whole image."
        ),
    ] = "clip-vit-b16.openai-int8",
    prompts: Annotated[
        int, typer.Option("--prompts", min=1, metavar="N", help="Prompts, those with the most models first.")
    ] = 8,
    references: Annotated[
        int, typer.Option("--references", min=1, metavar="K", help="The attacker's, of each model for a prompt.")
    ] = 3,
    shown: Annotated[
        int, typer.Option("--shown", min=1, metavar="N", help="Judged images of each model for a prompt.")
    ] = 1,
    draws: Annotated[int, typer.Option("--draws", min=1, metavar="N", help="Times that images are dealt anew.")] = 1,
    purify: Annotated[
        str | None,
        typer.Option(
            "--purify",
            metavar="VIEWS",
            help="What attackers who know put images through.",
            show_default="jpeg:75,blur:1,downup:0.5",
        ),
    ] = None,
    label: LabelOption = "model",
    split: SplitOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure what hides the models of a leaderboard, against attackers who know it, and what it costs the pictures.

    Every defence is judged by an attacker who does not know it and by several who do: they put their references through
    the same defence, or all images through a view that takes the defence away again, or both. Embeddings are costly,
    hence a few prompts and references; --prompts, --references, --shown and --draws raise them.

    Examples:

        morelli leaderboard defend images.parquet -o defence/
        morelli leaderboard defend images.parquet -o defence/ --defences jpeg,blur:1,balance --references 5
        morelli leaderboard defend images.parquet -o defence/ --epsilon 2,4,8 --surrogate dinov2/
    """
    check_output(output, folder=True)
    views = None if purify is None else parse_views(purify, "--purify")
    bounds = [] if epsilon is None else numbers(epsilon, "--epsilon", float)
    if surrogate and not bounds:
        raise typer.BadParameter("name the bounds of perturbations with --epsilon", param_hint="--surrogate")

    from morelli.leaderboard.defence import PURIFYING_VIEWS, Perturbing, get_defence
    from morelli.leaderboard.defence.defending import defend as run
    from morelli.leaderboard.embedding import attack_encoder

    names = None if chosen is None else [get_defence(name).name for name in split_words(chosen)]
    measures = attack_encoder(encoder)
    surrogates = _open(surrogate, device)
    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    with progress("Measuring") as report:
        made = run(
            images,
            measures,
            defences=names,
            epsilons=bounds,
            surrogates=surrogates,
            perturbing=Perturbing(steps=steps),
            white_box=white_box,
            label=label,
            prompts=prompts,
            references=references,
            shown=shown,
            draws=draws,
            purifying=PURIFYING_VIEWS if views is None else views,
            seed=seed,
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=lambda _, done, total: report(done, total),
        )
    tell_sections(
        [made.section()],
        output,
        as_json,
        title=f"Defences of {catalog.name}",
        provenance={
            "catalog": images.fingerprint,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "label": label,
            "prompts": prompts,
            "references": references,
            "shown": shown,
            "draws": draws,
            "seed": seed,
        },
    )


def perturb(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for images and their catalog.")],
    surrogate: SurrogatesOption = None,
    epsilon: Annotated[
        float, typer.Option("--epsilon", min=1.0, max=16.0, metavar="E", help="Bound on every level, of 255.")
    ] = 8.0,
    steps: StepsOption = 20,
    batch: Annotated[
        int, typer.Option("--batch", min=1, metavar="N", help="Images that go through the networks together.")
    ] = 8,
    label: LabelOption = "model",
    split: SplitOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
) -> None:
    """Write images that were moved a little, so that encoders take them for another model's.

    Levels change by the bound at most. Images of one prompt by two models or more are perturbed, as PNG files with a
    catalog beside them. What such images are worth against an attacker who knows is measured by "morelli leaderboard
    defend --epsilon".

    Examples:

        morelli leaderboard perturb images.parquet -o hidden/ --surrogate dinov2/ --surrogate siglip/
    """
    check_output(output, folder=True)
    if not surrogate:
        raise typer.BadParameter("name one network or more to perturb against", param_hint="--surrogate")

    from morelli.leaderboard.defence import Perturbing, perturb_catalog

    settings = Perturbing(epsilon=epsilon, steps=steps, batch=batch)
    surrogates = _open(surrogate, device)
    images = open_catalog(catalog, split)
    images.column(label)
    with progress("Perturbing") as report:
        made = perturb_catalog(images, output, surrogates, settings, label=label, seed=seed, progress=report)
    typer.echo(f"{len(made)} images, changed by {epsilon:g} of 255 at most, written to {output}: perturbed.parquet")


def defences() -> None:
    """List the defences that need no network.

    Any view, or a chain of views, is a defence too: see "morelli views". Perturbations are asked for with --epsilon.

    Examples:

        morelli leaderboard defences
    """
    from rich.console import Console
    from rich.table import Table

    from morelli.leaderboard.defence import list_defences

    table = Table("defence", "changes", "what it does", "view", box=None, padding=(0, 2), header_style="bold")
    for defence in list_defences():
        table.add_row(defence.name, defence.changes, defence.summary, defence.view or "")
    Console().print(table)


def _open(folders: list[Path] | None, device: str) -> list[SurrogateEncoder]:
    if not folders:
        return []
    from morelli.leaderboard.defence import SurrogateEncoder

    return [SurrogateEncoder.of_folder(folder, device=device) for folder in folders]
