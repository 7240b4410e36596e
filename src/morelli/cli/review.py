"""``morelli review``: a person decides about what the machine is not sure of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from morelli._text import printable
from morelli.cli._ledger import LedgerArgument, open_ledger
from morelli.errors import LedgerError

if TYPE_CHECKING:
    from rich.console import Console

    from morelli.audit.ledger import Incident, Ledger

__all__ = ["review"]

_LONGEST_LINE: Final = 65536


class _Quit(Exception):
    """The reviewer has seen enough, or standard input has ended."""


def review(
    ledger: LedgerArgument,
    reviewer: Annotated[str, typer.Option("--reviewer", metavar="NAME", help="Your name; it is recorded.")],
    second: Annotated[
        bool,
        typer.Option("--second", help="Give second opinions: what others decided, which you will not see."),
    ] = False,
    below: Annotated[
        float,
        typer.Option(
            "--below", min=0.0, max=1.0, metavar="P", help="Of attributed images, those less probable; 1 for all."
        ),
    ] = 0.9,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Stop after so many images.")] = None,
) -> None:
    r"""Walk the queue of incidents and decide: conflicts first, then unknown and ambiguous images.

    After them come unreadable images, and attributed ones, the least probable first. For each, the evidence is shown
    and you answer with a letter and a reason: c confirms the machine's answer, l names another maker, n says that it
    is none of the candidates, s passes over it, q ends. Every decision is recorded at once. Answers can also come from
    a pipe, one a line.

    Examples:

        morelli review ledger.sqlite --reviewer Ada
        morelli review ledger.sqlite --reviewer Grace --second
        printf 'n\nno known trace\nq\n' | morelli review ledger.sqlite --reviewer Ada
    """
    from rich.console import Console

    from morelli.cli._ledger_tables import print_incident

    console, seen, decided = Console(highlight=False), 0, 0
    with open_ledger(ledger) as opened:
        place = None
        try:
            while limit is None or seen < limit:
                place = opened.next_for_review(reviewer, second=second, below=below, after=place)
                if place is None:
                    typer.echo("There is nothing more to review.")
                    break
                seen += 1
                console.print()
                print_incident(console, place.incident, opinions=False)
                decided += _decide(console, opened, place.incident, reviewer)
        except _Quit:
            typer.echo()
    typer.echo(f"{decided} decided of {seen} seen.")


def _decide(console: Console, ledger: Ledger, incident: Incident, reviewer: str) -> bool:
    """Ask until there is an answer; say whether it was recorded."""
    from morelli.audit.verdicts import machine_answer

    assert incident.verdict is not None
    said = machine_answer(incident.verdict)
    choices = {} if said is None else {"c": f"confirm ({printable(said[0] or 'none of the candidates')[:80]})"}
    choices |= {"l": "another label", "n": "none of the candidates", "s": "skip", "q": "quit"}
    if said == (None,):
        del choices["n"]  # that is what confirming says
    question = ", ".join(f"[{key}] {words}" for key, words in choices.items())
    while True:
        answer = _ask(f"{question}: ").lower()
        if answer not in choices:
            typer.echo(f"Answer with one of {', '.join(choices)}.")
        elif answer == "q":
            raise _Quit
        elif answer == "s":
            return False
        else:
            label = _ask_for("Who made it? ") if answer == "l" else None
            # Who says otherwise than the machine explains why; who agrees may.
            reason = _ask("Reason (may be empty): ") if answer == "c" else _ask_for("Reason: ")
            ruling = {"c": "confirm", "l": "relabel", "n": "none"}[answer]
            try:
                made = ledger.decide(incident.seq, reviewer, ruling, label=label, reason=reason)
            except LedgerError as error:
                typer.echo(f"Not recorded: {printable(str(error))}")
                continue
            typer.echo(f"Recorded as entry {made.seq}: {printable(made.label or 'none of the candidates')}.")
            return True


def _ask_for(question: str) -> str:
    """Ask until something is answered."""
    while not (answer := _ask(question)):
        pass
    return answer


def _ask(question: str) -> str:
    """Ask on standard output and read a line of standard input, whatever bytes it holds.

    Raises
    ------
    _Quit
        There is no more.
    """
    typer.echo(question, nl=False)
    sys.stdout.flush()
    line = sys.stdin.buffer.readline(_LONGEST_LINE)
    if not line:
        raise _Quit
    if not sys.stdin.isatty():
        typer.echo()
    return line.decode("utf-8", "replace").strip()
