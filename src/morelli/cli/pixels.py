"""``morelli pixels train | evaluate | explain | export | show``."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli.cli._common import (
    ImagesArgument,
    LabelOption,
    MapsOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_catalog,
    progress,
)
from morelli.cli._evaluation import (
    EvaluationJsonOption,
    EvaluationOutput,
    EvaluationSeedOption,
    tell_evaluation,
)
from morelli.cli._maps import CandidateOption, ImagesToExplain, JsonOption, MapsOutput, StrictOption, draw_maps
from morelli.cli._run import register

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from morelli.attributors.pixels import Recipe
    from morelli.cli._maps import Progress
    from morelli.explain import TraceMap

__all__ = ["app"]

SUMMARY = "Train a ConvNeXt on pixels, measure it, and export it."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

NetworkArgument = Annotated[
    Path, typer.Argument(metavar="NETWORK", help="Folder that morelli pixels train wrote, or the network's file.")
]


class RecipeName(StrEnum):
    """Recipes to begin from."""

    PUBLISHED = "published"
    FEW = "few"
    PROCESSOR = "processor"


class Device(StrEnum):
    """Where a network is run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


DeviceOption = Annotated[
    Device,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu or cuda; auto takes $MORELLI_DEVICE, or a CUDA device if there is one.",
    ),
]


def train(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the network and its log.")],
    recipe: Annotated[
        RecipeName,
        typer.Option(
            "--recipe",
            metavar="NAME",
            help="published: for a hundred thousand images; few: in steps of 64 images; processor: small and quick.",
        ),
    ] = RecipeName.PUBLISHED,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="NAME",
            help="atto, femto, pico, nano, tiny, small, base, or depths and widths.",
            show_default="of the recipe",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(
            "--side", metavar="N", help="Pixels that the network sees, 32 to 384.", show_default="of the recipe"
        ),
    ] = None,
    patches: Annotated[
        int | None,
        typer.Option(
            "--patches",
            metavar="N",
            help="Learn from so many native patches of each image: 4, 9, 16 ...",
            show_default="the whole image, resized",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, metavar="N", help="Passes over all images.", show_default="of the recipe"),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, metavar="N", help="Images of a step.", show_default="of the recipe"),
    ] = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            "--at-once", min=1, metavar="N", help="Images that a device sees at once.", show_default="of the recipe"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting of the recipe; may be repeated."),
    ] = None,
    label: LabelOption = "model",
    split: SplitOption = None,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out", min=0.02, max=0.5, metavar="SHARE", help="Prompts that only calibration sees, as a share."
        ),
    ] = 0.1,
    level: Annotated[
        float, typer.Option("--level", min=0.5, max=0.999, metavar="SHARE", help="Coverage of the prediction sets.")
    ] = 0.9,
    device: DeviceOption = Device.AUTO,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, metavar="N", help="Threads that augment images.", show_default="one per processor"
        ),
    ] = None,
    workers: WorkersOption = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write events for TensorBoard too.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of weights, order and augmentation.")] = 0,
) -> None:
    """Train a ConvNeXt on labelled images, from scratch.

    The recipe is the published one of the paper's line of work, which is for a hundred thousand images, unless --recipe
    or --set say otherwise; what a network was trained with is told by "morelli pixels show". Images are decoded once,
    into one file in the folder. The state is kept every minute: the same command goes on where it stopped. A training
    whose loss has not left ln(number of models) after three tenths of its steps ends with advice.

    With --patches nothing is resized: the network sees patches of --side native pixels, and an image is judged by the
    mean over its patches. Recipes leave random resized crops and RandAugment out then.

    Several GPUs: torchrun --nproc-per-node 2 -m morelli pixels train ...

    Examples:

        morelli pixels train references.parquet -o network/ --recipe few
        morelli pixels train references.parquet -o network/ --recipe processor
        morelli pixels train references.parquet -o network/ --split train --size atto --side 96
        morelli pixels train references.parquet -o network/ --recipe processor --patches 16 --side 64
        morelli pixels train references.parquet -o network/ --recipe few --epochs 100 --set mixup=0
        morelli pixels train references.parquet -o network/ --at-once 256 --device cuda --tensorboard
    """
    check_output(output, folder=True)
    named = {"size": size, "side": side, "epochs": epochs, "batch": batch, "at_once": at_once}
    chosen = _recipe(recipe.value, {k: v for k, v in named.items() if v is not None}, settings or [], patches)

    from morelli.attributors.pixels.catalogs import Plan, train_network
    from morelli.attributors.pixels.training import TrainingState

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are decoded

    def tell(plan: Plan) -> None:
        schedule = plan.schedule
        typer.echo(
            f"{'Going on' if plan.resumed else 'Training'}: {plan.images} images of {plan.classes} classes as "
            f"{plan.layout} ({plan.held_out} more for calibration), {schedule.steps} steps of {schedule.images}, "
            f"learning rate up to {schedule.highest:.3g}, on {plan.device}.",
            err=True,
        )
        for note in plan.notes:
            typer.echo(f"Note: {note}", err=True)

    with progress("Decoding, then training") as report:

        def step(state: TrainingState) -> None:
            report(state.step, state.steps)

        model = train_network(
            images,
            output,
            recipe=chosen,
            layout=None if patches is None else f"patches-{chosen.side}x{patches}",
            label=label,
            held_out=held_out,
            level=level,
            seed=seed,
            device=device.value,
            threads=threads,
            workers=workers,
            tensorboard=tensorboard,
            decoding=report,
            planned=tell,
            progress=step,
        )
    if os.environ.get("RANK", "0") != "0":  # torchrun started several, and the first one speaks
        return
    facts = model.training
    typer.echo(
        f"{len(model.classes)} classes, {model.n_parameters / 1e6:.1f} M weights, {model.steps} steps; "
        f"{facts.accuracy:.1%} of the held-out images right."
    )
    for note in facts.notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Written to {output}: network.safetensors, log.csv")


def _recipe(name: str, named: dict[str, Any], settings: list[str], patches: int | None) -> Recipe:
    """Return a recipe with what the options change."""
    from morelli.attributors.pixels.recipe import RECIPES, native

    texts = {}
    for text in settings:
        key, equal, value = text.partition("=")
        if not equal:
            raise typer.BadParameter(f"{text!r} is not written NAME=VALUE", param_hint="--set")
        if key in named or key in texts:
            raise typer.BadParameter(f"{key} is given twice", param_hint="--set")
        texts[key] = value
    recipe = RECIPES[name]
    if patches is not None:
        recipe = native(recipe, int(named.get("side", 64)))
    return recipe.with_settings(named).read_settings(texts)


def evaluate(
    network: NetworkArgument,
    catalog: ImagesArgument,
    output: EvaluationOutput,
    split: SplitOption = None,
    device: DeviceOption = Device.AUTO,
    seed: EvaluationSeedOption = 0,
    maps: MapsOption = 0,
    as_json: EvaluationJsonOption = False,
    workers: WorkersOption = None,
) -> None:
    """Measure how good a network is on labelled images; write predictions, metrics and a page.

    The figures are those of morelli evaluate. On a processor the network is run without torch. With --maps, the page
    shows on which regions the surest right and the surest wrong answers hang (see morelli pixels explain).

    Examples:

        morelli pixels evaluate network/ held-out.parquet -o report/ --maps 12
        morelli pixels evaluate network/ all.parquet --split test -o report/ --json
    """
    check_output(output, folder=True)

    from morelli.attributors.pixels import PixelModel
    from morelli.explain import explain_network
    from morelli.report import evaluation_maps, write_evaluation
    from morelli.trials.pixels import evaluate_network, network_notes

    model, images = PixelModel.load(network, device=device.value), open_catalog(catalog, split)
    images.column(model.label)  # refuses a column that there is not, before the images are decoded
    with progress("Decoding images") as report:
        predictions = evaluate_network(model, images, workers=workers, progress=report)
    cards = []
    if maps:
        with progress("Explaining answers") as report:
            cards = evaluation_maps(partial(explain_network, model), predictions, maps, progress=report)
    title = f"ConvNeXt-{model.recipe.size} on {model.layout}"
    metrics, notes = write_evaluation(
        predictions,
        images,
        output,
        title=title,
        label=model.label,
        notes=network_notes(model, images),
        seed=seed,
        target_coverage=model.doubting.conformal.level,
        maps=cards,
    )
    tell_evaluation(metrics, notes, output, title, as_json)


def explain(
    network: NetworkArgument,
    images: ImagesToExplain,
    output: MapsOutput,
    candidate: CandidateOption = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="NAME", help="Who else may have made it.", show_default="all others"),
    ] = None,
    square: Annotated[
        int | None,
        typer.Option(
            "--square",
            min=2,
            metavar="PIXELS",
            help="Side of the squares that cover, an even number, in pixels of what the network sees.",
            show_default="about a quarter of it",
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    as_json: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Show which regions of an image the answer of a network hangs on.

    The image is covered square by square, and what the candidate's probability loses is the square's value. A network
    sees the middle square of an image, and the map covers no more. Networks on native patches see no whole picture, and
    cannot be asked. For every image there is a .png and a .json, as of morelli explain; see docs/explain.md.

    Examples:

        morelli pixels explain network/ suspect.png -o suspect-map.png
        morelli pixels explain network/ campaign/ -o maps/ --candidate flux-dev --against sdxl
    """
    from morelli.attributors.pixels import PixelModel
    from morelli.explain import check_request, explain_network

    model = PixelModel.load(network, device=device.value)
    check_request((), model.classes, candidate, against, None)

    def look(pixels: NDArray[np.uint8], report: Progress) -> TraceMap:
        return explain_network(model, pixels, candidate=candidate, against=against, side=square, progress=report)

    title = f"ConvNeXt-{model.recipe.size} on {model.layout}"
    draw_maps(
        look,
        images,
        output,
        facts={"network": {"name": title, "signature": model.signature}},
        title=f"What {title} hangs on",
        as_json=as_json,
        strict=strict,
    )


def export(
    network: NetworkArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Write a network to an ONNX file, which onnxruntime runs without torch.

    The file takes uint8 pictures and gives the logarithms of probabilities; how pictures are cut from images, the
    classes and the calibration are in its metadata, which PortableNetwork reads.

    Examples:

        morelli pixels export network/ -o network.onnx
    """
    check_output(output)

    from morelli.attributors.pixels import PixelModel

    PixelModel.load(network, device="cpu").export(output)
    typer.echo(f"Written to {output}")


def show(
    network: NetworkArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a network is, and what it was trained with.

    Examples:

        morelli pixels show network/
        morelli pixels show network/ --json | jq .recipe
    """
    from rich.console import Console
    from rich.table import Table

    from morelli._text import safe_text
    from morelli.attributors.pixels import PixelModel

    facts = PixelModel.load(network, device="cpu").describe()
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    table = Table(show_header=False, box=None)
    training, recipe = facts["training"], facts["recipe"]
    rows = {
        "network": f"{recipe['kind']} {recipe['size']}, {facts['parameters'] / 1e6:.1f} M weights",
        "side": f"{recipe['side']} pixels",
        "sees": facts["layout"],
        "label": facts["label"],
        "classes": ", ".join(f"{name} ({training['n_images'][name]})" for name in facts["classes"]),
        "trained": f"{facts['steps']} steps, {recipe['epochs']} epochs, seed {facts['seed']}, {facts['made_with']}",
        "held out": f"{training['accuracy']:.1%} right, log loss {training['log_loss']:.3f}",
        "calibration": facts["calibration"]["reason"],
        "recipe": ", ".join(f"{name}={value}" for name, value in recipe.items()),
        "notes": " ".join(training["notes"]),
    }
    for name, value in rows.items():
        table.add_row(safe_text(name, "bold"), safe_text(str(value)))
    Console().print(table)


register(app, "train", train, resumes=True)
register(app, "evaluate", evaluate)
register(app, "explain", explain)
register(app, "export", export)
register(app, "show", show)
