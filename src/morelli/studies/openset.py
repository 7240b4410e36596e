"""Open set: models left out one by one, to see what is noticed of them, and whom they are mistaken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from morelli.errors import MorelliError
from morelli.studies.findings import Bar, BarChart, Column, Findings, HeatMap, Level, LineChart, Point, Series, Table
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import percent
from morelli.trials.cells import Cell, Results
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

__all__ = ["OpenSet"]

_LEVELS = (0.01, 0.05, 0.1, 0.2)
_N_BOOT = 400
_CLUSTERS = 1000
"""More prompt clusters than this are put together for the bootstrap of pairs."""


@register_study(
    "openset",
    title="Open set: models left out one by one",
    question="Are images of a model that is no candidate noticed, and whom are they mistaken for?",
)
@dataclass(frozen=True)
class OpenSet(Study):
    """Leave every model out in turn, and judge its images beside those of the candidates.

    With `together`, all models that share a value of a column are left out at once, so that a stranger has no
    relative among the candidates.
    """

    example = "--set together=lineage"

    models: tuple[str, ...] = Setting((), "Models to leave out; by default each in turn.")
    together: str | None = Setting(None, "Column whose values leave together, such as lineage; by default one by one.")
    unknown_per_class: int | None = Setting(None, "Images of each model that are judged in every fold; by default all.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor and what is left out."""
        left = self._left_out(frame)
        if len(frame.classes) < 4:
            raise MorelliError(f"Leaving models out needs at least four of them, and there are {len(frame.classes)}.")
        column = self.together or frame.label
        return [
            trial
            for attributor in frame.attributors
            for value in left
            for trial in frame.cross_validated(
                {"attributor": attributor, "left_out": value},
                train=Selection(unless={column: [value]}),
                test=Selection(per_class=self.unknown_per_class),
                attributor=attributor,
            )
        ]

    def _left_out(self, frame: Frame) -> list[str]:
        there = frame.values(self.together) if self.together is not None else frame.classes
        foreign = sorted(set(self.models) - set(there))
        if foreign:
            raise MorelliError(
                f"There is nothing called {', '.join(foreign)} to leave out; there are: {', '.join(there)}."
            )
        return list(self.models) or there

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accept and reject curves, and whom every stranger is mistaken for."""
        first = frame.attributors[0]
        strangers = {name: [_Stranger(cell, frame.seed) for cell in results.where(attributor=name) if cell.draws]
                     for name in frame.attributors}  # fmt: skip
        strangers = {name: [one for one in own if len(one.unknown)] for name, own in strangers.items()}
        series = tuple(Series(name, tuple(_curve(own))) for name, own in strangers.items() if own)
        rows = [(name, *_row(one)) for name, own in strangers.items() for one in own]
        pooled = {name: _area(own, frame.seed) for name, own in strangers.items() if own}
        sentences = []
        if first in pooled:
            area, low, high = pooled[first]
            at = _rejected(strangers[first], 0.05)
            worst = min(strangers[first], key=lambda one: one.area)
            sentences = [
                f"An image of a model that {first} has no references of looks stranger than one of a candidate in "
                f"{percent(area)} of 100 pairs (AUROC; 95% interval {percent(low)} to {percent(high)}; 50 is chance).",
                f"At the level that calls {percent(at[0])} of 100 of the candidates' images unknown, "
                f"{percent(at[1])} of 100 of the strangers' are.",
                f"Least noticed is {worst.name} ({percent(worst.area)}), mostly taken for {worst.mistaken[0]} "
                f"({percent(worst.mistaken[1])} of its images).",
            ]
        return Findings(
            sentences=tuple(sentences),
            tables=(
                Table("strangers", "What is noticed of each model that is left out", _COLUMNS, tuple(rows), _NOTE),
                Table(
                    "levels",
                    "Images called unknown by open-set level",
                    (
                        Column("attributor", "attributor"),
                        Column("level", "level", "number"),
                        Column("known", "of candidates", "share"),
                        Column("unknown", "of strangers", "share"),
                    ),
                    tuple(
                        (name, level, *_rejected(own, level))
                        for name, own in strangers.items()
                        if own
                        for level in _LEVELS
                    ),
                ),
            ),
            charts=(
                LineChart(
                    "reject",
                    "Strangers that are rejected, by candidates' images that are",
                    "candidates' images called unknown, share",
                    "strangers called unknown",
                    series,
                ),
                BarChart(
                    "areas",
                    f"Strangers told from candidates, {first}",
                    "AUROC, of 100",
                    tuple(Bar(one.name, one.area, one.low, one.high) for one in _sorted(strangers.get(first, []))),
                    (Level("chance", 0.5),),
                ),
                *_mistaken(strangers.get(first, []), first),
            ),
            values={
                "auroc": {name: area for name, (area, _, _) in pooled.items()},
                "by_stranger": {one.name: one.area for one in strangers.get(first, [])},
            },
        )


_NOTE = (
    "AUROC of the open-set p-value, images of what is left out against images of candidates in the same trials; "
    'intervals by bootstrap over prompts. "Flagged" is called unknown at the level of the attributor.'
)
_COLUMNS = (
    Column("attributor", "attributor"),
    Column("left_out", "left out"),
    Column("auroc", "AUROC", "share"),
    Column("low", "95% from", "share"),
    Column("high", "to", "share"),
    Column("flagged", "flagged", "share"),
    Column("mistaken_for", "mostly taken for"),
    Column("mistaken_share", "of its images", "share"),
    Column("relative", "lineage of that"),
    Column("n", "n", "count"),
)


class _Stranger:
    """One cell: what is left out, judged among the others."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.name = str(cell.at["left_out"])
        known, unknown, known_group, unknown_group = [], [], [], []
        answers: dict[str, int] = {}
        related: dict[str, str | None] = {}
        flagged = n = 0
        for table in cell.draws:
            scored = ~np.isnan(table.open_set_p)
            inside, outside = table.known & scored, table.unknown & scored
            known.append(table.open_set_p[inside])
            unknown.append(table.open_set_p[outside])
            known_group.append(table.group[inside])
            unknown_group.append(table.group[outside])
            flagged += int((table.decision[outside] == "unknown").sum())
            n += int(outside.sum())
            for k in table.top[outside]:
                answers[table.classes[k]] = answers.get(table.classes[k], 0) + 1
            related |= dict(zip(table.classes, table.lineages, strict=True))
        self.known, self.unknown = np.concatenate(known), np.concatenate(unknown)
        self.known_group, self.unknown_group = np.concatenate(known_group), np.concatenate(unknown_group)
        self.flagged = flagged / n if n else None
        self.answers = answers
        self.lineage = related
        self.area, self.low, self.high = 0.5, None, None
        if len(self.known) and len(self.unknown):
            self.area, self.low, self.high = _area([self], seed)

    @property
    def mistaken(self) -> tuple[str, float]:
        """Whom it is mostly taken for, and in which share of its images."""
        total = sum(self.answers.values())
        name = max(sorted(self.answers), key=lambda key: self.answers[key])
        return name, self.answers[name] / total


def _row(one: _Stranger) -> tuple[str | float | int | None, ...]:
    name, share = one.mistaken
    return one.name, one.area, one.low, one.high, one.flagged, name, share, one.lineage.get(name), len(one.unknown)


def _sorted(strangers: Sequence[_Stranger]) -> list[_Stranger]:
    return sorted(strangers, key=lambda one: -one.area)


def _area(strangers: Sequence[_Stranger], seed: int) -> tuple[float, float | None, float | None]:
    """Return the AUROC over all, and its 95% interval by bootstrap over prompt clusters.

    Known and unknown images of a prompt are drawn together; pairs are counted within a cell only, because p-values of
    different attributors are not compared.
    """
    groups = np.concatenate([np.concatenate([one.known_group, one.unknown_group]) for one in strangers])
    groups %= _CLUSTERS  # clusters that are drawn together make intervals no narrower
    names = np.unique(groups)
    wins = np.zeros((len(names), len(names)))
    pairs = np.zeros_like(wins)
    for one in strangers:
        ks, us = (np.searchsorted(names, own % _CLUSTERS) for own in (one.known_group, one.unknown_group))
        order = np.argsort(one.known, kind="stable")
        for u, score in zip(us, one.unknown, strict=True):
            # A higher p-value is less strange; ties count half.
            beaten = (one.known[order] > score) + 0.5 * (one.known[order] == score)
            wins[u] += np.bincount(ks[order], weights=beaten, minlength=len(names))
            pairs[u] += np.bincount(ks[order], minlength=len(names))
    area = float(wins.sum() / pairs.sum())
    if len(names) < 2:
        return area, None, None
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_N_BOOT).astype(np.float64)
    weight = ((times @ pairs) * times).sum(axis=1)
    drawn = ((times @ wins) * times).sum(axis=1)[weight > 0] / weight[weight > 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return area, float(low), float(high)


def _rejected(strangers: Sequence[_Stranger], level: float) -> tuple[float, float]:
    known = np.concatenate([one.known for one in strangers])
    unknown = np.concatenate([one.unknown for one in strangers])
    return float((known < level).mean()), float((unknown < level).mean())


def _curve(strangers: Sequence[_Stranger]) -> list[Point]:
    """Return the share of strangers rejected where a share of the candidates' images is."""
    known = np.sort(np.concatenate([one.known for one in strangers]))
    unknown = np.sort(np.concatenate([one.unknown for one in strangers]))
    thresholds = np.unique(np.concatenate([[0.0], known, unknown, [np.inf]]))
    x = np.searchsorted(known, thresholds, side="left") / len(known)
    y = np.searchsorted(unknown, thresholds, side="left") / len(unknown)
    shares = np.linspace(0, 1, 51)
    return [Point(float(share), float(np.interp(share, x, y))) for share in shares]


def _mistaken(strangers: Sequence[_Stranger], attributor: str) -> list[HeatMap]:
    """Return whom each stranger is taken for."""
    if not strangers:
        return []
    rows = sorted(strangers, key=lambda one: one.name)
    names = sorted({name for one in rows for name in one.answers})
    values = tuple(
        tuple(one.answers.get(name, 0) / sum(one.answers.values()) if name != one.name else None for name in names)
        for one in rows
    )
    title = f"Whom strangers are taken for, {attributor}"
    return [HeatMap("mistaken", title, "left out", "taken for", tuple(o.name for o in rows), tuple(names), values)]
