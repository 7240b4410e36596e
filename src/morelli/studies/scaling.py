"""Scaling: what every further reference is worth, and how many an accuracy needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morelli.attributors.registry import parse_attributor
from morelli.errors import MorelliError
from morelli.studies.curve import fit_curve, references_needed
from morelli.studies.findings import Chart, Column, Findings, HeatMap, Level, LineChart, Point, Series, Table
from morelli.studies.paper import SCALING, UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, nothing_found, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

__all__ = ["Scaling"]


@register_study(
    "scaling",
    title="Scaling: accuracy against references",
    question="How does accuracy grow with references of each model, and how many does a wanted accuracy need?",
    paper=f"{UNIFIED}, scaling: images per model",
)
@dataclass(frozen=True)
class Scaling(Study):
    """How accuracy grows with references of each model, by attributor.

    Fewer references are always a part of more. With `candidates`, every seed draws so many models at random, and the
    study says what a reader of the paper wants to compare: five-way accuracy over many fives.
    """

    attributors = ("fused", "logistic", "knn", "centroid")
    example = "--seeds 20 --set candidates=5"

    references: tuple[int, ...] = Setting((3, 5, 8, 12), "Numbers of references of each model.")
    candidates: int | None = Setting(None, "Models that every seed draws at random; none takes all.")
    background: bool = Setting(
        False, "Whether the models that are not drawn teach how images vary; none of their images is a reference."
    )
    wanted: float = Setting(0.95, "Accuracy that the fitted curve is asked about.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, number of references, seed and fold."""
        if min(self.references, default=0) < 1:
            raise MorelliError(f"Numbers of references are whole numbers from 1, not {list(self.references)}.")
        names = frame.classes
        if self.candidates is not None and not 2 <= self.candidates <= len(names):
            raise MorelliError(f"Between 2 and {len(names)} candidates can be drawn, not {self.candidates}.")
        if self.background and self.candidates is None:
            raise MorelliError(
                "A background is of models that are no candidates: set candidates to fewer than there are."
            )
        return [
            frame.trial(
                {"attributor": attributor, "per_class": count},
                train=Selection(where=self._drawn(frame, names, seed), per_class=count),
                test=Selection(where=self._drawn(frame, names, seed)),
                attributor=attributor,
                background=self._others(frame, names, seed, attributor),
                seed=seed,
                fold=Fold(number, frame.folds),
            )
            for attributor in frame.attributors
            for count in sorted(set(self.references))
            for seed in frame.seeds
            for number in range(frame.folds)
        ]

    def _drawn(self, frame: Frame, names: list[str], seed: int) -> dict[str, list[str]]:
        if self.candidates is None:
            return {}
        rng = np.random.default_rng([seed, self.candidates])
        return {frame.label: sorted(str(name) for name in rng.choice(names, self.candidates, replace=False))}

    def _others(self, frame: Frame, names: list[str], seed: int, attributor: str) -> Selection | None:
        if not self.background or not parse_attributor(attributor).info.background:
            return None
        return Selection(unless=self._drawn(frame, names, seed))

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies with fitted curves, and precision and recall of each model at each size."""
        cells = [cell for cell in results if cell.accuracy is not None]
        if not cells:
            return nothing_found("No image of a candidate could be judged.")
        chance = cells[0].measures["chance"] or 0.0
        series: list[Series] = []
        needs: list[tuple[str, str, float | None, float | None, float | None, bool, str]] = []
        sentences: list[str] = []
        for attributor in frame.attributors:
            own = [cell for cell in cells if cell.at["attributor"] == attributor]
            if not own:
                continue
            series.append(Series(attributor, tuple(_point(cell) for cell in own)))
            best = own[-1]
            if attributor == frame.attributors[0]:
                sentences.append(
                    f"With {best.at['per_class']} references of each of {best.measures['classes']:g} models, "
                    f"{attributor} names the right one for {percent(best.accuracy)} of 100 images "
                    f"({interval(best)}; chance {percent(chance)})."
                )
            sizes = [float(cell.at["per_class"]) for cell in own]  # type: ignore[arg-type]
            if len(sizes) < 2:
                continue
            need = references_needed(
                sizes, [c.hits for c in own], [c.clusters for c in own], chance, self.wanted, seed=frame.seed
            )
            curve = fit_curve(sizes, [c.accuracy or 0.0 for c in own], chance, need.form, [len(c.hits) for c in own])
            end = max(sizes[-1], min(need.n or sizes[-1], 4 * sizes[-1]))
            xs = np.geomspace(sizes[0], end, 40)
            series.append(
                Series(
                    f"{attributor}, fitted",
                    tuple(Point(float(x), float(y)) for x, y in zip(xs, curve.accuracy(xs), strict=True)),
                    fitted=True,
                )
            )
            needs.append((attributor, need.form, need.n, need.low, need.high, need.reached, _needed_words(need.n)))
            if attributor == frame.attributors[0]:
                high = "more than a million" if need.high is None else f"{need.high:.3g}"
                ends = "no interval below a million" if need.low is None else f"95% interval {need.low:.3g} to {high}"
                sentences.append(
                    f"For {percent(self.wanted)} of 100 it would need {_needed_words(need.n)} of each "
                    f"({ends}; {'within' if need.reached else 'extrapolated beyond'} what was "
                    "measured)."
                )
        if self._five(frame, cells):
            series.append(
                Series("ConvNeXt-Tiny, five models", tuple(Point(n, a) for n, a in SCALING.items()), paper=True)
            )
            sentences.append(
                "The paper's classifier, five models of its own and trained from scratch, has "
                + ", ".join(f"{percent(a)} of 100 at {n:,}" for n, a in SCALING.items())
                + " images of each."
            )
        tables = [
            Table(
                "accuracy",
                "Accuracy by references of each model",
                (Column("attributor", "attributor"), Column("per_class", "references of each", "count"), *MEASURED),
                tuple((cell.at["attributor"], cell.at["per_class"], *row_of(cell)) for cell in cells),
                "Intervals by bootstrap over prompts; the spread is the standard deviation between seeds.",
            ),
            Table(
                "references-needed",
                f"References of each model for {percent(self.wanted)} of 100",
                (
                    Column("attributor", "attributor"),
                    Column("form", "curve"),
                    Column("n", "references of each", "number"),
                    Column("low", "95% from", "number"),
                    Column("high", "to", "number"),
                    Column("reached", "within what was measured"),
                ),
                tuple(row[:6] for row in needs),
                "Fitted to the accuracies above; intervals by bootstrap over prompts and over two forms of curve. A "
                "dash is more than a million.",
            ),
        ]
        charts: list[Chart] = [
            LineChart(
                "accuracy",
                "Accuracy by references of each model",
                "references of each model",
                "right model",
                tuple(series),
                (Level("chance", chance),),
                log_x=True,
            ),
            *self._by_class(frame, results),
        ]
        return Findings(
            sentences=tuple(sentences),
            tables=tuple(tables),
            charts=tuple(charts),
            notes=(
                "Curves are fitted to few sizes and assume that nothing but the number of references limits accuracy.",
            ),
            values={
                "accuracy": {f"{c.at['attributor']} {c.at['per_class']}": c.accuracy for c in cells},
                "needed": {row[0]: row[2] for row in needs},
            },
        )

    def _five(self, frame: Frame, cells: list[Cell]) -> bool:
        """Whether the task has as many candidates as the paper's."""
        return bool(cells) and cells[0].measures["classes"] == 5

    def _by_class(self, frame: Frame, results: Results) -> list[HeatMap]:
        """Return recall and precision of each class at each size, for the first attributor."""
        table = results.class_table().to_pylist()
        rows = [row for row in table if row["attributor"] == frame.attributors[0]]
        sizes = sorted({row["per_class"] for row in rows})
        names = sorted({row["class"] for row in rows})
        charts = []
        for what in ("recall", "precision"):
            held = {(row["class"], row["per_class"]): row[what] for row in rows}
            charts.append(
                HeatMap(
                    f"{what}-by-model",
                    f"{what.capitalize()} of each model, {frame.attributors[0]}",
                    frame.label,
                    "references of each model",
                    tuple(names),
                    tuple(str(size) for size in sizes),
                    tuple(tuple(held.get((name, size)) for size in sizes) for name in names),
                )
            )
        return charts


def _point(cell: Cell) -> Point:
    low, high = cell.interval
    return Point(float(cell.at["per_class"]), cell.accuracy or 0.0, low, high)  # type: ignore[arg-type]


def _needed_words(n: float | None) -> str:
    return "more than a million references" if n is None else f"{n:.0f} references"
