"""``morelli ledger``: verdicts, decisions, and whether the record is what it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from morelli._text import printable
from morelli.cli._common import check_output, open_catalog, progress
from morelli.cli._ledger import (
    ActorOption,
    FilesOption,
    IncidentArgument,
    JsonLinesOption,
    JsonOption,
    LedgerArgument,
    find_incident,
    open_ledger,
    who,
)
from morelli.cli._run import register

if TYPE_CHECKING:
    from morelli.audit.verdicts import Filed

__all__ = ["app"]

SUMMARY = "Keep a record of verdicts and decisions that shows whether it was changed."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)


class MachineDecision(StrEnum):
    """Decisions of a verdict."""

    conflict = "conflict"
    unknown = "unknown"
    ambiguous = "ambiguous"
    unreadable = "unreadable"
    attributed = "attributed"


class Status(StrEnum):
    """What reviewers did about an incident."""

    open = "open"
    decided = "decided"
    disputed = "disputed"
    redacted = "redacted"


def add(
    ledger: LedgerArgument,
    verdicts: Annotated[
        str, typer.Argument(metavar="VERDICTS|-", help="Verdicts, one JSON object a line; - for standard input.")
    ] = "-",
    base: Annotated[
        Path | None,
        typer.Option(
            "--base", metavar="DIR", help="Where relative paths of the images start.", show_default="this folder"
        ),
    ] = None,
    actor: ActorOption = None,
) -> None:
    """Add verdicts to a ledger, which is begun where there is none.

    The verdicts are those that morelli attribute writes with --json. A verdict by the same bundle for the same image
    is not added twice, so that the same file can be given again. Lines that hold no verdict are named; the others are
    added, and the exit status is 1.

    Examples:

        morelli attribute candidates.morelli campaign/ --json | morelli ledger add ledger.sqlite
        morelli ledger add ledger.sqlite verdicts.jsonl --actor "night shift"
        morelli ledger add postgresql://audit@db.example/ledger verdicts.jsonl
    """
    from morelli.audit.verdicts import read_verdicts

    bad: list[str] = []
    pooled = 0

    def filed(stream: IO[bytes]) -> Iterator[Filed]:
        nonlocal pooled
        for line in read_verdicts(stream):
            if line.filed is not None:
                yield line.filed
            elif line.problem is not None:
                bad.append(f"line {line.number}: {line.problem}")
            else:
                pooled += 1

    folder = str((base or Path.cwd()).absolute())
    source = None if verdicts == "-" else Path(verdicts).open("rb")  # noqa: SIM115 -- closed below
    try:
        with open_ledger(ledger, create=True) as opened:
            counts = opened.append_verdicts(filed(source or sys.stdin.buffer), actor=who(actor), folder=folder)
    finally:
        if source is not None:
            source.close()
    typer.echo(f"{counts.added} added, {counts.known} there already.")
    if pooled:
        typer.echo(f"{pooled} pooled verdicts were passed over: an incident is about one image.", err=True)
    for problem in bad[:20]:
        typer.echo(f"morelli: {printable(problem)}", err=True)
    if bad:
        typer.echo(f"morelli: {len(bad)} lines hold no verdict and were not added.", err=True)
        raise typer.Exit(1)


def list_(
    ledger: LedgerArgument,
    decision: Annotated[
        MachineDecision | None,
        typer.Option("--decision", metavar="NAME", help="Only what the machine called so: unknown, conflict ..."),
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", metavar="NAME", help="Only open, decided, disputed or redacted ones.")
    ] = None,
    as_json: JsonLinesOption = False,
) -> None:
    """List incidents: what the machine said, and what reviewers decided.

    Examples:

        morelli ledger list ledger.sqlite --status open
        morelli ledger list ledger.sqlite --decision conflict --json
    """
    from rich.console import Console

    from morelli.cli._ledger_tables import incident_row, incident_table

    console, count = Console(highlight=False), 0
    with open_ledger(ledger) as opened:
        table = incident_table()
        for incident in opened.incidents(decision=decision, status=status):
            count += 1
            if as_json:
                typer.echo(json.dumps(incident.to_dict()))
                continue
            table.add_row(*incident_row(incident))
            if len(table.rows) == 500:  # a table is laid out as a whole: a long list is several
                console.print(table)
                table = incident_table()
        if table.rows:
            console.print(table)
    if not as_json:
        typer.echo(f"{count} incidents.")


def show(ledger: LedgerArgument, incident: IncidentArgument, as_json: JsonOption = False) -> None:
    """Show an incident with its evidence and all that was recorded about it.

    Examples:

        morelli ledger show ledger.sqlite 17
        morelli ledger show ledger.sqlite 3f9a1c --json
    """
    from rich.console import Console

    from morelli.cli._ledger_tables import entry_row, new_table, print_incident

    with open_ledger(ledger) as opened:
        found = find_incident(opened, incident)
        history = list(opened.entries(subject=found.subject))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    console = Console(highlight=False)
    print_incident(console, found)
    table = new_table("entry", "time", "kind", "actor", "image")
    for entry in history:
        table.add_row(*entry_row(entry))
    console.print("All entries about this image:")
    console.print(table)


def attach(
    ledger: LedgerArgument,
    incident: IncidentArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to keep a copy of.")],
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="What it is.")] = "",
    actor: ActorOption = None,
    files: FilesOption = None,
) -> None:
    """Attach a file to an incident: a copy is kept beside the ledger, under its SHA-256.

    Examples:

        morelli ledger attach ledger.sqlite 17 contract.pdf --comment "what the vendor signed"
    """
    with open_ledger(ledger, files) as opened:
        made = opened.attach(find_incident(opened, incident).seq, file, who(actor), comment)
    typer.echo(f"Attached as entry {made.seq}: {made.file}, {made.bytes} bytes.")


def note(
    ledger: LedgerArgument,
    incident: IncidentArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The remark.")],
    actor: ActorOption = None,
) -> None:
    """Record a remark about an incident.

    Examples:

        morelli ledger note ledger.sqlite 17 "asked the vendor for the original file"
    """
    with open_ledger(ledger) as opened:
        made = opened.note(find_incident(opened, incident).seq, who(actor), text)
    typer.echo(f"Noted as entry {made.seq}.")


def verify(
    ledger: LedgerArgument,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HEAD", help="What morelli ledger head printed earlier, kept elsewhere."),
    ] = None,
    attachments: Annotated[bool, typer.Option("--attachments", help="Hash all attached files too.")] = False,
    files: FilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the chain of entries holds; exit with status 1 if not.

    Entries and contents that were edited, removed, moved or forked are found, and the first one is named. Only
    a head that was kept elsewhere shows that entries at the end were removed, or the whole chain was written anew.

    Examples:

        morelli ledger verify ledger.sqlite --attachments
        morelli ledger verify ledger.sqlite --head "$(cat kept-elsewhere/head.txt)"
    """
    from morelli.cli._ledger_tables import tell

    with open_ledger(ledger, files) as opened:
        found = opened.verify(head=head, attachments=attachments)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        tell(found, typer.echo)
        if found.ok and head is None:
            typer.echo("No head was given: whether entries at the end were removed was not looked at.")
    if not found.ok:
        raise typer.Exit(1)


def head(ledger: LedgerArgument) -> None:
    """Print the number and hash of the last entry, to be kept where the ledger is not.

    Examples:

        morelli ledger head ledger.sqlite > kept-elsewhere/head.txt
    """
    with open_ledger(ledger) as opened:
        typer.echo(str(opened.head()))


def redact(
    ledger: LedgerArgument,
    image: Annotated[
        str | None, typer.Argument(metavar="[IMAGE]", help="SHA-256 of the image, or its first digits.")
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than", min=0, max=1e6, metavar="DAYS", help="All images of which nothing was recorded since."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = "",
    actor: ActorOption = None,
    files: FilesOption = None,
) -> None:
    """Remove the content of an image's entries for good; the chain still verifies.

    What goes: verdicts, decisions, notes, names and attached files. What stays: that there was a verdict for an
    image with this SHA-256, when, by which bundle, who decided, and this reason. Copies of the database are yours to
    remove.

    Examples:

        morelli ledger redact ledger.sqlite 3f9a1c --reason "request of the person shown"
        morelli ledger redact ledger.sqlite --older-than 365 --reason "retention of one year"
    """
    if (image is None) == (older_than is None):
        raise typer.BadParameter("name either an image or --older-than")
    with open_ledger(ledger, files) as opened, progress("Redacting") as report:
        if image is not None:
            done = opened.redact(opened.subject(image), actor=who(actor), reason=reason)
        else:
            assert older_than is not None
            done = opened.redact_older(
                timedelta(days=older_than), actor=who(actor), reason=reason, progress=lambda n: report(n, n)
            )
    typer.echo(f"Redacted {done.images} images: {done.contents} contents and {done.files} attached files are gone.")
    if done.images and done.wiped is None:
        typer.echo("PostgreSQL frees the old rows at the next VACUUM FULL; see docs/ledger.md.", err=True)
    elif done.images and not done.wiped:
        typer.echo(
            "Another process reads the ledger, so that its journal still holds old pages. They go when the next "
            "redaction is made while nobody reads.",
            err=True,
        )


def export(
    ledger: LedgerArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Table to write, as CSV.")],
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="CATALOG", help="Catalog whose images, and what is nearly the same, stay out."),
    ] = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write decided images as labelled rows for the next fit.

    The table is for morelli catalog build. All rows are of the split train, and their source says whose label it is
    (review:NAME). Reviewers saw the machine's answer, so that nothing may be measured by their labels: name the catalog
    that you test with, and its images stay out.

    Examples:

        morelli ledger export ledger.sqlite -o reviewed.csv --test held-out.parquet
        morelli ledger export ledger.sqlite -o reviewed.csv --test held-out.parquet --json
    """
    check_output(output)

    from morelli.audit.ledger import REASONS
    from morelli.audit.ledger import export as run

    catalog = None if test is None else open_catalog(test)
    with open_ledger(ledger) as opened, progress("Reading images") as report:
        done = run(opened, output, test=catalog, actor=who(actor), progress=report)
    if as_json:
        left = [{"incident": one.incident, "uri": one.uri, "reason": one.reason} for one in done.left]
        said = {"rows": done.rows, "labels": done.labels, "left": left, "sha256": done.sha256}
        typer.echo(json.dumps(said, indent=2))
        return
    labels = ", ".join(f"{count} {printable(label)}" for label, count in done.labels.items())
    typer.echo(f"{done.rows} rows written to {output}: {labels}.")
    for one in done.left[:20]:
        typer.echo(f"Left out: incident {one.incident}, {printable(one.uri)}: {REASONS[one.reason]}.", err=True)
    if len(done.left) > 20:
        typer.echo(f"... and {len(done.left) - 20} more; --json names them all.", err=True)
    if catalog is None:
        typer.echo("No test catalog was named: whether these images are in one was not looked at.", err=True)


def agreement(
    ledger: LedgerArgument,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of the bootstrap.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure how far reviewers agree, with each other and with the machine.

    Cohen's kappa for each pair, Krippendorff's alpha for all, with intervals by bootstrap over incidents. What
    reviewers decided after they saw the machine's answer says little about the machine.

    Examples:

        morelli ledger agreement ledger.sqlite
        morelli ledger agreement ledger.sqlite --json
    """
    from rich.console import Console

    from morelli.cli._ledger_tables import agreement_tables, span

    with open_ledger(ledger) as opened:
        found = opened.agreement(seed=seed)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    typer.echo(f"{found.n} incidents were decided, {found.n_twice} of them by several reviewers.")
    if found.alpha is not None:
        typer.echo(f"Krippendorff's alpha: {found.alpha:.3f}, 95% interval {span(found.interval)}.")
    console = Console(highlight=False)
    for table in agreement_tables(found):
        if table.rows:
            console.print(table)


def upgrade(ledger: LedgerArgument) -> None:
    """Bring a ledger that an older Morelli wrote up to date.

    Examples:

        morelli ledger upgrade ledger.sqlite
    """
    from morelli.audit.ledger import upgrade as run

    before, after = run(ledger)
    typer.echo(f"The ledger is of revision {after}." if before == after else f"Upgraded from {before} to {after}.")


_COMMANDS: dict[str, Any] = {
    "add": add, "list": list_, "show": show, "attach": attach, "note": note, "verify": verify, "head": head,
    "redact": redact, "export": export, "agreement": agreement, "upgrade": upgrade,
}  # fmt: skip
for _name, _command in _COMMANDS.items():
    register(app, _name, _command)
