"""A study that nobody ran: every kind of finding, plain or with the labels of a hostile stranger."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from morelli.report._text import clean
from morelli.studies.findings import (
    Bar,
    BarChart,
    Column,
    Findings,
    HeatMap,
    Level,
    LineChart,
    Point,
    ScatterChart,
    Series,
    Table,
)
from morelli.studies.study_result import Provenance, StudyResult

LINES = LineChart(
    "scaling",
    "Accuracy by references",
    "references of each model",
    "right model",
    (
        Series("fused", (Point(5, 0.41, 0.35, 0.47), Point(10, 0.52, 0.47, 0.57), Point(20, 0.61, 0.57, 0.65))),
        Series("fused: a law", tuple(Point(x, 0.25 + 0.12 * (x / 5) ** 0.5) for x in (5, 7, 10, 14, 20)), fitted=True),
        Series("knn", (Point(5, 0.2), Point(10, 0.25), Point(20, 0.33))),
        Series("ConvNeXt", (Point(10, 0.44), Point(20, 0.7)), paper=True),
    ),
    (Level("chance", 0.05), Level("container", 0.07)),
    log_x=True,
)
BARS = BarChart(
    "views",
    "Accuracy by view",
    "right model, of 100 images",
    (
        Bar("untouched", 0.81, 0.77, 0.85, "pixels"),
        Bar("untouched", 0.9, group="pixels", paper=True),
        Bar("jpeg:75", 0.4, group="lossy"),
        Bar("depth", None, group="structure"),
    ),
    (Level("chance", 0.05), Level("container", 0.07)),
)
HEAT = HeatMap("domains", "Domains", "trained", "judged", ("a", "b"), ("a", "b"), ((0.9, 0.125), (None, 0.8)))
SCATTER = ScatterChart("map", "Models", "first", "second", (("a", 0.1, -2.0), ("b", 1.5, 3.25)))
TABLE = Table(
    "accuracy",
    "Accuracy of each attributor",
    (
        Column("attributor", "attributor"),
        Column("n", "images", "count"),
        Column("accuracy", "right", "share"),
        Column("lift", "lift", "difference"),
        Column("loss", "log loss", "number"),
        Column("p", "p", "p"),
        Column("sure", "sure"),
    ),
    (("fused", 12345, 0.6234567890123, -0.0312, 1.23456, 0.03123, True), ("knn", 7, None, 0.1, None, 0.0002, False)),
    "Of 100 images.",
)


def make_result(**changes) -> StudyResult:
    """Return a small study; `changes` are fields of the result, or ``findings_...`` of what was found."""
    findings = Findings(
        sentences=("fused names 61 of 100 right.", "knn names 33."),
        tables=(TABLE,),
        charts=(LINES, BARS, HEAT, SCATTER),
        notes=("These images, these models.",),
        values={"accuracy": {"fused": 0.61, "undefined": float("nan")}},
    )
    found = {key.removeprefix("findings_"): changes.pop(key) for key in list(changes) if key.startswith("findings_")}
    provenance = Provenance(
        command="morelli study scaling gallery --seeds 3",
        morelli="1.2.3",
        environment={"python": "3.11.9", "numpy": "2.1.0"},
        catalog="c0ffee" * 10 + "beef",
        n_images=1234,
        seed=7,
        seeds=3,
        label="model",
        options={"references": [5, 10], "log": None},
        prompt_known=True,
    )
    result = StudyResult(
        name="scaling",
        title="How many references",
        question="How many references does a model need?",
        paper="A paper, figure 3",
        findings=replace(findings, **found),
        cells=pa.table({"attributor": ["fused", "knn"], "seed": [7, 7], "n": [100, 100], "accuracy": [0.61, None]}),
        classes=pa.table(
            {
                "attributor": ["fused", "fused", "knn", "knn"],
                "seed": [7] * 4,
                "label": ["a", "b"] * 2,
                "precision": [0.5, 0.25, float("nan"), 1.0],
                "recall": [0.1, 0.2, 0.3, 0.4],
            }
        ),
        confusion=pa.table({"attributor": ["fused"], "label": ["a"], "answer": ["b"], "n": [4]}),
        predictions=pa.table({"image": ["00", "01"], "answer": ["a", "b"], "proba": [[0.75, 0.25], [0.5, 0.5]]}),
        missing=(),
        n_missing=0,
        provenance=provenance,
    )
    return replace(result, **changes)


def rename(result: StudyResult, label: str) -> StudyResult:
    """Return the study with `label` wherever a stranger's word can stand."""
    f = result.findings
    charts = (
        replace(
            LINES,
            title=label,
            x_label=label,
            y_label=label,
            series=tuple(replace(s, name=f"{label}{i}") for i, s in enumerate(LINES.series)),
            levels=(Level(label, 0.1),),
        ),
        replace(
            BARS,
            title=label,
            x_label=label,
            bars=tuple(replace(bar, label=label, group=f"{label}{i}") for i, bar in enumerate(BARS.bars)),
            levels=(Level(label, 0.1),),
        ),
        replace(HEAT, title=label, row_label=label, column_label=label, rows=(label, "b"), columns=(label, "c")),
        replace(SCATTER, title=label, x_label=label, y_label=label, points=((label, 0.0, 1.0), (label, 2.0, 3.0))),
    )
    table = replace(
        f.tables[0],
        title=label,
        note=label,
        columns=(Column("a", label), Column("b", label, "share")),
        rows=((label, 0.5), (label, label)),
    )
    p = result.provenance
    storable = clean(label)  # arrow refuses what is no UTF-8
    return replace(
        result,
        title=label,
        question=label,
        paper=label,
        findings=Findings((label, label), (table,), charts, (label,), {label: label}),
        cells=pa.table({storable: [storable], "n": [1]}),
        classes=pa.table({storable: [storable], "label": [storable]}),
        missing=(label,),
        n_missing=1,
        provenance=replace(p, command=label, environment={label: label}, label=label, options={label: label}),
    )
