"""Studies that a TOML file describes: a registered one with its settings, or trials of one's own."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morelli.catalog import Catalog
from morelli.errors import MorelliError
from morelli.studies.described_checks import SHARES, check_block, check_shown, only, placed, short, tables_of
from morelli.studies.findings import (
    Bar,
    BarChart,
    Chart,
    Column,
    Findings,
    HeatMap,
    Level,
    LineChart,
    Point,
    Series,
    Table,
)
from morelli.studies.run import frame_of
from morelli.studies.study import Frame, Study, make_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import MEASURES, Cell, Results
from morelli.trials.selection import Selection, Value
from morelli.trials.trial import Trial

__all__ = ["Described", "OwnStudy", "read_study"]

_MAX_BYTES = 1 << 22
_HEAD = {"kind", "name", "title", "question", "catalog", "join", "split", "label", "seeds", "seed", "folds", "level",
         "attributors", "settings"}  # fmt: skip
_FRAME = ("seeds", "seed", "folds", "level", "attributors", "label")
_HEAD_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("kind", "name", "title", "question", "join", "split", "label"), str),
    **dict.fromkeys(("seeds", "seed", "folds"), int),
    "level": (int, float),
    "attributors": list,
    "settings": Mapping,
}


@dataclass(frozen=True)
class Described:
    """What a file holds.

    Attributes
    ----------
    study : Study
    catalog : pathlib.Path
    join : pathlib.Path or None
        A table with more columns, see :func:`morelli.catalog.join_columns`.
    split : str or None
    options : mapping
        Of the frame.
    """

    study: Study
    catalog: Path
    join: Path | None
    split: str | None
    options: Mapping[str, Any]

    def frame(self, catalog: Catalog) -> Frame:
        """Return the frame on an opened catalog."""
        return frame_of(catalog, type(self.study), self.options)


@dataclass(frozen=True)
class OwnStudy(Study):
    """Trials that a file spells out, with tables and figures over their coordinates.

    Parameters
    ----------
    blocks : tuple of mapping
        The tables ``[[trials]]``.
    shown : tuple of mapping
        The tables ``[[table]]``.
    drawn : tuple of mapping
        The tables ``[[figure]]``.
    """

    blocks: tuple[Mapping[str, Any], ...]
    shown: tuple[Mapping[str, Any], ...] = ()
    drawn: tuple[Mapping[str, Any], ...] = ()

    def trials(self, frame: Frame) -> list[Trial]:
        """Return the trials of all blocks, each for every combination of its axes."""
        trials = []
        for block in self.blocks:
            axes = block.get("axes", {})
            for values in itertools.product(*axes.values()):
                plain = placed(block, dict(zip(axes, values, strict=True)))
                cell = {
                    **block.get("cell", {}),
                    **{short(axis): _word(value) for axis, value in zip(axes, values, strict=True)},
                }
                settings: dict[str, Any] = {
                    "train": Selection.from_dict(plain.get("train", {})),
                    "test": Selection.from_dict(plain.get("test", {})),
                    "train_views": _words(plain.get("train_views", ["none"])),
                    "test_view": plain.get("test_view", "none"),
                    "attributor": plain.get("attributor", frame.attributors[0]),
                    "straddle": bool(plain.get("straddle", False)),
                    "options": plain.get("options", {}),
                    "background": Selection.from_dict(plain["background"]) if "background" in plain else None,
                }
                if plain.get("cross_validate", True):
                    trials += frame.cross_validated(cell, **settings)
                else:
                    trials += [frame.trial(cell, seed=seed, **settings) for seed in frame.seeds]
        return trials

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return all cells as a table, and the tables and figures that the file asks for."""
        cells = [cell for cell in results if cell.accuracy is not None]
        axes = results.axes
        sentence = "No image of a candidate was judged."
        if cells:
            best = max(cells, key=lambda cell: cell.accuracy or 0.0)
            sentence = (
                f"Best of {len(cells)} cells is {_name(best)}: right for {percent(best.accuracy)} of 100 images "
                f"({interval(best)}; chance {percent(best.measures['chance'])})."
            )
        tables = [
            Table(
                "all-cells",
                "All cells",
                (*(Column(axis, axis) for axis in axes), *MEASURED),
                tuple((*(cell.at.get(axis) for axis in axes), *row_of(cell)) for cell in results),
                "Intervals by bootstrap over prompts; the spread is the standard deviation between seeds.",
            )
        ]
        tables += [_pivot(spec, results) for spec in self.shown]
        return Findings(
            sentences=(sentence,),
            tables=tuple(tables),
            charts=tuple(_figure(number, spec, results) for number, spec in enumerate(self.drawn, start=1)),
            values={_name(cell): cell.accuracy for cell in cells},
        )


def read_study(path: str | os.PathLike[str]) -> Described:
    """Read the description of a study.

    Parameters
    ----------
    path : path-like
        TOML, see docs/studies.md; paths in it start from its folder.

    Raises
    ------
    MorelliError
        The file is missing or no TOML, or something in it is unknown; the sentence names it.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MorelliError(f"{path} has more than {_MAX_BYTES >> 20} MiB, which no description of a study has.")
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MorelliError(f"{path} is no TOML: {error}.") from error
    only(document, {"study", "trials", "table", "figure"}, f"{path}")
    head = document.get("study", {})
    only(head, _HEAD, f"{path}, [study]")
    if not isinstance(head.get("catalog"), str):
        raise MorelliError(f"{path}, [study]: catalog has to name the images.")
    if ("kind" in head) == ("trials" in document):
        raise MorelliError(f"{path}: a description has either a kind, or trials of its own.")
    for name, kinds in _HEAD_KINDS.items():
        value = head.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise MorelliError(f"{path}, [study]: {name} is {value!r}, which it cannot be.")
    foreign = [name for name in head.get("attributors", []) if not isinstance(name, str)]
    if foreign:
        raise MorelliError(f"{path}, [study]: attributors are named by words, not {foreign[0]!r}.")
    if "kind" in head:
        shown = sorted({"table", "figure"} & document.keys())
        if shown:
            raise MorelliError(f"{path}: [[{shown[0]}]] belongs to trials of one's own; a kind has tables and figures.")
        study = make_study(head["kind"], head.get("settings"))
    elif "settings" in head:
        raise MorelliError(f"{path}, [study]: settings belong to a kind; trials of one's own have none.")
    else:
        study = _own(document, head, path)
    join = head.get("join")
    return Described(
        study=study,
        catalog=path.parent / head["catalog"],
        join=None if join is None else path.parent / join,
        split=head.get("split"),
        options={name: head[name] for name in _FRAME if name in head},
    )


def _own(document: Mapping[str, Any], head: Mapping[str, Any], path: Path) -> OwnStudy:
    blocks = tables_of(document, "trials", path)
    if not blocks:
        raise MorelliError(f"{path}: trials are given as [[trials]], once or several times.")
    axes: set[str] = set()
    for number, block in enumerate(blocks, start=1):
        axes |= check_block(block, f"{path}, [[trials]] number {number}")
    shown = {kind: tables_of(document, kind, path) for kind in ("table", "figure")}
    for kind, specs in shown.items():
        for spec in specs:
            check_shown(spec, kind, axes, f"{path}, [[{kind}]]")
    study = OwnStudy(tuple(blocks), tuple(shown["table"]), tuple(shown["figure"]))
    name = head.get("name", path.stem)
    texts = {"name": name, "title": head.get("title", name), "question": head.get("question", "")}
    for attribute, value in texts.items():
        object.__setattr__(study, attribute, value)
    return study


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _word(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _name(cell: Cell) -> str:
    return ", ".join(f"{name} {value}" for name, value in cell.at.items()) or "the only one"


def _spread(results: Results, first: str | None, place: str) -> tuple[list[str], list[tuple[Value, ...]]]:
    """Return an axis with all others that vary among the cells at a place, and their combinations in the cells' order.

    An axis that nobody named would otherwise put several cells at one place.
    """
    cells = [cell for cell in results if cell.at.get(place) is not None]
    axes = [first] if first is not None else []
    axes += [a for a in results.axes if a not in (first, place) and len({cell.at.get(a) for cell in cells}) > 1]
    return axes, list(dict.fromkeys(tuple(cell.at.get(axis) for axis in axes) for cell in cells))


def _matrix(
    spec: Mapping[str, Any], results: Results
) -> tuple[str, list[str], list[Value], list[list[float | int | None]]]:
    """Return the name of the rows, the names of all rows and columns, and the value at each place."""
    columns = results.values(spec["columns"])
    axes, rows = _spread(results, spec["rows"], spec["columns"])
    value = spec.get("value", "accuracy")

    def at(row: tuple[Value, ...], column: Value) -> float | int | None:
        found = results.where(**dict(zip(axes, row, strict=True)), **{spec["columns"]: column})
        return found[0].measures[value] if found else None

    return ", ".join(axes), [_label(row) for row in rows], columns, [[at(row, c) for c in columns] for row in rows]


def _label(values: tuple[Value, ...]) -> str:
    return ", ".join(map(str, values))


def _pivot(spec: Mapping[str, Any], results: Results) -> Table:
    value = spec.get("value", "accuracy")
    name, rows, columns, matrix = _matrix(spec, results)
    kind = "share" if value in SHARES else next((c.kind for c in MEASURED if c.name == value), "number")
    return Table(
        str(spec.get("name", f"{value}-by-{spec['rows']}")),
        str(spec.get("title", f"{MEASURES[value]}, by {name} and {spec['columns']}")),
        (Column("row", name), *(Column(f"column_{i}", str(column), kind) for i, column in enumerate(columns))),
        tuple((row, *values) for row, values in zip(rows, matrix, strict=True)),
        "A dash is a combination that there is not, or that could not be measured.",
    )


def _figure(number: int, spec: Mapping[str, Any], results: Results) -> Chart:
    value = spec.get("value", "accuracy")
    name = str(spec.get("name", f"figure-{number}"))
    title = str(spec.get("title", MEASURES[value]))
    done = [cell for cell in results if cell.measures[value] is not None]
    chance = done[0].measures["chance"] if done and value == "accuracy" else None
    levels = () if chance is None else (Level("chance", chance),)

    def ends(cell: Cell) -> tuple[float | None, float | None]:
        return cell.interval if value == "accuracy" else (None, None)

    if spec["kind"] == "heat-map":
        rows_name, rows, columns, matrix = _matrix(spec, results)
        return HeatMap(
            name, title, rows_name, spec["columns"], tuple(rows), tuple(map(str, columns)), tuple(map(tuple, matrix))
        )
    if spec["kind"] == "bars":
        axes, _ = _spread(results, spec.get("series"), spec["rows"])
        bars = tuple(
            Bar(
                str(cell.at.get(spec["rows"])),
                float(cell.measures[value] or 0.0),
                *ends(cell),
                group=_label(tuple(cell.at.get(axis) for axis in axes)),
            )
            for cell in done
        )
        return BarChart(name, title, MEASURES[value], bars, levels)
    axes, combinations = _spread(results, spec.get("series"), spec["x"])
    series = []
    for own in combinations:
        points = [
            Point(float(x), float(cell.measures[value] or 0.0), *ends(cell))
            for cell in done
            if tuple(cell.at.get(axis) for axis in axes) == own and isinstance(x := cell.at.get(spec["x"]), int | float)
        ]
        series.append(Series(_label(own) or value, tuple(sorted(points, key=lambda point: point.x))))
    return LineChart(name, title, spec["x"], MEASURES[value], tuple(series), levels)
