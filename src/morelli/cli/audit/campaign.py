"""``morelli audit campaign``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from morelli._text import printable, safe_text, split_words
from morelli.cli._common import BundleArgument, WorkersOption, check_output, progress
from morelli.cli._ledger import open_ledger, who
from morelli.cli._provenance import AliasesOption, LineageOption, TrustAnchorsOption, settings_of

if TYPE_CHECKING:
    from morelli.audit.campaign import CampaignAudit

__all__ = ["CONDITION_HOLDS", "FAIL_ON", "campaign"]

CONDITION_HOLDS: Final = 3
"""Exit status where a condition of --fail-on holds: 1 is an error, 2 a mistake in the command line."""

FAIL_ON: Final = ("inconsistent", "undecided", "part", "conflict", "unknown", "unreadable")
"""Conditions that a pipeline can stop at."""

_LINE_EVERY: Final = 30.0
"""Seconds between two lines of progress where standard error is no terminal."""


def campaign(
    bundle: BundleArgument,
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The campaign: a folder, or a manifest or catalog of images."),
    ],
    claimed: Annotated[
        str, typer.Option("--claimed", metavar="MODEL[,MODEL]", help="Candidates that may have made the images.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, the files and the records.")
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN[,COLUMN]",
            help="Also audit part by part: folder, folder:2 (two levels), or columns of a manifest; dates by month.",
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--level", metavar="P", help="How often an honest set may be called inconsistent.")
    ] = 0.05,
    real: Annotated[
        str | None,
        typer.Option("--real", metavar="CLASS[,CLASS]", help="Candidates that stand for real photographs."),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option("--references", metavar="CATALOG", help="Also find images that nearly are among these."),
    ] = None,
    trust_anchors: TrustAnchorsOption = None,
    aliases: AliasesOption = None,
    lineage: LineageOption = None,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers", metavar="NAMES", help="Layers of provenance to examine.", show_default="all that there are"
        ),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=100, metavar="N", help="Simulated sets in each test.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of all random draws.")] = 0,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITIONS",
            help=f"Exit with status {CONDITION_HOLDS} if one holds: {', '.join(FAIL_ON)}.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="LEDGER",
            help="Also record verdicts that a person should look at: a SQLite file, or postgresql://user@host/database.",
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Judge all images again, whatever DIR holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit without single images as JSON.")] = False,
    workers: WorkersOption = None,
) -> None:
    """Audit a folder of images against a claim: were they made by what the contract says, and by what else.

    Every image goes through the whole stack, what is declared about it first and then its pixels. Then the set speaks,
    where few images per item become certainty: whether it is consistent with the claim, which images contradict it,
    what it is mixed of, and which unknown sources it has. The answer is one of "consistent with the claim", "not
    consistent with the claim" and "cannot be told", never a proof.

    An interrupted audit goes on where it stopped; another claim, level or column judges no image twice. Conditions of
    --fail-on: the whole set is inconsistent, or undecided; a part is inconsistent; an image has a conflict, is unknown,
    or unreadable.

    Examples:

        morelli audit campaign approved.morelli campaign/ --claimed flux-dev -o audit/
        morelli audit campaign approved.morelli assets.csv --claimed sdxl,sd3 --by vendor,date -o audit/
        morelli audit campaign approved.morelli drop/ --claimed sdxl -o audit/ --fail-on inconsistent
        morelli audit campaign approved.morelli drop/ --claimed sdxl -o audit/ --json | jq .claim
        morelli audit campaign approved.morelli drop/ --claimed sdxl -o audit/ --ledger desk.sqlite
    """
    conditions = split_words(fail_on or "")
    for word in conditions:
        if word not in FAIL_ON:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(FAIL_ON)}", param_hint="--fail-on")
    check_output(output, folder=True)

    from morelli.attributors import Bundle
    from morelli.audit.campaign import Stack, audit_campaign, check_names, open_campaign
    from morelli.catalog import Catalog
    from morelli.report.campaign import write_campaign

    loaded = Bundle.load(bundle)
    names, real_names = split_words(claimed), split_words(real or "")
    check_names(loaded, names, "claimed")  # before the images are looked for
    check_names(loaded, real_names, "real", empty=True)
    if ledger is not None:
        who(None)
        open_ledger(ledger, create=True).close()  # both complain before the images are judged
    images = open_campaign(source, split_words(by or ""), without=output)
    known = None if references is None else Catalog.read(references)
    settings = settings_of(trust_anchors, aliases, lineage)
    examined = None if layers is None else tuple(split_words(layers))
    stack = Stack(settings, examined, tuple(real_names), workers)
    with progress("Judging images", rate=True, lines_every=_LINE_EVERY) as report:
        audit = audit_campaign(
            loaded,
            images,
            output,
            claimed=names,
            references=known,
            stack=stack,
            level=level,
            n_draws=draws,
            seed=seed,
            anew=anew,
            progress=report,
        )
    written = write_campaign(audit, output)
    if ledger is not None:
        _record(ledger, audit, output)
    if as_json:
        typer.echo(json.dumps(audit.summary(), ensure_ascii=True, indent=2))
    else:
        _tell(audit, written[0])
    holding = [word for word in conditions if holds(audit, word)]
    if holding:
        typer.echo(f"Failed on: {', '.join(holding)}.", err=True)
        raise typer.Exit(CONDITION_HOLDS)


def holds(audit: CampaignAudit, condition: str) -> bool:
    """Say whether a condition of `FAIL_ON` holds."""
    from morelli.audit.campaign import INCONSISTENT, UNDECIDED

    decisions = audit.counts.decisions
    return {
        "inconsistent": audit.claim.outcome == INCONSISTENT,
        "undecided": audit.claim.outcome == UNDECIDED,
        "part": any(part.claim.outcome == INCONSISTENT for part in audit.parts),
        "conflict": decisions.get("conflict", 0) > 0,
        "unknown": decisions.get("unknown", 0) > 0,
        "unreadable": audit.counts.unreadable > 0,
    }[condition]


def _record(ledger: str, audit: CampaignAudit, folder: Path) -> None:
    """Append the verdicts that need a person to a ledger."""
    from morelli.audit.campaign import RECORDS, Records, for_review

    with Records(folder / RECORDS) as records, open_ledger(ledger) as opened:
        added = opened.append_verdicts(for_review(records, audit.claim.claimed), actor=who(None), folder=Path.cwd())
    typer.echo(f"Recorded for review: {added.added} new, {added.known} known already.", err=True)


def _tell(audit: CampaignAudit, page: Path) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    style = {"consistent with the claim": "bold green", "not consistent with the claim": "bold red"}
    console.print(safe_text(audit.claim.outcome, style.get(audit.claim.outcome, "bold yellow")))
    for sentence in audit.conclusion.sentences:
        console.print(safe_text(sentence), soft_wrap=True)
    for suspect in audit.suspects[:5]:
        console.print(safe_text(f"  {suspect.name}: {' '.join(suspect.why)}"), soft_wrap=True)
    typer.echo(f"Written to {printable(str(page.parent))}; look at {printable(str(page))}")
