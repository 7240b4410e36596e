"""Watching a stream of verdicts: whether more of it is called unknown or ambiguous than usual."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from scipy.stats import binomtest

from morelli._files import write_text
from morelli.audit.drift.cusum import Chart, design_chart, run_length
from morelli.audit.verdicts import read_verdicts
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["ABSTAINING", "Alarm", "Baseline", "Monitor", "baseline_of"]

ABSTAINING: Final = ("unknown", "ambiguous")
"""Decisions that name nobody, or more than one."""

DECISIONS: Final = ("unknown", "ambiguous", "conflict", "attributed")
SCHEMA_VERSION: Final = 1
_KIND: Final = "morelli monitor"
_MAX_BYTES: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Alarm:
    """Where the alarm went off.

    Attributes
    ----------
    verdict : int
        How many verdicts had been looked at, from 1.
    uri : str
        Image at which it went off: the last of many.
    image_id : str or None
    rate : float
        Of hits since the sum last was zero.
    """

    verdict: int
    uri: str
    image_id: str | None
    rate: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A usual rate, as counted.

    Attributes
    ----------
    hits, n : int
    rate : float
    low, high : float
        95% interval (Clopper & Pearson 1934).
    """

    hits: int
    n: int
    rate: float
    low: float
    high: float


@dataclass(slots=True)
class Monitor:
    """A chart of one stream, which can be put away and taken up again.

    Attributes
    ----------
    chart : Chart
    decisions : tuple of str
        That count as hits.
    baseline : Baseline or None
        Where the usual rate was counted.
    seen, hits : int
        Verdicts so far, and how many of them count.
    unreadable, problems : int
        Images without an answer, and lines that are no verdicts: neither counts.
    total : int
        Of the cumulative sum.
    alarms : list of Alarm
    lines : int
        That were read from the file, and `digest` their sha256; 0 where it was no file.
    """

    chart: Chart
    decisions: tuple[str, ...] = ABSTAINING
    baseline: Baseline | None = None
    seen: int = 0
    hits: int = 0
    unreadable: int = 0
    problems: int = 0
    total: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    lines: int = 0
    digest: str = ""
    since: tuple[int, int] = (0, 0)

    def watch(
        self, stream: IO[bytes], *, resumes: bool = False, on_alarm: Callable[[Alarm], None] | None = None
    ) -> list[Alarm]:
        """Look at all verdicts of a stream.

        Parameters
        ----------
        stream : binary file
            One verdict a line, as ``morelli attribute --json`` writes them.
        resumes : bool, default False
            Whether it is the file that was read before, from its beginning: what was read is passed over, and an
            unfinished last line is left for the next time.
        on_alarm : callable, optional
            Called with each alarm when it goes off: a stream may never end.

        Returns
        -------
        list of Alarm
            New ones.

        Raises
        ------
        MorelliError
            The file is not the one that was read before.
        """
        before = len(self.alarms)
        lines = _Lines(stream, finished=resumes)
        if resumes:
            lines.skip(self.lines, self.digest)
        for line in read_verdicts(lines):  # type: ignore[arg-type]
            if line.problem is not None:
                self.problems += 1
            elif line.filed is not None:
                verdict = line.filed.verdict
                alarm = self.look(verdict["decision"], verdict["uri"], line.filed.image_id)
                if alarm is not None and on_alarm is not None:
                    on_alarm(alarm)
        if resumes:
            self.lines, self.digest = lines.count, lines.digest
        return self.alarms[before:]

    def look(self, decision: str, uri: str = "", image_id: str | None = None) -> Alarm | None:
        """Look at one verdict; return the alarm if it goes off."""
        if decision not in DECISIONS:
            self.unreadable += 1
            return None
        hit = decision in self.decisions
        self.seen += 1
        self.hits += hit
        started = self.since if self.total > 0 else (self.seen - 1, self.hits - hit)
        self.total, self.since = self.chart.step(self.total, hit), started
        if self.total < self.chart.limit:
            return None
        alarm = Alarm(self.seen, uri, image_id, (self.hits - started[1]) / (self.seen - started[0]))
        self.alarms.append(alarm)
        self.total = 0
        return alarm

    def until_false(self, rate: float) -> float:
        """Return the mean number of images between alarms if the usual rate is another than was taken."""
        return run_length(rate, self.chart.up, self.chart.down, self.chart.limit)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self) | {
            "kind": _KIND,
            "schema_version": SCHEMA_VERSION,
            "decisions": list(self.decisions),
            "since": list(self.since),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Put the monitor away, atomically."""
        write_text(Path(path), json.dumps(self.to_dict(), ensure_ascii=True, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Monitor:
        """Take a monitor up again.

        Raises
        ------
        MorelliError
            The file is none, or damaged.
        """
        path = Path(path)
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError("it is too large")
            state = json.loads(path.read_text(encoding="utf-8"))
            if state.pop("kind") != _KIND or state.pop("schema_version") != SCHEMA_VERSION:
                raise ValueError("it is something else")
            chart = Chart(**state["chart"])
            # A chart says what it holds; nobody has to believe the file.
            found = run_length(chart.baseline, chart.up, chart.down, chart.limit)
            if abs(found - chart.until_false) > 1e-6 * found:
                raise ValueError("its chart is not what it says")
            counts = ("seen", "hits", "unreadable", "problems", "total", "lines")
            if any(type(state[name]) is not int or state[name] < 0 for name in counts) or state["hits"] > state["seen"]:
                raise ValueError("a count is none")
            return cls(
                **state
                | {
                    "chart": chart,
                    "decisions": _decisions(state["decisions"]),
                    "baseline": None if state["baseline"] is None else Baseline(**state["baseline"]),
                    "alarms": [Alarm(**alarm) for alarm in state["alarms"]],
                    "since": (int(state["since"][0]), int(state["since"][1])),
                }
            )
        except (MorelliError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise MorelliError(f"{path}: no monitor, or a damaged one ({type(error).__name__}: {error}).") from error

    @classmethod
    def start(
        cls,
        baseline: float | Baseline,
        *,
        worse: float | None = None,
        every: float = 1000.0,
        decisions: Collection[str] = ABSTAINING,
    ) -> Monitor:
        """Begin to watch.

        Parameters
        ----------
        baseline : float or Baseline
            The usual rate.
        worse, every
            As for :func:`~morelli.audit.drift.cusum.design_chart`.
        decisions : collection of str
            That count.

        Raises
        ------
        MorelliError
            As there; or a decision is none.
        """
        rate = baseline if isinstance(baseline, float | int) else baseline.rate
        return cls(
            design_chart(rate, worse, every),
            _decisions(decisions),
            baseline if isinstance(baseline, Baseline) else None,
        )


def baseline_of(stream: IO[bytes], decisions: Collection[str] = ABSTAINING) -> Baseline:
    """Count the usual rate in verdicts about images that are known to be as they should.

    Raises
    ------
    NotEnoughDataError
        There is no verdict, or none or all of them count: a rate of 0 or 1 cannot be watched; give one instead.
    MorelliError
        A decision is none.
    """
    chosen = _decisions(decisions)
    hits = n = 0
    for line in read_verdicts(stream):
        if line.filed is not None and line.filed.verdict["decision"] in DECISIONS:
            n += 1
            hits += line.filed.verdict["decision"] in chosen
    if not 0 < hits < n:
        raise NotEnoughDataError(
            f"{hits} of {n} verdicts are {' or '.join(chosen)}: no usual rate can be counted from that. Give the rate "
            "as a number, or more verdicts."
        )
    low, high = binomtest(hits, n).proportion_ci()
    return Baseline(hits, n, hits / n, float(low), float(high))


def _decisions(words: Collection[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(words))
    foreign = [word for word in chosen if word not in DECISIONS]
    if foreign or not chosen or len(chosen) == len(DECISIONS):
        raise MorelliError(f"What counts is some of {', '.join(DECISIONS)}, not: {', '.join(chosen) or 'nothing'}.")
    return chosen


class _Lines:
    """Lines of a stream, counted and hashed on their way."""

    def __init__(self, stream: IO[bytes], *, finished: bool) -> None:
        self._stream, self._finished = stream, finished
        self._hash = hashlib.sha256()
        self.count = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def skip(self, lines: int, digest: str) -> None:
        for _ in range(lines):
            if not self.readline(-1):
                break
        if lines and (self.count < lines or self.digest != digest):
            raise MorelliError(
                "The first lines of these verdicts are not those that were looked at before. Give the same file, with "
                "more lines behind, or begin with another state."
            )

    def readline(self, limit: int = -1) -> bytes:
        raw = self._stream.readline(limit)
        if self._finished and raw and not raw.endswith(b"\n") and (limit < 0 or len(raw) < limit):
            return b""  # still being written
        self.count += raw.endswith(b"\n")
        self._hash.update(raw)
        return raw

    def __iter__(self) -> Iterator[bytes]:
        while raw := self.readline():
            yield raw
