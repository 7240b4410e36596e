"""``morelli ask presence | account``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    ImagesArgument,
    NoCacheOption,
    SplitOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
    progress_of_asking,
)
from morelli.cli._run import register
from morelli.errors import MorelliError

if TYPE_CHECKING:
    from morelli.attributors.mllm.evaluators import Evaluator
    from morelli.catalog import Catalog

__all__ = ["app"]

SUMMARY = "Ask multimodal models about images, and see what that has cost."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

EndpointOption = Annotated[
    Path,
    typer.Option("--endpoint", "-e", metavar="FILE", help="TOML or JSON with a table of settings for each evaluator."),
]
EvaluatorOption = Annotated[
    str | None,
    typer.Option("--evaluator", metavar="NAME", help="Which of them.", show_default="the only one in the file"),
]


def presence(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv", help="Table to write.")],
    endpoint: EndpointOption,
    evaluator: EvaluatorOption = None,
    column: Annotated[
        str, typer.Option("--column", metavar="COLUMN", help="Column that holds the domain of each image.")
    ] = "domain",
    domains: Annotated[
        str | None,
        typer.Option(
            "--domains", metavar="NAMES", help="Domains, separated by commas.", show_default="those of the column"
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Ask about all domains at once: cheaper, and less independent.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many questions there are, and what they may cost.")
    ] = False,
    split: SplitOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Ask about each image which domains it shows, for the study of domains; morelli presence asks a small network.

    Each question is about one image and one domain: does it show an element of it? Yes, no or unsure. The table is for
    morelli study domains with --join presence.csv --set presence=shows, which compares how often images of one domain
    show another with how well learning carries over from one to the other. An image without an answer to one of its
    questions is left out there.

    Answers are kept, so that the same command goes on where it stopped and a second time costs nothing. docs/mllm.md
    describes the file of endpoints.

    Examples:

        morelli ask presence images.parquet -o presence.csv -e endpoints.toml --dry-run
        morelli ask presence images.parquet -o presence.csv -e endpoints.toml
        morelli ask presence images.parquet -o presence.csv -e endpoints.toml --together
    """
    if output.suffix.lower() != ".csv":
        raise typer.BadParameter("name a file that ends in .csv", param_hint="--output")
    check_output(output)
    from morelli.studies.presence import write_presence
    from morelli.studies.presence_questions import SHOWN, as_presence, ask_presence, forecast_presence

    who = _chosen(endpoint, evaluator)
    images = open_catalog(catalog, split)
    names = split_words(domains) if domains is not None else _domains_of(images, column)
    if dry_run:
        typer.echo(forecast_presence(images, names, who, together=together))
        return
    store = open_cache(cache, no_cache)
    with progress("Reading images") as measuring, progress_of_asking():
        matrix, tally = ask_presence(images, names, who, together=together, cache=store, measuring=measuring)
    write_presence(as_presence(images, names, matrix), [SHOWN] * len(names), output, scores=True)
    typer.echo(tally.words())
    typer.echo(f"Written to {output}: morelli study domains --join {output} --set presence=shows")


def account(endpoint: EndpointOption) -> None:
    """Show what asking has cost so far, by evaluator, over all runs.

    Requests that were lost on the way, or whose process was killed, may have cost something: they are listed at their
    highest, and count against the budget.

    Examples:

        morelli ask account -e endpoints.toml
    """
    from rich.console import Console
    from rich.table import Table

    from morelli.attributors.mllm.asking import open_account
    from morelli.attributors.mllm.evaluators import read_evaluators
    from morelli.attributors.mllm.settings import Endpoint

    table = Table(
        "evaluator", "requests", "tokens read", "tokens written", "money", "uncertain", "at most", "budget",
        box=None, padding=(0, 2), header_style="bold",
    )  # fmt: skip
    here = []
    for who in read_evaluators(endpoint):
        if not isinstance(who.who, Endpoint):
            here.append(who.name)
            continue
        state = open_account(who.who).statement()
        budget = "none" if who.who.budget is None else f"{who.who.budget:g}"
        money, most = f"{state.money:.4f}", f"{state.money_uncertain:.4f}"
        counts = (f"{value:,}" for value in (state.requests, state.tokens_in, state.tokens_out))
        table.add_row(who.name, *counts, money, f"{state.uncertain:,}", most, budget)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)  # whoever reads a file has no edge of the screen
    if table.row_count:
        console.print(table)
    for name in here:
        typer.echo(f"{name} runs in the process of whoever asks it, has no account and costs nothing.")


def _chosen(path: Path, name: str | None) -> Evaluator:
    from morelli.attributors.mllm.evaluators import read_evaluators

    found = {who.name: who for who in read_evaluators(path)}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        asked = "Several evaluators are" if name is None else f'No evaluator "{name}" is'
        raise MorelliError(f"{asked} in {path}; name one by --evaluator: {', '.join(found)}.")
    return found[name]


def _domains_of(catalog: Catalog, column: str) -> list[str]:
    codes, values = catalog.codes(column)
    if not (codes >= 0).any():
        raise MorelliError(f'The column "{column}" is empty; name another by --column, or domains by --domains.')
    return [str(value) for value in values]


register(app, "presence", presence, resumes=True)
register(app, "account", account)
