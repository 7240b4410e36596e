"""What the study of multimodal models found: accuracy, silence, price, and who is taken for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from morelli.attributors.answers import NO_ANSWER
from morelli.attributors.mllm.evaluators import Evaluator
from morelli.studies.aligned import by_image
from morelli.studies.findings import Chart, Column, Findings, HeatMap, Level, LineChart, Point, Series, Table, Value
from morelli.studies.mllm_costs import Spent, money_words, spent_in
from morelli.studies.paper import MLLM
from morelli.studies.study import Frame
from morelli.studies.words import interval, nothing_found, percent
from morelli.trials.cells import Cell, Results

__all__ = ["find_in"]

_SILENT: Final = "no answer"
"""Stands among the answers of a confusion matrix."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A cell of an evaluator, and what asking it took."""

    evaluator: Evaluator
    cell: Cell
    spent: Spent

    @property
    def shots(self) -> int:
        return int(str(self.cell.at["shots"]))

    @property
    def reasons(self) -> Counter[str]:
        """How often there was no answer, by the reason."""
        return Counter(
            str(reason)
            for table in self.cell.draws
            for reason, known in zip(table.unanswered, table.known, strict=True)
            if known and reason is not None
        )

    @property
    def right(self) -> int:
        return int(self.cell.hits.sum())

    @property
    def answered(self) -> int:
        return len(self.cell.hits) - self.reasons.total()


def find_in(evaluators: Sequence[Evaluator], frame: Frame, results: Results) -> Findings:
    """Return what the results say.

    Parameters
    ----------
    evaluators : sequence of Evaluator
        Those that the trials asked.
    frame : Frame
    results : Results
        Cells by ``evaluator`` and ``shots``; those of attributors have None at all references.
    """
    asked = [
        _Asked(who, cell, spent_in(cell, who))
        for who in evaluators
        for cell in results.where(evaluator=who.name)
        if cell.accuracy is not None
    ]
    beside = [cell for name in frame.attributors for cell in results.where(evaluator=name) if cell.accuracy is not None]
    if not asked and not beside:
        return nothing_found("No image of a candidate could be judged.")
    five = bool(asked) and asked[0].cell.measures["classes"] == 5  # as in the paper
    stopped = [line for who in evaluators if (line := _unfinished(who, results)) is not None]
    sentences = [*stopped, *_best(asked, beside), *_silence(asked), *_price(asked)]
    if five:
        sentences.append(
            "The paper's two frontier models, five candidates of its own and 1,000 images each, have "
            f"{' and '.join(percent(values[0]) for values in MLLM.values())} of 100 without exemplars, and about 50 "
            "with one to five of each."
        )
    tables = [_accuracy(asked, beside), _outcomes(asked), _costs(asked), _differences(asked, beside)]
    charts: list[Chart] = [_by_shots(asked, beside, five), *_confusions(evaluators, asked)]
    return Findings(
        sentences=tuple(sentences),
        tables=tuple(table for table in tables if table.rows),
        charts=tuple(charts),
        notes=tuple(_notes(asked)),
        values={
            "accuracy": {f"{c.at['evaluator']} {_shots(c)}": c.accuracy for c in (*(a.cell for a in asked), *beside)},
            "answered": {f"{a.evaluator.name} {a.shots}": a.answered for a in asked},
            "asked": {f"{a.evaluator.name} {a.shots}": len(a.cell.hits) for a in asked},
            "money": {f"{a.evaluator.name} {a.shots}": a.spent.money for a in asked},
        },
        unanswered=not asked,
    )


def _shots(cell: Cell) -> str:
    return "all" if cell.at["shots"] is None else str(cell.at["shots"])


# -- in words ----------------------------------------------------------------------------------------------------------


def _unfinished(who: Evaluator, results: Results) -> str | None:
    """Say that an evaluator was not asked all that it should be, if so: what is there is of fewer images."""
    outcomes = [outcome for cell in results.where(evaluator=who.name) for outcome in cell.outcomes]
    failed = [outcome for outcome in outcomes if outcome.predictions is None and not outcome.lacking]
    if not failed:
        return None
    if len(failed) == len(outcomes):
        return f"Nothing was measured of {who.name}, which answered no part: {failed[0].problem}"
    return (
        f"{who.name} is not finished: {len(outcomes) - len(failed)} of {len(outcomes)} parts are. {failed[0].problem}"
    )


def _best(asked: list[_Asked], beside: list[Cell]) -> list[str]:
    lines = []
    for name in dict.fromkeys(one.evaluator.name for one in asked):
        own = [one for one in asked if one.evaluator.name == name]
        best = max(own, key=lambda one: one.cell.accuracy or 0.0)
        line = f"{name} names the right model for {percent(best.cell.accuracy)} of 100 images "
        line += f"with {best.shots} exemplars of each of {best.cell.measures['classes']:g} candidates "
        line += f"({interval(best.cell)}; chance {percent(best.cell.measures['chance'])})"
        others = [f"{percent(one.cell.accuracy)} with {one.shots}" for one in own if one is not best]
        lines.append(f"{line}{', and ' + ', '.join(others) if others else ''}.")
        for cell in beside:
            if cell.at["shots"] is None:
                gap = by_image(best.cell, cell)
                lines.append(
                    f"{cell.at['evaluator']} with all {cell.measures['references']:.0f} references has "
                    f"{percent(cell.accuracy)} ({interval(cell)}); {name} differs from it by {gap.words()}, compared "
                    "on the same images."
                )
    return lines


def _silence(asked: list[_Asked]) -> list[str]:
    total: Counter[str] = Counter()
    for one in asked:
        total += one.reasons
    n = sum(len(one.cell.hits) for one in asked)
    if not n:
        return []
    if not total:
        return [f"All {n:,} questions were answered with the name of a candidate."]
    parts = ", ".join(f"{count:,} {reason}" for reason, count in total.most_common())
    return [
        f"{n - total.total():,} of {n:,} questions were answered with the name of a candidate; not so: {parts}. These "
        "count as not right, and none was replaced by a guess."
    ]


def _price(asked: list[_Asked]) -> list[str]:
    paid = [one for one in asked if one.spent.money]
    if not paid:
        return []
    total = sum(one.spent.money or 0.0 for one in paid)
    best = min((one for one in paid if one.right), key=lambda one: (one.spent.money or 0.0) / one.right, default=None)
    line = f"At the prices given, the answers cost {money_words(total)} in all"
    if best is not None:
        each = (best.spent.money or 0.0) / best.right
        line += (
            f"; a right answer costs least, {money_words(each)}, from {best.evaluator.name} with {best.shots} exemplars"
        )
    return [f"{line}."]


def _notes(asked: list[_Asked]) -> list[str]:
    if not asked:
        return []
    notes = [
        "Nothing of the evaluators is calibrated: their probabilities are those of the answer's token where the "
        "endpoint gives log-probabilities, and a convention elsewhere; their prediction sets promise no coverage."
    ]
    unreported = sum(one.spent.unreported for one in asked)
    if unreported:
        notes.append(f"The endpoint counted no tokens for {unreported:,.0f} answers, which are missing in the sums.")
    return notes


# -- tables ------------------------------------------------------------------------------------------------------------

_WHO: Final = (Column("evaluator", "evaluator"), Column("shots", "exemplars of each"))


def _accuracy(asked: list[_Asked], beside: list[Cell]) -> Table:
    rows: list[tuple[Value, ...]] = []
    for one in asked:
        share = one.right / one.answered if one.answered else None
        rows.append((one.evaluator.name, _shots(one.cell), *_measured(one.cell), one.answered, share))
    rows += [(str(cell.at["evaluator"]), _shots(cell), *_measured(cell), None, None) for cell in beside]
    return Table(
        "accuracy",
        "Accuracy by evaluator and exemplars",
        (
            *_WHO,
            Column("accuracy", "right", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("chance", "chance", "share"),
            Column("lineage", "lineage", "share"),
            Column("n", "n", "count"),
            Column("answered", "named one", "count"),
            Column("right_of_answered", "right of these", "share"),
        ),
        tuple(rows),
        "Right of all images that were asked about: silence counts as not right. Intervals by bootstrap over prompts.",
    )


def _measured(cell: Cell) -> tuple[Value, ...]:
    return tuple(cell.measures[name] for name in ("accuracy", "low", "high", "chance", "lineage", "n"))


def _outcomes(asked: list[_Asked]) -> Table:
    words = [word for word in NO_ANSWER if any(one.reasons[word] for one in asked)]
    return Table(
        "outcomes",
        "What became of the questions",
        (
            *_WHO,
            Column("asked", "asked", "count"),
            Column("answered", "named one", "count"),
            *(Column(word.replace("-", "_"), word, "count") for word in words),
        ),
        tuple(
            (
                one.evaluator.name,
                _shots(one.cell),
                len(one.cell.hits),
                one.answered,
                *(one.reasons[word] for word in words),
            )
            for one in asked
        ),
        "; ".join(f"{word}: {NO_ANSWER[word]}" for word in words),
    )


def _costs(asked: list[_Asked]) -> Table:
    def per_thousand(one: _Asked) -> float | None:
        return None if one.spent.money is None or not one.right else 1000.0 * one.spent.money / one.right

    return Table(
        "costs",
        "What the answers took",
        (
            *_WHO,
            Column("requests", "answers", "count"),
            Column("images", "images shown", "count"),
            Column("tokens_in", "tokens read", "count"),
            Column("tokens_out", "tokens written", "count"),
            Column("money", "money", "number"),
            Column("money_per_thousand_right", "money for 1,000 right", "number"),
        ),
        tuple(
            (
                one.evaluator.name, _shots(one.cell), int(one.spent.requests), int(one.spent.images),
                int(one.spent.tokens_in), int(one.spent.tokens_out), one.spent.money, per_thousand(one),
            )
            for one in asked
        ),
        "Of the answers that these results rest on, whenever they were asked for, at the prices given; what was lost "
        "on the way is in the account only.",
    )  # fmt: skip


def _differences(asked: list[_Asked], beside: list[Cell]) -> Table:
    rows = []
    for one in asked:
        for cell in beside:
            if cell.at["shots"] not in (None, one.cell.at["shots"]):
                continue
            gap = by_image(one.cell, cell)
            rows.append(
                (
                    one.evaluator.name,
                    _shots(one.cell),
                    cell.at["evaluator"],
                    _shots(cell),
                    gap.value,
                    gap.low,
                    gap.high,
                    gap.n,
                )
            )
    return Table(
        "beside",
        "Beside attributors that measure, on the same images",
        (
            *_WHO,
            Column("attributor", "attributor"),
            Column("references", "references of each"),
            Column("difference", "difference", "difference"),
            Column("difference_low", "95% from", "difference"),
            Column("difference_high", "to", "difference"),
            Column("n", "n", "count"),
        ),
        tuple(rows),
        "Above zero the evaluator is right more often. Intervals by bootstrap over prompts.",
    )


# -- figures -----------------------------------------------------------------------------------------------------------


def _by_shots(asked: list[_Asked], beside: list[Cell], five: bool) -> LineChart:
    cells = [*(one.cell for one in asked), *(cell for cell in beside if cell.at["shots"] is not None)]
    series = [
        Series(name, tuple(_point(cell) for cell in cells if cell.at["evaluator"] == name))
        for name in dict.fromkeys(str(cell.at["evaluator"]) for cell in cells)
    ]
    if five:
        series += [
            Series(f"frontier model, {name}", tuple(Point(x, y) for x, y in values.items()), paper=True)
            for name, values in MLLM.items()
        ]
    levels = [Level("chance", (cells or beside)[0].measures["chance"] or 0.0)]
    levels += [
        Level(f"{cell.at['evaluator']}, all references", cell.accuracy or 0.0)
        for cell in beside
        if cell.at["shots"] is None
    ]
    return LineChart(
        "accuracy",
        "Right by exemplars of each candidate",
        "exemplars (references) of each candidate",
        "right model",
        tuple(series),
        tuple(levels),
    )


def _point(cell: Cell) -> Point:
    low, high = cell.interval
    return Point(float(str(cell.at["shots"])), cell.accuracy or 0.0, low, high)


def _confusions(evaluators: Sequence[Evaluator], asked: list[_Asked]) -> list[HeatMap]:
    """Return who is taken for whom, for each evaluator with most exemplars."""
    charts = []
    for number, who in enumerate(evaluators, start=1):
        own = [one for one in asked if one.evaluator is who]
        if not own:
            continue
        one = max(own, key=lambda one: one.shots)
        counts: Counter[tuple[str, str]] = Counter()
        for table in one.cell.draws:
            names = [*table.classes, _SILENT]
            counts.update(
                (str(label), names[top])  # -1, where there is no answer, is the last
                for label, top, known in zip(table.label, table.top, table.known, strict=True)
                if known
            )
        rows = sorted({truth for truth, _ in counts})
        columns = [*sorted({answer for _, answer in counts if answer != _SILENT} | set(rows)), _SILENT]
        total = Counter({row: sum(n for (truth, _), n in counts.items() if truth == row) for row in rows})
        charts.append(
            HeatMap(
                f"confusion-{number}",
                f"Who is taken for whom, {who.name} with {one.shots} exemplars",
                "truth",
                "answer",
                tuple(rows),
                tuple(columns),
                tuple(tuple(counts[row, column] / total[row] for column in columns) for row in rows),
            )
        )
    return charts
