"""``morelli audit monitor``."""

from __future__ import annotations

import json
import sys
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import printable, split_words
from morelli.cli._common import check_output
from morelli.cli.audit.campaign import CONDITION_HOLDS
from morelli.errors import MorelliError

if TYPE_CHECKING:
    from collections.abc import Callable

    from morelli.audit.drift import Alarm, Baseline, Monitor

__all__ = ["monitor"]

FAIL_ON = ("alarm",)
EVERY = 1000.0


def monitor(
    verdicts: Annotated[
        str, typer.Argument(metavar="VERDICTS", help="Verdicts, one a line, by morelli attribute --json; - for stdin.")
    ],
    baseline: Annotated[
        float | None, typer.Option("--baseline", metavar="SHARE", help="Usual rate of such decisions.")
    ] = None,
    baseline_from: Annotated[
        Path | None,
        typer.Option("--baseline-from", metavar="FILE", help="Count the usual rate in these verdicts instead, once."),
    ] = None,
    worse: Annotated[
        float | None,
        typer.Option(
            "--worse", metavar="SHARE", help="Rate that shall be noticed soon.", show_default="twice the usual"
        ),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option("--every", metavar="N", help="Images between false alarms, on average.", show_default="1000"),
    ] = None,
    decisions: Annotated[
        str, typer.Option("--decisions", metavar="WORDS", help="What counts: unknown, ambiguous, conflict.")
    ] = "unknown,ambiguous",
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="Where the chart is kept, and goes on the next time."),
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="WORD", help="alarm: end with status 3 if it goes off.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Watch a stream of verdicts: whether more of it is unknown or ambiguous than usual.

    A cumulative sum of such decisions sets an alarm off when they have become more frequent. How many images pass
    between false alarms is known exactly, if verdicts come one by one and the usual rate is right. With --state the
    same command goes on where it stopped: in the same file, or with what comes next.

    Examples:

        morelli audit monitor june.jsonl --baseline-from may.jsonl --every 5000 --fail-on alarm
        morelli attribute a.morelli inbox/ --json | morelli audit monitor - --baseline 0.1
        morelli audit monitor log.jsonl --baseline 0.08 --state watch.json --json
    """
    if state is not None:
        check_output(state)
    if fail_on is not None and fail_on not in FAIL_ON:
        raise typer.BadParameter(f"{fail_on!r} is none of {', '.join(FAIL_ON)}", param_hint="--fail-on")
    if baseline is not None and baseline_from is not None:
        raise typer.BadParameter("give the rate or verdicts to count it in", param_hint="--baseline, --baseline-from")

    from morelli.audit.drift import Monitor, baseline_of

    words = split_words(decisions)
    if state is not None and state.exists():
        chart = Monitor.load(state)
        _same(chart, baseline, worse, every, words)
    else:
        if baseline is None and baseline_from is None:
            raise typer.BadParameter("what rate is usual?", param_hint="--baseline, --baseline-from")
        usual: float | Baseline | None = baseline
        if baseline_from is not None:
            with baseline_from.open("rb") as stream:
                usual = baseline_of(stream, words)
        assert usual is not None
        chart = Monitor.start(usual, worse=worse, every=EVERY if every is None else every, decisions=words)
    tell = None if as_json else _teller(chart)
    try:
        if verdicts == "-":
            new = chart.watch(sys.stdin.buffer, on_alarm=tell)
        else:
            with Path(verdicts).open("rb") as stream:
                new = chart.watch(stream, resumes=state is not None, on_alarm=tell)
    except KeyboardInterrupt:
        # What came through a pipe does not come again; a file is read again from where it was left.
        if state is not None and verdicts == "-":
            chart.save(state)
        raise
    if not chart.seen and not chart.unreadable and chart.problems:
        raise MorelliError(
            f"{verdicts}: none of {chart.problems} lines is a verdict. Give what morelli attribute --json writes, or "
            "verdicts.jsonl of an audit."
        )
    if state is not None:
        chart.save(state)
    if as_json:
        typer.echo(json.dumps({"new_alarms": len(new), **chart.to_dict()}, ensure_ascii=True, indent=2))
    else:
        _tell(chart, len(new))
    if fail_on == "alarm" and new:
        raise typer.Exit(CONDITION_HOLDS)


def _same(chart: Monitor, baseline: float | None, worse: float | None, every: float | None, words: list[str]) -> None:
    """Refuse settings that are not those of the chart that goes on."""
    from morelli.audit.drift import design_chart

    for option, given, kept in (("--baseline", baseline, chart.chart.baseline), ("--worse", worse, chart.chart.worse)):
        if given is not None and given != kept:
            raise typer.BadParameter(
                f"the chart was begun with {kept:g}; begin another for {given:g}", param_hint=option
            )
    if every is not None and design_chart(chart.chart.baseline, chart.chart.worse, every).limit != chart.chart.limit:
        raise typer.BadParameter(
            f"the chart was begun with a false alarm every {chart.chart.until_false:,.0f} images, and keeps that",
            param_hint="--every",
        )
    if set(words) != set(chart.decisions):
        kept_words = ", ".join(chart.decisions)
        raise typer.BadParameter(f"the chart was begun for {kept_words}", param_hint="--decisions")


def _images(n: float) -> str:
    return f"{n:,.0f}" if isfinite(n) else "more than a trillion"


def _teller(monitor: Monitor) -> Callable[[Alarm], None]:
    """Return what prints an alarm at once: whoever watches a pipe will not wait for its end."""
    words = " or ".join(monitor.decisions)

    def tell(alarm: Alarm) -> None:
        typer.echo(
            printable(
                f"Alarm at verdict {alarm.verdict:,} ({alarm.uri}): {100 * alarm.rate:.0f} of 100 {words} since the "
                f"sum began to rise, where {100 * monitor.chart.baseline:.3g} are usual."
            )
        )
        sys.stdout.flush()

    return tell


def _tell(monitor: Monitor, new: int) -> None:
    chart, words = monitor.chart, " or ".join(monitor.decisions)
    rate = "" if not monitor.seen else f", {100 * monitor.hits / monitor.seen:.3g} of 100 {words}"
    typer.echo(
        f"{monitor.seen:,} verdicts{rate}; sum {monitor.total} of {chart.limit}; "
        f"{new} new {'alarm' if new == 1 else 'alarms'}."
    )
    if monitor.unreadable or monitor.problems:
        typer.echo(
            f"Not counted: {monitor.unreadable} images without an answer, {monitor.problems} lines that are none."
        )
    typer.echo(
        f"While {100 * chart.baseline:.3g} of 100 are usual, a false alarm comes every {chart.until_false:,.0f} images "
        f"on average; {100 * chart.worse:.3g} of 100 are noticed after {chart.until_noticed:,.0f}."
    )
    if monitor.baseline is not None:
        usual = monitor.baseline
        fewest, most = monitor.until_false(usual.high), monitor.until_false(usual.low)
        typer.echo(
            f"The usual rate was counted in {usual.n:,} verdicts, and may be {100 * usual.low:.3g} to "
            f"{100 * usual.high:.3g}: then false alarms come every {fewest:,.0f} to {_images(most)} images."
        )
