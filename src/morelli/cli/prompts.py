"""``morelli prompts``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import check_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from morelli.studies.prompts import Prompt

__all__ = ["prompts"]

COLUMNS = ("domain", "prompt_id", "prompt")


def prompts(
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="NAME", help="One of the ten domains.", show_default="all of them")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, metavar="N", help="Prompts for each domain.")] = 300,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the draw.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.csv|FILE.jsonl",
            help="File to write, CSV or a JSON object per line.",
            show_default="CSV to standard output",
        ),
    ] = None,
) -> None:
    """Write minimal prompts for the study of domains.

    The domains are animals, vehicles, arts and works, landscapes, foods and drinks, clothing, interior spaces,
    household items, buildings, and people. A prompt names a thing, a thing in a place, or a thing doing something,
    without adjectives, viewpoints, styles or a story, so that everything else is the model's choice.

    Give the same prompts to every model, and keep domain and prompt_id in the catalog of the images: they become its
    columns. Prompts for a smaller number are the first of those for a larger one.

    Examples:

        morelli prompts -o prompts.csv
        morelli prompts --domain "foods and drinks" -n 20
        morelli prompts -n 50 --seed 1 -o prompts.jsonl
    """
    if output is not None:
        if output.suffix.lower() not in (".csv", ".jsonl"):
            raise typer.BadParameter("name a file that ends in .csv or .jsonl", param_hint="--output")
        check_output(output)

    from morelli._files import write_text
    from morelli.studies.prompts import domain_prompts

    drawn = domain_prompts(domain, n, seed)
    if output is None:
        typer.echo(_csv(drawn), nl=False)
        return
    write_text(output, _csv(drawn) if output.suffix.lower() == ".csv" else _json_lines(drawn))
    typer.echo(f"Written to {output}: {len(drawn)} prompts of {len({prompt.domain for prompt in drawn})} domains")


def _csv(drawn: Sequence[Prompt]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((prompt.domain, prompt.prompt_id, prompt.text) for prompt in drawn)
    return stream.getvalue()


def _json_lines(drawn: Sequence[Prompt]) -> str:
    rows = (dict(zip(COLUMNS, (prompt.domain, prompt.prompt_id, prompt.text), strict=True)) for prompt in drawn)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
