"""Structure: where the signature lives, by probes that remove one kind of trace and by families left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from morelli.attributors.registry import parse_attributor
from morelli.encoders import get_encoder
from morelli.errors import MorelliError
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, HeatMap, Level, Table
from morelli.studies.paired import Difference, Gain, difference, fusion_gain
from morelli.studies.paper import STRUCTURE, UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.trial import Trial
from morelli.views import list_views, parse_view

__all__ = ["DATASET_ORIGIN", "Structure", "default_probes"]

NONE = "none"

PROBE, WITHOUT, ALONE = "probe", "without", "alone"
"""Values of the coordinate `part`: what `of` names is a probe, a family left out, or the only family read."""

DATASET_ORIGIN = (
    "On another question, which of three datasets an image is from, the same authors' line of work (Zeng, Yin and Liu, "
    "Understanding Bias in Large-Scale Visual Datasets, NeurIPS 2024) has, of 100: 82.0 untouched, 80.1 and 81.2 with "
    "patches shuffled in two ways, 79.2 high-pass, 79.0 HOG, 77.4 VAE reconstruction, 73.2 segmentation, 73.1 depth, "
    "71.0 Canny edges, 70.4 low-pass, 52.2 and 58.5 with pixels shuffled in two ways, 48.5 mean RGB."
)
"""The line of work's figures: another task, so they are a note and no bars."""


def default_probes() -> tuple[str, ...]:
    """Return gray and all registered structure views in one typical use each.

    Views that run a network are not among them: their weights may not be here. They can be named.

    Examples
    --------
    >>> default_probes()[:2]
    ('gray', 'butterworth-highpass:0.05')
    """
    infos = [info for info in list_views() if info.group == "structure" and info.batch is None]
    return ("gray", *(parse_view(info.example).name for info in infos if info.example is not None))


@register_study(
    "structure",
    title="Structure: where the signature lives",
    question="Which kinds of trace carry the signature, and which complement each other?",
    paper=f"{UNIFIED}, structural probes: trained and tested on the transformed image",
)
@dataclass(frozen=True)
class Structure(Study):
    """Where the signature lives: probes, families of traces, and which of them complement each other.

    Every probe is a view that keeps one kind of trace; attributors are trained and tested on the transformed image.
    Families of the forensic encoder are left out one by one, and read alone. The gain of fusing two is what they know
    beside each other: the log-linear mean of their probabilities, against the better of the two on the same images.
    """

    example = "--set probes=gray,canny,highpass:4"

    probes: tuple[str, ...] | None = Setting(
        None, "Views; none takes gray and all structure views that need no network, with typical parameters."
    )
    families: tuple[str, ...] | None = Setting(
        None, "Forensic families to be left out, and read alone; none takes all that the first attributor reads."
    )
    pairs: bool = Setting(True, "Whether pairs of probes, and pairs of families, are fused.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, probe or family, seed and fold."""
        trials = []
        for attributor in frame.attributors:
            for view in self._views():
                trials += frame.cross_validated(
                    _cell(attributor, PROBE, view), train_views=(view,), test_view=view, attributor=attributor
                )
        first = frame.attributors[0]
        for part, family, encoder in self._encoders(first):
            name = f"{parse_attributor(first).info.name}@{encoder}"
            trials += frame.cross_validated(_cell(first, part, family), attributor=name)
        return trials

    def _views(self) -> list[str]:
        named = default_probes() if self.probes is None else self.probes
        return list(dict.fromkeys([NONE, *(parse_view(probe).name for probe in named)]))

    def _encoders(self, attributor: str) -> list[tuple[str, str, str]]:
        """Return part, family and encoder of every trial on families."""
        read = forensic_families(attributor)
        if self.families is not None:
            foreign = [family for family in self.families if family not in read]
            if foreign:
                there = ", ".join(read) or "none"
                raise MorelliError(
                    f"{attributor} does not read the forensic families {', '.join(foreign)}; it reads: {there}."
                )
        found = []
        for family in read if self.families is None else dict.fromkeys(self.families):
            rest = _without(attributor, family)
            if rest:
                found.append((WITHOUT, family, rest))
            found.append((ALONE, family, f"forensic[{family}]"))
        return found

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies of probes and families, and what pairs of them gain."""
        found = _Found(self, frame, results)
        return Findings(
            sentences=tuple(found.sentences()),
            tables=tuple(table for table in found.tables() if table.rows),
            charts=tuple(found.charts()),
            notes=tuple(found.notes()),
            values=found.values(),
        )


def forensic_families(attributor: str) -> tuple[str, ...]:
    """Return the forensic families that an attributor reads; none where it reads other encoders only.

    Examples
    --------
    >>> forensic_families("centroid@forensic[colour,layout]")
    ('colour', 'layout')
    """
    return next((families for families in map(_families, _parts(attributor)) if families), ())


def _parts(attributor: str) -> list[str]:
    return [part.strip() for part in parse_attributor(attributor).encoder.split("+")]


def _families(encoder: str) -> tuple[str, ...]:
    if encoder != "forensic" and not encoder.startswith("forensic["):
        return ()
    return tuple(get_encoder(encoder).blocks)


def _without(attributor: str, family: str) -> str:
    """Return what an attributor reads without one family; empty where nothing is left."""
    parts = []
    for part in _parts(attributor):
        families = _families(part)
        if family in families:
            left = [other for other in families if other != family]
            parts += [f"forensic[{','.join(left)}]"] if left else []
        else:
            parts.append(part)
    return "+".join(parts)


def _cell(attributor: str, part: str, of: str) -> dict[str, Any]:
    return {"attributor": attributor, "part": part, "of": of}


class _Found:
    """The results of one structure study, looked at."""

    def __init__(self, study: Structure, frame: Frame, results: Results) -> None:
        self.study, self.frame, self.results = study, frame, results
        self.first, self.seed = frame.attributors[0], frame.seed
        self.untouched = next(iter(self.cells(PROBE, NONE)), None)
        self.gains = (
            {part: self._gains(part) for part in (PROBE, ALONE)} if study.pairs else {PROBE: {}, ALONE: {}}
        )  # fmt: skip

    def cells(self, part: str, of: str | None = None, attributor: str | None = None) -> list[Cell]:
        """Return measured cells, in order; of the first attributor unless another is named."""
        own = self.results.where(attributor=attributor or self.first, part=part)
        return [cell for cell in own if cell.accuracy is not None and of in (None, cell.at["of"])]

    def _gains(self, part: str) -> dict[tuple[str, str], Gain]:
        gains = {}
        for one, other in combinations(self.cells(part), 2):
            gain = fusion_gain(one, other, self.seed)
            if gain is not None:
                gains[str(one.at["of"]), str(other.at["of"])] = gain
        return gains

    def lost(self) -> dict[str, Difference]:
        """Return what is lost without each family: all families less all but one."""
        if self.untouched is None:
            return {}
        found = {str(c.at["of"]): difference([(self.untouched, c)], self.seed) for c in self.cells(WITHOUT)}
        return {family: gap for family, gap in found.items() if gap is not None}

    # -- words ---------------------------------------------------------------------------------------------------------

    def sentences(self) -> list[str]:
        said = []
        probes = _ranked(cell for cell in self.cells(PROBE) if cell.at["of"] != NONE)
        if self.untouched is not None:
            text = (
                f"In untouched images {self.first} names the right one of {self.untouched.measures['classes']:g} for "
                f"{percent(self.untouched.accuracy)} of 100 ({interval(self.untouched)}; chance "
                f"{percent(self.untouched.measures['chance'])})"
            )
            if probes:
                text += "; trained and tested on what a probe leaves, " + ", ".join(
                    f"{cell.at['of']} {percent(cell.accuracy)}" for cell in probes
                )
            said.append(text + ".")
        if len(probes) > 1:
            most, least = probes[0], probes[-1]
            said.append(
                f"Most of the signature is in what {most.at['of']} keeps ({percent(most.accuracy)} of 100, "
                f"{interval(most)}), least in what {least.at['of']} keeps ({percent(least.accuracy)}, "
                f"{interval(least)})."
            )
        alone, lost = _ranked(self.cells(ALONE)), self.lost()
        if alone:
            said.append(
                "Families alone: " + ", ".join(f"{cell.at['of']} {percent(cell.accuracy)}" for cell in alone) + "."
            )
        if lost:
            family, gap = max(lost.items(), key=lambda item: item[1].points)
            said.append(
                f"Of single families, {family} would be missed most: {_points(gap.points)} less without it "
                f"({gap.interval})."
            )
        said += [
            text
            for text in (self._best_pair(PROBE, "probes"), self._best_pair(ALONE, "families, each read alone,"))
            if text is not None
        ]
        return said

    def _best_pair(self, part: str, what: str) -> str | None:
        if not self.gains[part]:
            return None
        (one, other), gain = max(self.gains[part].items(), key=lambda item: item[1].points)
        sure = sum(gain.low is not None and gain.low > 0 for gain in self.gains[part].values())
        return (
            f"Fusing two {what} is better than the better of the two, with an interval above zero, for {sure} of "
            f"{len(self.gains[part])} pairs; most for {one} with {other}: {percent(gain.fused)} of 100, "
            f"{_points(gain.points)} more ({gain.interval})."
        )

    def notes(self) -> list[str]:
        notes = []
        run = {str(cell.at["of"]).partition(":")[0] for cell in self.results.where(part=PROBE)}
        absent = [probe for probe in STRUCTURE if probe not in run]
        if absent:
            notes.append(f"Probes of the paper that were not run: {', '.join(absent)}.")
        if not forensic_families(self.first):
            notes.append(f"No family was left out: {self.first} reads no forensic families.")
        if any(self.gains.values()):
            notes.append(
                "Intervals of fusion gains are for each pair by itself: of many pairs, some lie above zero by chance."
            )
        notes.append(DATASET_ORIGIN)
        return notes

    def values(self) -> dict[str, Any]:
        return {
            "accuracy": {" ".join(str(v) for v in cell.at.values()): cell.accuracy for cell in self.results},
            "lost_without": {family: gap.points for family, gap in self.lost().items()},
            "gain": {
                part: {f"{one} + {other}": gain.points for (one, other), gain in gains.items()}
                for part, gains in self.gains.items()
            },
        }

    # -- tables --------------------------------------------------------------------------------------------------------

    def tables(self) -> list[Table]:
        attributor = Column("attributor", "attributor")
        probes, families = self.results.where(part=PROBE), self.results.where(part=ALONE)
        families += self.results.where(part=WITHOUT)
        return [
            Table(
                "probes",
                "Accuracy by probe, trained and tested on the transformed image",
                (attributor, Column("probe", "probe"), *MEASURED),
                tuple((cell.at["attributor"], cell.at["of"], *row_of(cell)) for cell in probes),
            ),
            Table(
                "families",
                f"Accuracy by family, {self.first}",
                (Column("family", "family"), Column("part", "read"), *MEASURED),
                tuple((cell.at["of"], _READ[str(cell.at["part"])], *row_of(cell)) for cell in families),
            ),
            Table(
                "lost-without",
                f"What {self.first} loses without each family",
                (
                    Column("family", "without"),
                    Column("all", "all families", "share"),
                    Column("rest", "the others", "share"),
                    *_DIFFERENCE,
                ),
                tuple((family, g.first, g.second, g.points, g.low, g.high, g.n) for family, g in self.lost().items()),
            ),
            self._pair_table(PROBE, "pairs-of-probes", "Pairs of probes, fused"),
            self._pair_table(ALONE, "pairs-of-families", "Pairs of families, each read alone, fused"),
        ]

    def _pair_table(self, part: str, name: str, title: str) -> Table:
        shares = [Column(key, word, "share") for key, word in (("a", "first"), ("b", "second"), ("fused", "fused"))]
        pairs = sorted(self.gains[part].items(), key=lambda item: -item[1].points)
        return Table(
            name,
            f"{title}, {self.first}",
            (Column("one", "one"), Column("other", "other"), *shares, *_DIFFERENCE),
            tuple((*pair, g.first, g.second, g.fused, g.points, g.low, g.high, g.n) for pair, g in pairs),
            "The difference is to the better of the two, on the same images; intervals by bootstrap over prompts.",
        )

    # -- charts --------------------------------------------------------------------------------------------------------

    def charts(self) -> list[Chart]:
        chance = next((cell.measures["chance"] for cell in self.results if cell.accuracy is not None), None)
        levels = (Level("chance", chance or 0.0),)
        bars = [
            Bar(
                str(cell.at["of"]) if several == 1 else f"{cell.at['of']}, {attributor}",
                cell.accuracy,
                *cell.interval,
                group=attributor,
            )
            for several in (len(self.frame.attributors),)
            for attributor in self.frame.attributors
            for cell in _ranked(self.cells(PROBE, attributor=attributor))
        ]
        paper = [Bar(probe, value, group="paper", paper=True) for probe, value in STRUCTURE.items()]
        charts: list[Chart] = []
        if bars:
            title = "Accuracy on what a probe leaves"
            charts.append(BarChart("probes", title, "right", (*bars, *paper), levels))
        charts += self._heat_map(PROBE, "gain-of-probes", "Gain of fusing two probes over the better")
        families = [
            Bar(f"{cell.at['of']} alone" if part == ALONE else f"without {cell.at['of']}", cell.accuracy,
                *cell.interval, group=_READ[part])
            for part in (ALONE, WITHOUT)
            for cell in _ranked(self.cells(part))
        ]  # fmt: skip
        if families:
            if self.untouched is not None:
                families.append(Bar("all", self.untouched.accuracy, *self.untouched.interval, group="all"))
            charts.append(BarChart("families", f"Accuracy by family, {self.first}", "right", tuple(families), levels))
        charts += self._heat_map(ALONE, "gain-of-families", "Gain of fusing two families over the better")
        return charts

    def _heat_map(self, part: str, name: str, title: str) -> list[Chart]:
        gains = self.gains[part]
        names = [str(cell.at["of"]) for cell in self.results.where(attributor=self.first, part=part)]
        if not gains:
            return []

        def value(one: str, other: str) -> float | None:
            gain = gains.get((one, other)) or gains.get((other, one))
            return None if gain is None else gain.points

        matrix = tuple(tuple(value(one, other) for other in names) for one in names)
        return [HeatMap(name, f"{title}, {self.first}", "one", "other", tuple(names), tuple(names), matrix, True)]


_READ = {ALONE: "alone", WITHOUT: "all others"}

_DIFFERENCE = (
    Column("points", "difference", "difference"),
    Column("low", "95% from", "difference"),
    Column("high", "to", "difference"),
    Column("n", "n", "count"),
)


def _ranked(cells: Sequence[Cell] | Any) -> list[Cell]:
    return sorted(cells, key=lambda cell: -(cell.accuracy or 0.0))


def _points(value: float) -> str:
    return f"{percent(value)} points"
