"""Incidents, verification and agreement for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from morelli._text import printable, safe_text
from morelli.cli._verdicts import DECISION_STYLES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from morelli.audit.ledger import Agreement, Entry, Incident, Verification

__all__ = [
    "agreement_tables",
    "entry_row",
    "incident_row",
    "incident_table",
    "print_incident",
    "tell",
]

_LONGEST: Final = 300
_CANDIDATES: Final = 8
_FACTS: Final = 30


def shown(text: object, longest: int = _LONGEST) -> str:
    """Return a text that a terminal may show: on one line, nothing in it obeyed, not endless."""
    plain = printable(str(text)[: longest + 1])
    return plain if len(plain) <= longest else f"{plain[:longest]}…"


def new_table(*heads: str, fold: tuple[str, ...] = ()) -> Table:
    """Return a table in the style of all tables; columns named by `fold` are broken where the terminal is narrow."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(safe_text(head), overflow="fold", no_wrap=head not in fold)
    return table


def incident_table() -> Table:
    """Return an empty table of incidents."""
    return new_table(
        "no.",
        "image",
        "machine",
        "answer",
        "prob.",
        "status",
        "reviewers",
        "file",
        fold=("answer", "reviewers", "file"),
    )


def incident_row(incident: Incident) -> list[Any]:
    """Return an incident as a row of that table."""
    verdict = incident.verdict or {}
    decision = str(verdict.get("decision", ""))
    probability = verdict.get("probability")
    said = ", ".join(f"{one.reviewer}: {one.label or 'none of them'}" for one in incident.decisions)
    return [
        str(incident.seq),
        short_id(incident.subject),
        safe_text(decision, style=DECISION_STYLES.get(decision, "")),
        safe_text(shown(verdict.get("label") or "", 60)),
        "" if probability is None else f"{100 * probability:.1f}%",
        incident.status,
        safe_text(shown(said, 120)),
        safe_text(shown(verdict.get("uri", ""), 120)),
    ]


def short_id(subject: str) -> str:
    """Return enough of an image's id to name it by."""
    return subject if subject.startswith("file-") else subject[:12]


def _print_evidence(console: Console, verdict: Mapping[str, Any]) -> None:
    """Print what speaks for the candidates of a verdict, and what is known of the file."""
    candidates = list(verdict.get("candidates") or [])[:_CANDIDATES]
    inside = set(verdict.get("prediction_set") or ())
    evidence: Mapping[str, Mapping[str, float]] = verdict.get("evidence") or {}
    if candidates:
        table = new_table("candidate", "prob.", "in set", *(shown(family, 20) for family in evidence))
        for candidate in candidates:
            name = str(candidate["model"])
            nats = [f"{row[name]:+.2f}" if name in row else "" for row in evidence.values()]
            mark = "yes" if name in inside else ""
            table.add_row(safe_text(shown(name, 60)), f"{100 * candidate['probability']:.1f}%", mark, *nats)
        console.print(table)
        if evidence:
            console.print("Evidence is in nats, for the candidate against the mean of all.", style="dim")
    rest = len(verdict.get("candidates") or []) - len(candidates)
    if rest > 0:
        console.print(f"... and {rest} less probable candidates", style="dim")
    for name, value in (("open-set p", verdict.get("open_set_p")), ("judged as", verdict.get("judged_as"))):
        if value is not None:
            console.print(safe_text(f"{name}: {shown(value)}"), soft_wrap=True)
    if verdict.get("quality"):
        quality = ", ".join(f"{name} {value}" for name, value in verdict["quality"].items() if value is not None)
        console.print(safe_text(f"quality: {shown(quality)}"), soft_wrap=True)
    if verdict.get("error"):
        console.print(safe_text(f"error: {shown(verdict['error'])}"), soft_wrap=True)
    _print_provenance(console, verdict.get("provenance"))


def _print_provenance(console: Console, provenance: Any) -> None:
    """Print what the file says of itself, whatever the shape: the facts, or that none were found or looked for."""
    if not provenance:
        console.print(f"provenance: {'not recorded' if provenance is None else 'not looked at'}", style="dim")
        return
    facts = list(_leaves(provenance))
    console.print("provenance:" if facts else "provenance: none found")
    for path, value in facts[:_FACTS]:
        console.print(safe_text(f"  {shown(path, 80)}: {shown(value)}"), soft_wrap=True)
    if len(facts) > _FACTS:
        console.print(f"  ... and {len(facts) - _FACTS} more", style="dim")


def _leaves(value: Any, path: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """Flatten nested facts to paths and values, not too deep."""
    if isinstance(value, dict) and depth < 6:
        return [
            leaf for key, one in value.items() for leaf in _leaves(one, f"{path}.{key}" if path else key, depth + 1)
        ]
    if isinstance(value, list) and depth < 6:
        return [leaf for i, one in enumerate(value) for leaf in _leaves(one, f"{path}[{i}]", depth + 1)]
    return [] if value is None or value in ({}, []) else [(path, value)]


def print_incident(console: Console, incident: Incident, *, opinions: bool = True) -> None:
    """Print an incident with its evidence; what others decided only where `opinions` may be seen."""
    from rich.text import Text

    head = Text(f"Incident {incident.seq}", style="bold")
    head.append(
        f"  image {short_id(incident.subject)}  bundle {shown(incident.bundle, 40) or 'unnamed'}", style="default"
    )
    console.print(head, soft_wrap=True)
    verdict = incident.verdict
    if verdict is None:
        console.print("Its content was removed.")
        return
    decision = str(verdict["decision"])
    line = Text("machine: ")
    line.append(decision, style=DECISION_STYLES.get(decision, ""))
    if verdict.get("label"):
        line.append(f"  {shown(verdict['label'], 60)}", style="bold default")
    if verdict.get("probability") is not None:
        line.append(f"  {100 * verdict['probability']:.1f}%")
    console.print(line, soft_wrap=True)
    console.print(safe_text(f"file: {shown(verdict['uri'])}"), soft_wrap=True)
    _print_evidence(console, verdict)
    if not opinions:
        return
    for one in incident.decisions:
        label = one.label or "none of the candidates"
        console.print(
            safe_text(f"{one.at}  {one.reviewer} decided: {shown(label)} ({one.ruling}). {shown(one.reason)}"),
            soft_wrap=True,
        )
    for note in incident.notes:
        console.print(safe_text(f"{note.at}  {note.actor} noted: {shown(note.text)}"), soft_wrap=True)
    for file in incident.attachments:
        what = f"{shown(file.name)} ({file.bytes} bytes, {file.file[:12]})"
        console.print(safe_text(f"{file.at}  {file.actor} attached: {what}. {shown(file.comment)}"), soft_wrap=True)


def entry_row(entry: Entry) -> list[Any]:
    """Return an entry as a row: number, time, kind, actor, image."""
    subject = "" if entry.subject is None else short_id(entry.subject)
    return [str(entry.seq), entry.at, entry.kind, safe_text(shown(entry.actor, 60)), subject]


def tell(found: Verification, write: Callable[[str], None]) -> None:
    """Say in words what a verification found."""
    if found.ok:
        more = f" {found.redacted} of them were redacted." if found.redacted else ""
        files = f" {found.files} attached files are what they were." if found.files else ""
        write(f"The chain holds: {found.entries} entries.{more}{files}")
    else:
        first = found.problems[0]
        where = "" if first.seq is None else f" First broken entry: {first.seq}."
        write(f"THE CHAIN DOES NOT HOLD: {found.n_problems} problems in {found.entries} entries.{where}")
        for problem in found.problems:
            write(f"  {problem.kind}: {printable(problem.detail)}")
        if found.n_problems > len(found.problems):
            write(f"  ... and {found.n_problems - len(found.problems)} more")
    write(f"Head: {found.head}")


def agreement_tables(found: Agreement) -> list[Table]:
    """Return the tables of an agreement: pairs of reviewers, and each with the machine."""
    pairs = new_table("reviewers", "n", "same label", "kappa", "95% interval")
    for pair in found.pairs:
        kappa = "not defined" if pair.kappa is None else f"{pair.kappa:.3f}"
        names = safe_text(f"{shown(pair.first, 60)}, {shown(pair.second, 60)}")
        pairs.add_row(names, str(pair.n), f"{100 * pair.observed:.1f}%", kappa, span(pair.interval))
    machine = new_table("reviewer", "n", "machine's answer", "95% interval", "in its set")
    for one in found.machine:
        same, inside = 100 * one.n_same / one.n, 100 * one.n_in_set / one.n
        name = safe_text(shown(one.reviewer, 60))
        machine.add_row(name, str(one.n), f"{same:.1f}%", span(one.interval, percent=True), f"{inside:.1f}%")
    return [pairs, machine]


def span(interval: tuple[float, float] | None, *, percent: bool = False) -> str:
    """Return an interval in words."""
    if interval is None:
        return "too few"
    low, high = interval
    return f"{100 * low:.1f}% to {100 * high:.1f}%" if percent else f"{low:.3f} to {high:.3f}"
