"""What an operator is told about attackers who do not know the prompt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from morelli.leaderboard.lookup.conditions import CONDITIONS, KNOWN
from morelli.leaderboard.lookup.measure import LookupResult
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, LineChart, Point, Series, Table
from morelli.studies.section import Section
from morelli.trials.metrics import none_for_nan

__all__ = ["lookup_section"]

_NAMES = ("accuracy", "loss", "retrieval")


def lookup_section(result: LookupResult) -> Section:
    """Return the section for a result of :func:`measure_lookup`."""
    last = len(result.references) - 1
    sentences = [_known_sentence(result, last)]
    sentences += [
        s for s in (_unknown_sentence(result, last), _words_sentence(result, last), _absent_sentence(result, last)) if s
    ]
    findings = Findings(
        sentences=tuple(sentences),
        tables=(_table(result),),
        charts=(_lines(result), _bars(result, last)),
        notes=_notes(result),
        values={
            "references": list(result.references),
            "n_prompts": result.n_prompts,
            "n_stored": result.n_stored,
            "constant": result.constant,
            **{
                name: {what: [none_for_nan(x) for x in getattr(result, what)[c, :, 0]] for what in _NAMES}
                | {"n": result.n[c].tolist()}
                for c, name in enumerate(result.conditions)
            },
        },
    )
    return Section(
        name="lookup",
        title="Prompt unknown or paraphrased",
        question="What does it cost the attacker not to know the prompt?",
        findings=findings,
        long={"conditions": _long(result)},
    )


def _known_sentence(result: LookupResult, at: int) -> str:
    c = result.conditions.index(KNOWN)
    told = f"With the prompt known and {_k(result, at)}, {_ci(result.accuracy[c, at])} of images are named right"
    rest = (
        f" (n = {result.n[c, at]:,}, chance {result.chance[c, at]:.1%}, always the commonest model "
        f"{result.constant:.1%})"
    )
    if "joint" not in result.conditions:
        return f"{told}{rest}."
    j = result.conditions.index("joint")
    return f"{told}; with nothing known of the prompt, {_ci(result.accuracy[j, at])}{rest}."


def _unknown_sentence(result: LookupResult, at: int) -> str:
    c = result.conditions.index("image")
    return (
        f"Without the prompt, the nearest of {result.n_stored} prompts by the image alone is the right one for "
        f"{_ci(result.retrieval[c, at])} of images (chance {1 / result.n_stored:.1%}), and {_loss(result.loss[c, at])}."
    )


def _words_sentence(result: LookupResult, at: int) -> str:
    told = [
        f"{name.partition('-')[2]}: prompt found {_ci(result.retrieval[c, at])}, {_loss(result.loss[c, at])}"
        for c, name in enumerate(result.conditions)
        if name.startswith("paraphrased-")
    ]
    return (
        f"With the prompt in other words, looked up by text ({result.embedder}), " + "; ".join(told) + "."
        if told
        else ""
    )


def _absent_sentence(result: LookupResult, at: int) -> str:
    told = [
        f"{_ci(result.accuracy[c, at])} ({CONDITIONS[name].title.partition(', ')[2]}; "
        f"chance {result.chance[c, at]:.1%})"
        for c, name in enumerate(result.conditions)
        if name.startswith("absent-")
    ]
    return "Where the prompt has no references, those of another name right " + ", ".join(told) + "."


def _table(result: LookupResult) -> Table:
    rows = tuple(
        (
            CONDITIONS[name].title,
            k,
            int(result.n[c, i]),
            *_three(result.accuracy[c, i]),
            *_three(0.0 - result.loss[c, i][[0, 2, 1]]),
            *_three(result.retrieval[c, i]),
            none_for_nan(result.chance[c, i]),
        )
        for c, name in enumerate(result.conditions)
        for i, k in enumerate(result.references)
    )
    return Table(
        "conditions",
        "Naming the model when the prompt is known, in other words, unknown, or without references",
        (
            Column("condition", "what is known"),
            Column("references", "k", "count"),
            Column("n", "n", "count"),
            *_columns("accuracy", "accuracy", "share"),
            *_columns("difference", "against the known prompt", "difference"),
            *_columns("retrieval", "prompt found", "share"),
            Column("chance", "chance", "share"),
        ),
        rows,
        "Chance is that of a guess among the models with references for the prompt that was looked at, 0 where the "
        "true one has none there; where all prompts and models are searched, of a random one of them. Always naming "
        f"the commonest model scores {result.constant:.1%}. Differences are paired, by the same images.",
    )


def _lines(result: LookupResult) -> LineChart:
    series = []
    for c, name in enumerate(result.conditions):
        points = []
        for i, k in enumerate(result.references):
            value, low, high = _three(result.accuracy[c, i])
            if value is not None:
                points.append(Point(float(k), value, low, high))
        series.append(Series(name, tuple(points)))
    level = Level("chance, prompt known", float(result.chance[0, -1]))
    return LineChart(
        "accuracy",
        "Accuracy by what the attacker knows of the prompt",
        "references of each model and prompt",
        "share named right",
        tuple(series),
        (level,),
        log_x=True,
    )


def _bars(result: LookupResult, at: int) -> BarChart:
    bars = []
    for c, name in enumerate(result.conditions):
        value, low, high = _three(result.accuracy[c, at])
        bars.append(Bar(name, value, low, high, name.partition("-")[0]))
    return BarChart(
        "conditions",
        f"Accuracy by what the attacker knows of the prompt, {_k(result, at)}",
        "share named right",
        tuple(bars),
        (Level("chance, prompt known", float(result.chance[0, at])), Level("commonest model", result.constant)),
    )


def _notes(result: LookupResult) -> tuple[str, ...]:
    return (
        *result.notes,
        f"{result.n_draws} draws (seed {result.seed}); each judges one image of each model for {result.n_prompts} "
        "prompts, against references that it is not among. Intervals are 95%, by bootstrap over prompts.",
        "Paraphrases are simulated by rules (words on style left out, clauses moved, synonyms from a small table, "
        "words dropped) unless they are given; references are those for the original prompt. An attacker who makes new "
        "references with his own wording is not measured here: that takes new images.",
        "How easily a prompt is found by image depends on how many and how different the prompts of the store are.",
    )


def _long(result: LookupResult) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for c, name in enumerate(result.conditions):
        for i, k in enumerate(result.references):
            row: dict[str, Any] = {"condition": name, "references": k, "n": int(result.n[c, i])}
            for what in _NAMES:
                value, low, high = _three(getattr(result, what)[c, i])
                row |= {what: value, f"{what}_low": low, f"{what}_high": high}
            rows.append(row | {"chance": none_for_nan(result.chance[c, i])})
    return pa.Table.from_pylist(rows)


def _columns(name: str, title: str, kind: str) -> tuple[Column, Column, Column]:
    return Column(name, title, kind), Column(f"{name}_low", "low", kind), Column(f"{name}_high", "high", kind)


def _three(values: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
    return none_for_nan(values[0]), none_for_nan(values[1]), none_for_nan(values[2])


def _ci(values: NDArray[np.float64]) -> str:
    value, low, high = _three(values)
    if value is None:
        return "none"
    return f"{value:.1%}" + ("" if low is None or high is None else f" ({low:.1%} to {high:.1%})")


def _loss(values: NDArray[np.float64]) -> str:
    value, low, high = (100.0 * float(x) for x in values)
    return f"{value:.1f} points of accuracy are lost" + ("" if np.isnan(low) else f" ({low:.1f} to {high:.1f})")


def _k(result: LookupResult, at: int) -> str:
    k = result.references[at]
    return f"{k} reference{'s' if k > 1 else ''} of each model and prompt"
