"""Pipelines: trained on images of one source, tested on another source of the same models or lineages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fitting import DEGRADED_VIEWS
from morelli.attributors.lineage import lineage_probabilities
from morelli.catalog import Catalog
from morelli.errors import MorelliError
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, HeatMap, Level, Table, Value
from morelli.studies.paired import Difference, Pooled, Right, difference, known_hits, pooled
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.predictions import Predictions
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

__all__ = ["Pipelines"]

TRAINED = {"clean": "untouched references", "degraded": "references in several views"}
"""Words for what was trained on."""


@register_study(
    "pipelines",
    title="Pipelines: from one source of images to another",
    question="Does what was learned from one source hold for images of the same models from another?",
)
@dataclass(frozen=True)
class Pipelines(Study):
    """Whether a signature survives a change of pipeline: other software, settings and files for the same models.

    Every source is judged by what was learned from every source, itself included, with whole prompts held out; a source
    judged by itself is the upper reference. Images of models that the references lack do not count for accuracy, and
    how many of them are called unknown is measured; candidates that the judged source lacks stay candidates. By lineage
    every image counts whose lineage is among the references', whatever its model.
    """

    example = "--set lineage=true --set train_views=clean"

    column: str = Setting("source", "Column that says which source an image is from.")
    lineage: bool = Setting(False, "Whether the right lineage is enough; to learn lineages, use --label lineage.")
    train_views: tuple[str, ...] = Setting(tuple(TRAINED), "What references are seen through: clean, degraded.")
    mixture: tuple[str, ...] = Setting(DEGRADED_VIEWS, "The views that degraded stands for.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, training views, source of references, source of the test, seed and fold."""
        foreign = [word for word in self.train_views if word not in TRAINED]
        if foreign or not self.train_views or len(set(self.train_views)) < len(self.train_views):
            named = ", ".join(self.train_views) or "none"
            raise MorelliError(f"Training views are different ones of {', '.join(TRAINED)}, not: {named}.")
        if frame.label == self.column:
            raise MorelliError(f'The column "{self.column}" is what is told; sources need a column of their own.')
        sources = frame.values(self.column)
        if len(sources) < 2:
            raise MorelliError(
                f'All images have "{sources[0]}" in the column "{self.column}": a change of pipeline needs two sources.'
            )
        return [
            trial
            for attributor in frame.attributors
            for word in self.train_views
            for one in sources
            for other in sources
            for trial in frame.cross_validated(
                {"attributor": attributor, "trained": word, "from": one, "to": other},
                train=Selection(where={self.column: one}),
                test=Selection(where={self.column: other}),
                train_views=self.mixture if word == "degraded" else ("none",),
                attributor=attributor,
            )
        ]

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return a matrix of sources, what a change of pipeline costs, and whether experts help."""
        found = _Found(self, frame, results)
        return Findings(
            sentences=tuple(found.sentences()),
            tables=tuple(table for table in found.tables() if table.rows),
            charts=tuple(found.charts()),
            notes=tuple(found.notes()),
            values=found.values(),
        )


Bools = NDArray[np.bool_]


def by_lineage(catalog: Catalog, label: str) -> Right:
    """Return what counts by lineage, as `morelli.studies.paired.difference` takes it.

    An image counts if its lineage is among the candidates', whether or not its model is; it is right if the most
    probable lineage is its own. Without a lineage, a model is a lineage of its own.

    Parameters
    ----------
    catalog : Catalog
    label : str
        The column that is told.
    """
    names, lineages = catalog.text(label), catalog.text("lineage")
    lineage_of = {
        str(image): name if lineage is None else lineage
        for image, name, lineage in zip(catalog.column("image_id"), names, lineages, strict=True)
    }

    def right(table: Predictions) -> tuple[Bools, Bools]:
        labels, proba = lineage_probabilities(table.proba, table.lineages, table.classes)
        truth = [lineage_of.get(str(image)) for image in table.image_id]
        counts = np.array([line in labels for line in truth], dtype=np.bool_) & table.readable
        best = np.where(table.answered, np.where(np.isnan(proba), -1.0, proba).argmax(axis=1), -1)
        answer = np.array([*labels, None], dtype=object)[best]
        return counts, np.array([a == t for a, t in zip(answer, truth, strict=True)], dtype=np.bool_) & counts

    return right


class _Found:
    """The results of one study of pipelines, looked at."""

    def __init__(self, study: Pipelines, frame: Frame, results: Results) -> None:
        self.study, self.frame, self.results = study, frame, results
        self.first, self.seed = frame.attributors[0], frame.seed
        self.lineage = by_lineage(frame.catalog, frame.label)
        self.right: Right = self.lineage if study.lineage else known_hits
        self.has_lineages = frame.label != "lineage" and bool((frame.catalog.codes("lineage")[0] >= 0).any())
        self.told = "lineage" if study.lineage else frame.label
        self.sources = [str(value) for value in results.values("to")]

    def score(self, cells: Sequence[Cell], right: Right | None = None) -> Pooled | None:
        """Return the accuracy over cells by what counts in this study, or by `right`."""
        return pooled(cells, self.seed, right or self.right)

    def cells(self, trained: str, same: bool, attributor: str | None = None) -> list[Cell]:
        own = self.results.where(attributor=attributor or self.first, trained=trained)
        return [cell for cell in own if (cell.at["from"] == cell.at["to"]) == same]

    def at_home(self, cell: Cell) -> Cell:
        """Return the cell of the same test whose references are of the same source."""
        return self.results.cell(**{**cell.at, "from": cell.at["to"]})

    def cost(self, cells: Sequence[Cell]) -> Difference | None:
        """Return by how much references of the same source are better, on the same images."""
        pairs = [(self.at_home(cell), cell) for cell in cells]
        return difference(pairs, self.seed, (self.right, self.right))

    def help(self, cells: Sequence[Cell]) -> Difference | None:
        """Return by how much training on several views is better than these cells trained on untouched images."""
        pairs = [
            (one, cell) for cell in cells for one in self.results.where(**{**cell.at, "trained": "degraded"})
        ]  # fmt: skip
        return difference(pairs, self.seed, (self.right, self.right))

    # -- words ---------------------------------------------------------------------------------------------------------

    def sentences(self) -> list[str]:
        said = []
        for trained in self.study.train_views:
            home, away = (self.score(self.cells(trained, same)) for same in (True, False))
            if away is None:
                said.append(
                    f"No image of one source could be judged by {TRAINED[trained]} of another: they share no "
                    f"{self.told}, or too little can be learned from."
                )
                continue
            beside = f"; within the same source {percent(home.accuracy)} ({home.interval})" if home else ""
            said.append(
                f"With {TRAINED[trained]} of another source, {self.first} names the right {self.told} for "
                f"{percent(away.accuracy)} of 100 images ({away.interval}; chance "
                f"{percent(self.chance(self.cells(trained, False)))}){beside}."
            )
            said += self._costs(trained)
        by_line = self.score(self.cells(self.study.train_views[0], False), self.lineage)
        if self.has_lineages and not self.study.lineage and by_line is not None:
            said.append(
                f"Of images of another source whose lineage has references, whatever their {self.frame.label}, "
                f"{percent(by_line.accuracy)} of 100 are given the right lineage ({by_line.interval})."
            )
        gain = self.help(self.cells("clean", False))
        if gain is not None:
            said.append(
                f"On images of another source, references in several views are right for {percent(gain.first)} of 100 "
                f"where untouched ones are for {percent(gain.second)}: a difference of {percent(gain.points)} points "
                f"({gain.interval})."
            )
        unknown = [c for c in self.cells(self.study.train_views[0], False) if c.measures["n_unknown"]]
        if unknown:
            n = sum(int(cell.measures["n_unknown"] or 0) for cell in unknown)
            flagged = sum((c.measures["n_unknown"] or 0) * (c.measures["unknown_flagged"] or 0.0) for c in unknown) / n
            said.append(
                f"{n:,} answers are for images whose {self.frame.label} has no references in the other source; "
                f"{percent(flagged)} of 100 of them are called unknown."
            )
        return said

    def _costs(self, trained: str) -> list[str]:
        cells = self.cells(trained, False)
        overall = self.cost(cells)
        by_cell = [(gap.points, cell) for cell in cells if (gap := self.cost([cell])) is not None]
        if overall is None or not by_cell:
            return []
        points, worst = max(by_cell, key=lambda pair: pair[0])
        return [
            f"On the same images, references of another source cost {percent(overall.points)} points "
            f"({overall.interval}); most from {worst.at['from']} to {worst.at['to']}, {percent(points)}."
        ]

    def chance(self, cells: Sequence[Cell]) -> float:
        """Return what guessing evenly scores, mean over predictions."""
        tables = [table for cell in cells for table in cell.draws]
        if not self.study.lineage:
            return float(np.mean([1.0 / len(table.classes) for table in tables]))
        return float(np.mean([1.0 / len(_lineages(table)) for table in tables]))

    def notes(self) -> list[str]:
        notes = [
            f"Accuracy is over images whose {self.frame.label} has references in the source that was learned from; "
            "candidates that the judged source lacks stay candidates. Whole prompts are held out in all sources alike, "
            "so that within and between sources as large a part of the references is used."
        ]
        codes, _ = self.frame.catalog.codes(self.study.column)
        without = int(((codes < 0) & (self.frame.catalog.codes(self.frame.label)[0] >= 0)).sum())
        if without:
            notes.append(
                f"{without} labelled images have no value in the column {self.study.column}, and take no part."
            )
        return notes

    def values(self) -> dict[str, Any]:
        gain = self.help(self.cells("clean", False))
        return {
            "accuracy": {
                " ".join(map(str, c.at.values())): _accuracy(self.score([c], known_hits)) for c in self.results
            },
            "lineage": {
                " ".join(map(str, c.at.values())): _accuracy(self.score([c], self.lineage)) for c in self.results
            },
            "cost": {
                trained: gap.points
                for trained in self.study.train_views
                if (gap := self.cost(self.cells(trained, False))) is not None
            },
            "experts": None if gain is None else gain.points,
        }

    # -- tables --------------------------------------------------------------------------------------------------------

    def overview(self) -> Table:
        rows: list[tuple[Value, ...]] = []
        for attributor in self.frame.attributors:
            for trained in self.study.train_views:
                for same in (True, False):
                    over = self.score(self.cells(trained, same, attributor))
                    if over is not None:
                        kind = "same" if same else "another"
                        rows.append((attributor, trained, kind, over.accuracy, over.low, over.high, over.n))
        return Table(
            "sources",
            f"Right {self.told}, over all sources",
            (
                Column("attributor", "attributor"),
                Column("trained", "references"),
                Column("source", "source"),
                Column("accuracy", "right", "share"),
                Column("low", "95% from", "share"),
                Column("high", "to", "share"),
                Column("n", "n", "count"),
            ),
            tuple(rows),
        )

    def tables(self) -> list[Table]:
        more = ("references", "n_unknown", "unknown_flagged")
        rows: list[tuple[Value, ...]] = []
        for cell in self.results:
            line = self.score([cell], self.lineage)
            by_line = (None, None, None, 0) if line is None else (line.accuracy, line.low, line.high, line.n)
            rows.append((*cell.at.values(), *row_of(cell), *(cell.measures[name] for name in more), *by_line))
        costs: list[tuple[Value, ...]] = []
        for trained in self.study.train_views:
            for cell in self.cells(trained, False):
                gap = self.cost([cell])
                if gap is not None:
                    place = (trained, cell.at["from"], cell.at["to"])
                    costs.append((*place, gap.first, gap.second, gap.points, gap.low, gap.high, gap.n))
        return [
            self.overview(),
            Table(
                "accuracy",
                "Accuracy by source of the references and of what is judged",
                (
                    Column("attributor", "attributor"),
                    *_PLACE,
                    *MEASURED,
                    Column("references", "references", "count"),
                    Column("n_unknown", "of models without references", "count"),
                    Column("unknown_flagged", "called unknown", "share"),
                    Column("any_lineage", "lineage, of any model", "share"),
                    Column("lineage_low", "95% from", "share"),
                    Column("lineage_high", "to", "share"),
                    Column("n_lineage", "n", "count"),
                ),
                tuple(rows),
                "Right and lineage are over models that the references have; lineage of any model is over all images "
                "whose lineage they have.",
            ),
            Table(
                "cost",
                f"What references of another source cost, by {self.told}, {self.first}",
                (
                    *_PLACE,
                    Column("home", "same source", "share"),
                    Column("away", "another source", "share"),
                    Column("points", "cost", "difference"),
                    Column("low", "95% from", "difference"),
                    Column("high", "to", "difference"),
                    Column("n", "n", "count"),
                ),
                tuple(costs),
                "On the images that count in both; intervals by bootstrap over prompts.",
            ),
        ]

    # -- charts --------------------------------------------------------------------------------------------------------

    def charts(self) -> list[Chart]:
        charts: list[Chart] = []
        for trained in self.study.train_views:
            title = f"Right {self.frame.label} with {TRAINED[trained]}"
            charts += self._matrix(f"accuracy-{trained}", title, trained, self._accuracy_by(known_hits))
            if self.has_lineages:
                title = f"Right lineage, of any {self.frame.label}, with {TRAINED[trained]}"
                charts += self._matrix(f"lineage-{trained}", title, trained, self._accuracy_by(self.lineage))
        if self.help(self.cells("clean", False)) is not None:

            def gain(cell: Cell) -> float | None:
                found = self.help([cell])
                return None if found is None else found.points

            title = f"References in several views, less untouched ones, by {self.told}"
            charts += self._matrix("experts", title, "clean", gain, signed=True)
        bars = [
            Bar(f"{attributor}, {'same' if same else 'another'} source, {trained}", over.accuracy, over.low, over.high,
                group="same source" if same else "another source")
            for attributor in self.frame.attributors
            for trained in self.study.train_views
            for same in (True, False)
            if (over := self.score(self.cells(trained, same, attributor))) is not None
        ]  # fmt: skip
        if bars:
            away = self.cells(self.study.train_views[0], False)
            levels = (Level("chance", self.chance(away)),) if any(cell.draws for cell in away) else ()
            charts.append(BarChart("sources", f"Right {self.told}, over all sources", "right", tuple(bars), levels))
        return charts

    def _accuracy_by(self, right: Right) -> Callable[[Cell], float | None]:
        return lambda cell: _accuracy(self.score([cell], right))

    def _matrix(
        self, name: str, title: str, trained: str, value: Callable[[Cell], float | None], signed: bool = False
    ) -> list[Chart]:
        matrix = tuple(
            tuple(
                value(self.results.cell(attributor=self.first, trained=trained, **{"from": one, "to": other}))
                for other in self.sources
            )
            for one in self.sources
        )
        if all(v is None for row in matrix for v in row):
            return []
        names = tuple(self.sources)
        return [HeatMap(name, f"{title}, {self.first}", "learned from", "judged", names, names, matrix, signed)]


_PLACE = (Column("trained", "references"), Column("from", "learned from"), Column("to", "judged"))


def _lineages(table: Predictions) -> tuple[str, ...]:
    return lineage_probabilities(table.proba[:0], table.lineages, table.classes)[0]


def _accuracy(over: Pooled | None) -> float | None:
    return None if over is None else over.accuracy
