"""From outcomes to results: trials with equal coordinates are one cell, and every cell is measured in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.trials.metrics import Metrics, cluster_bootstrap_interval, none_for_nan, summarise
from morelli.trials.predictions import Predictions
from morelli.trials.runner import Outcome
from morelli.trials.selection import Value

__all__ = ["MEASURES", "Cell", "Results", "check_coordinates"]

_N_BOOT = 2000

MEASURES: Mapping[str, str] = {
    "n": "images of known classes that were judged, over all seeds",
    "n_unreadable": "images that could not be read or measured",
    "n_unanswered": "images among them for which no candidate was named: they count as not right",
    "n_unknown": "images whose class has no references",
    "seeds": "repetitions",
    "references": "images learned from, mean over trials",
    "classes": "candidates, mean over trials",
    "chance": "what guessing evenly among the candidates scores",
    "accuracy": "right at the first place",
    "low": "lower end of its 95% interval, bootstrap over prompt clusters",
    "high": "upper end",
    "spread": "standard deviation of the accuracy between seeds",
    "top3": "right within the first three",
    "lineage": "right lineage",
    "log_loss": "mean negative log-probability of the truth, nats; of the answered, like the next",
    "ece": "expected calibration error",
    "coverage": "sets that hold the truth",
    "set_size": "candidates in a set, mean over the answered",
    "right_at_half": "accuracy on the surer half",
    "attributed": "share of images called attributed",
    "attributed_right": "accuracy among them",
    "called_unknown": "share of known classes' images called unknown",
    "unknown_flagged": "share of unknown classes' images called unknown",
    "unknown_auroc": "images of unknown classes told from those of known ones",
    "fit_seconds": "time of a fit, mean over trials",
    "missing": "trials without predictions",
}
"""What is measured of a cell; shares lie in [0, 1], and None is undefined."""


@dataclass(frozen=True, eq=False)
class Cell:
    """All that came of the trials with the same coordinates.

    Attributes
    ----------
    at : mapping of str to value
        The coordinates.
    outcomes : tuple of Outcome
    seed : int
        Of the bootstrap.
    """

    at: Mapping[str, Value]
    outcomes: tuple[Outcome, ...]
    seed: int = 0

    @cached_property
    def draws(self) -> tuple[Predictions, ...]:
        """Predictions by seed, the folds of each put together."""
        by_seed: dict[int, list[Predictions]] = {}
        for outcome in self.outcomes:
            if outcome.predictions is not None:
                by_seed.setdefault(outcome.trial.seed, []).append(outcome.predictions)
        return tuple(_joined(parts) for parts in by_seed.values())

    @cached_property
    def metrics(self) -> tuple[Metrics, ...]:
        """What `morelli.trials.summarise` measures of each draw; its own interval is not used."""
        return tuple(summarise(table, seed=self.seed, n_boot=1) for table in self.draws)

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Whether each judged image of a known class was right, all draws one behind the other."""
        return np.concatenate([np.zeros(0, dtype=np.bool_), *((t.top == t.y)[t.known] for t in self.draws)])

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Prompt cluster of each of `hits`."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *(t.group[t.known] for t in self.draws)])

    @cached_property
    def measures(self) -> dict[str, float | int | None]:
        """The values of `MEASURES`."""
        draws, hits = self.metrics, self.hits
        low, high = cluster_bootstrap_interval(hits, self.clusters, _N_BOOT, self.seed)
        per_draw = [m.accuracy for m in draws if m.accuracy is not None]
        called = [{row.decision: row for row in m.decisions} for m in draws]
        done = [outcome for outcome in self.outcomes if outcome.predictions is not None]

        def mean(values: Sequence[float | None]) -> float | None:
            known = [value for value in values if value is not None]
            return float(np.mean(known)) if known else None

        return {
            "n": len(hits),
            "n_unreadable": sum(m.n_unreadable for m in draws),
            "n_unanswered": sum(int((table.known & ~table.answered).sum()) for table in self.draws),
            "n_unknown": sum(m.n_unknown for m in draws),
            "seeds": len(draws),
            "references": mean([outcome.n_references for outcome in done]),
            "classes": mean([m.n_classes for m in draws]),
            "chance": mean([m.chance for m in draws]),
            "accuracy": float(hits.mean()) if len(hits) else None,
            "low": none_for_nan(low),
            "high": none_for_nan(high),
            "spread": float(np.std(per_draw, ddof=1)) if len(per_draw) > 1 else None,
            "top3": mean([m.top3 for m in draws]),
            "lineage": mean([m.lineage_accuracy for m in draws]),
            "log_loss": mean([m.log_loss for m in draws]),
            "ece": mean([m.ece for m in draws]),
            "coverage": mean([m.coverage for m in draws]),
            "set_size": mean([m.mean_set_size for m in draws]),
            "right_at_half": mean([None if m.risk_at_half is None else 1.0 - m.risk_at_half for m in draws]),
            "attributed": mean([rows["attributed"].share for rows in called]),
            "attributed_right": mean([rows["attributed"].accuracy for rows in called]),
            "called_unknown": mean([_called_unknown(table) for table in self.draws]),
            "unknown_flagged": mean([m.open_set.unknown_flagged if m.open_set else None for m in draws]),
            "unknown_auroc": mean([m.open_set.auroc if m.open_set else None for m in draws]),
            "fit_seconds": mean([outcome.fit_seconds for outcome in done]),
            "missing": len(self.outcomes) - len(done),
        }

    @property
    def accuracy(self) -> float | None:
        """Right at the first place; None where nothing was judged."""
        return float(self.hits.mean()) if len(self.hits) else None

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Its 95% interval."""
        low, high = self.measures["low"], self.measures["high"]
        return low, high


class Results:
    """All cells of a study.

    Parameters
    ----------
    outcomes : sequence of Outcome
    seed : int
        Of bootstraps.
    """

    def __init__(self, outcomes: Sequence[Outcome], seed: int = 0) -> None:
        found: dict[tuple[tuple[str, Value], ...], list[Outcome]] = {}
        for outcome in outcomes:
            found.setdefault(tuple(outcome.trial.cell.items()), []).append(outcome)
        check_coordinates({name for at in found for name, _ in at})
        self.seed = seed
        self.cells = tuple(Cell(dict(at), tuple(of), seed) for at, of in found.items())

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def where(self, /, **at: Value) -> list[Cell]:
        """Return the cells with these coordinates, in order; other coordinates may be anything."""
        return [cell for cell in self.cells if all(cell.at.get(name) == value for name, value in at.items())]

    def cell(self, /, **at: Value) -> Cell:
        """Return the only cell with these coordinates.

        Raises
        ------
        MorelliError
            There is none, or several.
        """
        found = self.where(**at)
        if len(found) != 1:
            raise MorelliError(f"There are {len(found)} cells at {at}, not one.")
        return found[0]

    def values(self, axis: str) -> list[Value]:
        """Return the values of a coordinate, in the order of their first occurrence."""
        return list(dict.fromkeys(cell.at[axis] for cell in self.cells if axis in cell.at))

    @property
    def axes(self) -> list[str]:
        """The names of all coordinates."""
        return list(dict.fromkeys(name for cell in self.cells for name in cell.at))

    def problems(self) -> list[str]:
        """Say which trials have no predictions, and why; equal reasons of one cell once."""
        lines: dict[str, None] = {}
        for cell in self.cells:
            where = ", ".join(f"{name} {value}" for name, value in cell.at.items()) or "the only cell"
            for outcome in cell.outcomes:
                if outcome.problem is not None:
                    kind = "missing" if outcome.lacking else "failed"
                    lines[f"{where} {kind}: {outcome.problem}"] = None
        return list(lines)

    # -- tables --------------------------------------------------------------------------------------------------------

    def table(self) -> pa.Table:
        """Return one row for each cell: coordinates, then `MEASURES`."""
        columns: dict[str, list[Any]] = {axis: [cell.at.get(axis) for cell in self.cells] for axis in self.axes}
        for name in MEASURES:
            columns[name] = [cell.measures[name] for cell in self.cells]
        return _table(columns)

    def class_table(self) -> pa.Table:
        """Return precision and recall of each class in each cell, over all its draws."""
        rows: dict[str, list[Any]] = {name: [] for name in (*self.axes, *_CLASS_COLUMNS)}
        for cell in self.cells:
            for name, counts in _class_counts(cell).items():
                self._coordinates(rows, cell)
                support, predicted, right = counts
                values = (
                    name,
                    support,
                    predicted,
                    right / predicted if predicted else None,
                    right / support if support else None,
                )
                for column, value in zip(_CLASS_COLUMNS, values, strict=True):
                    rows[column].append(value)
        return _table(rows)

    def confusion_table(self) -> pa.Table:
        """Return how many images of a class were called another (or itself) in each cell; zeros are left out."""
        rows: dict[str, list[Any]] = {name: [] for name in (*self.axes, "truth", "answer", "n")}
        for cell in self.cells:
            counts: dict[tuple[str, str], int] = {}
            for table in cell.draws:
                judged = table.answered & table.labelled
                for pair in zip(table.label[judged], np.array(table.classes)[table.top[judged]], strict=True):
                    counts[pair[0], str(pair[1])] = counts.get((pair[0], str(pair[1])), 0) + 1
            for (truth, answer), n in sorted(counts.items()):
                self._coordinates(rows, cell)
                rows["truth"].append(truth)
                rows["answer"].append(answer)
                rows["n"].append(n)
        return _table(rows)

    def prediction_table(self) -> pa.Table:
        """Return one row for each image and trial: what was answered, how surely, and whether it was right.

        Coordinates come first. What the trial itself says of its attributor and views follows, unless a coordinate has
        that name. ``cluster`` is the prompt cluster.
        """
        done = [outcome for cell in self.cells for outcome in cell.outcomes if outcome.predictions is not None]
        tables = [_long(outcome, self.axes) for outcome in done]
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})

    def _coordinates(self, rows: dict[str, list[Any]], cell: Cell) -> None:
        for axis in self.axes:
            rows[axis].append(cell.at.get(axis))


_CLASS_COLUMNS = ("class", "support", "predicted", "precision", "recall")
_PREDICTION_COLUMNS = (
    "seed", "fold", "image_id", "cluster", "label", "answer", "right", "probability", "probability_of_truth",
    "set_size", "set_holds_truth", "open_set_p", "decision", "unanswered", "error",
)  # fmt: skip
_TAKEN = {*MEASURES, *_CLASS_COLUMNS, *_PREDICTION_COLUMNS, "truth"}


def check_coordinates(names: Iterable[str]) -> None:
    """Refuse coordinates that are columns of tables of results already.

    Raises
    ------
    MorelliError
        The sentence names them.
    """
    taken = sorted(set(names) & _TAKEN)
    if taken:
        raise MorelliError(
            f"Coordinates of trials are named otherwise than columns of results: {', '.join(taken)} is one already."
        )


def _joined(parts: Sequence[Predictions]) -> Predictions:
    """Put folds together, on the union of their classes: a fold may lack references of a rare one."""
    lineage_of = {name: lineage for part in parts for name, lineage in zip(part.classes, part.lineages, strict=True)}
    classes = tuple(sorted(lineage_of))
    if all(part.classes == classes for part in parts) and len({part.lineages for part in parts}) == 1:
        return Predictions.concat(parts)
    lineages = tuple(lineage_of[name] for name in classes)
    return Predictions.concat([_widened(part, classes, lineages) for part in parts])


def _widened(part: Predictions, classes: tuple[str, ...], lineages: tuple[str | None, ...]) -> Predictions:
    columns = np.searchsorted(classes, part.classes)
    proba = np.where(part.answered[:, None], 0.0, np.nan) * np.ones(len(classes))
    proba[:, columns] = part.proba
    sets = np.zeros((len(part), len(classes)), dtype=np.bool_)
    sets[:, columns] = part.prediction_set
    return replace(part, classes=classes, lineages=lineages, proba=proba, prediction_set=sets)


def _class_counts(cell: Cell) -> dict[str, tuple[int, int, int]]:
    """Return for each class how many images it has, how many were called it, and how many rightly."""
    counts: dict[str, NDArray[np.int64]] = {}
    for table in cell.draws:
        known = table.known
        for k, name in enumerate(table.classes):
            truth, answer = table.y[known] == k, table.top[known] == k
            found = np.array([truth.sum(), answer.sum(), (truth & answer).sum()])
            counts[name] = counts.get(name, np.zeros(3, dtype=np.int64)) + found
    return {name: (int(v[0]), int(v[1]), int(v[2])) for name, v in sorted(counts.items())}


def _called_unknown(table: Predictions) -> float | None:
    known = table.known
    return float((table.decision[known] == "unknown").mean()) if known.any() else None


def _long(outcome: Outcome, axes: Sequence[str]) -> pa.Table:
    table = outcome.predictions
    assert table is not None
    trial, n = outcome.trial, len(table)
    read, known = table.readable, table.known
    answer = np.array([*table.classes, None], dtype=object)[np.where(read, table.top, -1)]
    truth = np.full(n, np.nan)
    truth[known] = table.proba[known, table.y[known]]
    best = np.full(n, np.nan)
    best[read] = table.confidence[read]
    held: list[bool | None] = [None] * n
    for i in np.flatnonzero(known):
        held[i] = bool(table.prediction_set[i, table.y[i]])
    labels = table.label
    columns: dict[str, Any] = {
        "attributor": [trial.attributor] * n,
        "train_views": [",".join(trial.train_views)] * n,
        "test_view": [trial.test_view] * n,
    }
    columns = {axis: [trial.cell.get(axis)] * n for axis in axes} | {
        name: values for name, values in columns.items() if name not in axes
    }
    columns |= {
        "seed": [trial.seed] * n,
        "fold": [None if trial.fold is None else trial.fold.number] * n,
        "image_id": table.image_id,
        "cluster": table.group,
        "label": labels,
        "answer": answer,
        "right": [
            None if not r or label is None else bool(a == label)
            for r, a, label in zip(read, answer, labels, strict=True)
        ],
        "probability": _nullable(best),
        "probability_of_truth": _nullable(truth),
        "set_size": table.prediction_set.sum(axis=1),
        "set_holds_truth": held,
        "open_set_p": _nullable(table.open_set_p),
        "decision": table.decision,
        "unanswered": table.unanswered,
        "error": table.error,
    }
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _nullable(values: NDArray[np.float64]) -> list[float | None]:
    return [none_for_nan(value) for value in values]


def _table(columns: Mapping[str, list[Any]]) -> pa.Table:
    """Return a table; coordinates of several types become text."""
    arrays = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        mixed = len(kinds) > 1 and not kinds <= {int, float}
        if kinds == {int, float}:
            values = [None if value is None else float(value) for value in values]
        arrays[name] = pa.array([None if value is None else str(value) for value in values] if mixed else values)
    return pa.table(arrays)
