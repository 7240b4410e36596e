"""Versions: telling the versions of one model apart, and when two cannot be told."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from morelli.errors import MorelliError
from morelli.studies.findings import Bar, BarChart, Column, Findings, HeatMap, Level, Table
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.metrics import PermutationAccuracy, benjamini_hochberg, permutation_accuracy
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

__all__ = ["Versions"]

_LEVEL = 0.05
_N_PERMUTATIONS = 1999


@register_study(
    "versions",
    title="Versions: near relatives among themselves",
    question="Which versions of a model can be told apart, and which not?",
)
@dataclass(frozen=True)
class Versions(Study):
    """Attribute between the versions of one model: all of them together, and every two.

    What is told is the label; `within` names the column whose values hold what belongs together. With ``--label
    version`` and ``--set within=model``, versions of a model; by default models of a lineage.
    """

    example = "--label version --set within=model"

    within: str = Setting("lineage", "Column whose values hold the versions that are compared.")
    groups: tuple[str, ...] = Setting((), "Values of that column to study; by default all that hold two or more.")
    pairs: bool = Setting(True, "Whether every two versions are compared as well.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, group of versions, and pair."""
        trials: list[Trial] = []
        for attributor in frame.attributors:
            for group, names in self._versions(frame).items():
                chosen = [("all", names)] if len(names) > 2 or not self.pairs else []
                if self.pairs:
                    chosen += [(f"{one} | {other}", [one, other]) for one, other in itertools.combinations(names, 2)]
                for told, among in chosen:
                    where = Selection(where={self.within: [group], frame.label: among})
                    cell = {"attributor": attributor, "group": group, "told": told}
                    trials += frame.cross_validated(cell, train=where, test=where, attributor=attributor)
        return trials

    def _versions(self, frame: Frame) -> dict[str, list[str]]:
        groups = frame.values(self.within)
        labels, within = frame.catalog.text(frame.label), frame.catalog.text(self.within)
        found: dict[str, list[str]] = {}
        for group in groups:
            names = sorted({str(label) for label in labels[within == group] if label is not None})
            if len(names) > 1:
                found[group] = names
        foreign = sorted(set(self.groups) - set(groups))
        if foreign:
            raise MorelliError(f"{self.within} never is {', '.join(foreign)}; there are: {', '.join(groups)}.")
        if self.groups:
            found = {group: names for group, names in found.items() if group in self.groups}
        if not found:
            raise MorelliError(
                f'No value of "{self.within}" holds two values of "{frame.label}": there are no versions to be told.'
            )
        return found

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies with tests against chance, and which pairs cannot be told."""
        cells = [cell for cell in results if cell.accuracy is not None]
        tests = [_test(cell, frame.seed) for cell in cells]
        adjusted = _adjusted([test.p for test in tests])
        rows = [
            (*(cell.at[name] for name in ("attributor", "group", "told")), *row_of(cell, MEASURED[:3]), test.p, p,
             test.null_high, _verdict(cell, p), *row_of(cell, MEASURED[4:5]), cell.measures["n"])
            for cell, test, p in zip(cells, tests, adjusted, strict=True)
        ]  # fmt: skip
        first = frame.attributors[0]
        own = [(cell, p) for cell, p in zip(cells, adjusted, strict=True) if cell.at["attributor"] == first]
        pairs = [(cell, p) for cell, p in own if cell.at["told"] != "all"]
        lost = [cell for cell, p in pairs if p is None or p > _LEVEL]
        sentences = []
        if pairs:
            mean = float(np.mean([cell.accuracy or 0.0 for cell, _ in pairs]))
            sentences.append(
                f"{first} tells {len(pairs) - len(lost)} of {len(pairs)} pairs of versions apart (better than chance "
                f"at {_LEVEL:g}, adjusted for their number); on average it is right for {percent(mean)} of 100 images, "
                "where guessing has 50."
            )
        if lost:
            names = "; ".join(f"{cell.at['told']} ({percent(cell.accuracy)})" for cell in lost[:12])
            sentences.append(f"Not told apart with these references: {names}.")
        charts = [
            BarChart(
                "versions",
                f"Right version, {first}",
                "right version, of 100",
                tuple(
                    Bar(
                        f"{cell.at['group']}: {cell.at['told']}",
                        cell.accuracy,
                        *cell.interval,
                        group=str(cell.at["group"]),
                    )
                    for cell, _ in sorted(own, key=lambda item: (str(item[0].at["group"]), -(item[0].accuracy or 0.0)))
                ),
                (Level("guessing between two", 0.5),),
            )
        ]
        maps = [self._map(str(group), first, results) for group in results.values("group")] if self.pairs else []
        return Findings(
            sentences=tuple(sentences),
            tables=(
                Table(
                    "versions",
                    "Versions told apart",
                    (
                        Column("attributor", "attributor"),
                        Column("group", self.within),
                        Column("told", "told"),
                        *MEASURED[:3],
                        Column("p", "p", "p"),
                        Column("p_adjusted", "adjusted", "p"),
                        Column("noticed_from", "noticed from", "share"),
                        Column("verdict", "verdict"),
                        Column("chance", "chance", "share"),
                        Column("n", "n", "count"),
                    ),
                    tuple(rows),
                    "p: labels permuted within prompts; adjusted for the number of tests (Benjamini & Hochberg 1995). "
                    'An accuracy below "noticed from" is what chance shows in 5 of 200 permutations: two versions that '
                    "differ by less look alike here, which does not say that they are.",
                ),
            ),
            charts=(*charts, *(chart for chart in maps if chart is not None)),
            values={f"{cell.at['group']}: {cell.at['told']}": cell.accuracy for cell, _ in own},
        )

    def _map(self, group: str, attributor: str, results: Results) -> HeatMap | None:
        """Return the accuracy of every two versions of a group, where there are more than two."""
        cells = {str(c.at["told"]): c.accuracy for c in results.where(attributor=attributor, group=group)}
        names = sorted({name for told in cells if told != "all" for name in told.split(" | ")})
        if len(names) < 3:
            return None
        values = tuple(tuple(cells.get(f"{min(a, b)} | {max(a, b)}") if a != b else None for b in names) for a in names)
        return HeatMap(f"pairs-{group}", f"Every two of {group}, right of 100", "version", "version", tuple(names),
                       tuple(names), values)  # fmt: skip


def _test(cell: Cell, seed: int) -> PermutationAccuracy:
    """Test a cell's accuracy against chance; of several seeds the first, since they judge the same images."""
    table = cell.draws[0]
    known = table.known
    return permutation_accuracy(
        table.y[known], table.top[known], table.group[known], n_permutations=_N_PERMUTATIONS, seed=seed
    )


def _adjusted(values: list[float | None]) -> list[float | None]:
    known = [p for p in values if p is not None]
    ready = iter(benjamini_hochberg(known).tolist() if known else [])
    return [None if p is None else next(ready) for p in values]


def _verdict(cell: Cell, p: float | None) -> str:
    if p is None:
        return "cannot be tested"
    return "told apart" if p <= _LEVEL else "not told apart"
