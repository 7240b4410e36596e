"""What is said and shown of the exposure of models: separability, variation, success, confusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from morelli.leaderboard.exposure._exposure_tables import PAIR_COLUMNS, exposure_tables, pair_rows
from morelli.leaderboard.exposure._exposure_words import confused, foretold, notes_of, separable, varied
from morelli.leaderboard.exposure._resampling import mean_defined
from morelli.leaderboard.exposure.assessment import Assessment
from morelli.studies.findings import (
    Bar,
    BarChart,
    Chart,
    Findings,
    HeatMap,
    Level,
    LineChart,
    Point,
    ScatterChart,
    Series,
)
from morelli.studies.section import Section
from morelli.trials.metrics import none_for_nan

__all__ = ["exposure_section"]


def exposure_section(found: Assessment) -> Section:
    """Return the part of the page that says how separable the models are, where, and which are confused.

    Parameters
    ----------
    found : Assessment
        Of :func:`~morelli.leaderboard.exposure.assess`.
    """
    exposure = found.exposure
    return Section(
        name="exposure",
        title="Exposure of models and prompts",
        question="On which prompts do which models give themselves away, and what are they taken for?",
        findings=Findings(
            sentences=(*separable(found), *varied(found), *foretold(found), *confused(found)),
            tables=tuple(table for table in exposure_tables(found) if table.rows),
            charts=_charts(found),
            notes=notes_of(found),
            values={
                "tau": exposure.tau,
                "mean_D": none_for_nan(exposure.mean_D),
                "mean_D_balanced": none_for_nan(exposure.mean_D_balanced),
                "mean_frac": none_for_nan(exposure.mean_frac),
                "variation_ratio": none_for_nan(found.variation.ratio),
                "variation_superiority": none_for_nan(found.variation.mean_superiority),
                "variation_effect": none_for_nan(found.variation.effect),
                "success": found.success.accuracy,
                "agreement": {row.score: none_for_nan(row.rho) for row in found.agreements.rows},
                "disjoint": found.agreements.disjoint,
            },
        ),
        long={"cells": _cells(found), "pairs": _long_pairs(found)},
    )


# -- charts ------------------------------------------------------------------------------------------------------------


def _charts(found: Assessment) -> tuple[Chart, ...]:
    exposure, order = found.exposure, found.ranking.order
    rate = found.compared_success.prompt_rate
    named = [exposure.prompts[i] for i in order]
    charts: list[Chart] = [
        BarChart(
            "d-by-prompt",
            f"Share of models that are separable at {exposure.tau:g}, by prompt",
            "D",
            tuple(
                Bar(name, *_bar(exposure.D[i], exposure.low[i], exposure.high[i]))
                for name, i in zip(named, order, strict=True)
            ),
            (Level("mean", exposure.mean_D),),
        ),
        HeatMap(
            "frac",
            "Share of a model's images whose nearest neighbour is its own",
            "prompt",
            "model",
            tuple(named),
            exposure.models,
            tuple(tuple(none_for_nan(float(value)) for value in exposure.frac[i]) for i in order),
        ),
        LineChart(
            "d-by-threshold",
            "Mean D by the threshold of separability",
            "threshold",
            "mean D",
            (Series("D", tuple(Point(tau, y, *_pair(low, high)) for tau, y, low, high in exposure.curve)),),
        ),
        ScatterChart(
            "success",
            "Success of the attack against D, for prompts with the same models, on all images",
            "D",
            "share of images recognised",
            tuple((exposure.prompts[i], float(exposure.D[i]), float(rate[i])) for i in order if np.isfinite(rate[i])),
        ),
        ScatterChart(
            "variation",
            "Mean distance to other models' images against that to other seeds, by prompt",
            "within a model",
            "between models",
            tuple(_spread_points(found, order)),
        ),
    ]
    return tuple(charts)


def _bar(value: float, low: float, high: float) -> tuple[float | None, float | None, float | None]:
    return none_for_nan(float(value)), *_pair(float(low), float(high))


def _pair(low: float, high: float) -> tuple[float | None, float | None]:
    return none_for_nan(low), none_for_nan(high)


def _spread_points(found: Assessment, order: NDArray[np.int64]) -> list[tuple[str, float, float]]:
    spread = found.variation
    both = np.isfinite(spread.within)
    inside = mean_defined(spread.within, axis=1)
    outside = mean_defined(np.where(both, spread.between, np.nan), axis=1)
    return [(spread.prompts[i], float(inside[i]), float(outside[i])) for i in order if np.isfinite(inside[i])]


# -- long tables -------------------------------------------------------------------------------------------------------


def _cells(found: Assessment) -> pa.Table:
    """Return one row for each pair of prompt and model that has an image."""
    exposure, spread, success = found.exposure, found.variation, found.success
    i, j = np.nonzero(exposure.n)

    def numbers(values: NDArray[np.float64]) -> pa.Array:
        return pa.array(values[i, j], pa.float64(), from_pandas=True)

    return pa.table(
        {
            "prompt": pa.array(_names(exposure.prompts, i), pa.string()),
            "model": pa.array(_names(exposure.models, j), pa.string()),
            "images": exposure.n[i, j],
            "frac": numbers(exposure.frac),
            "balanced": numbers(exposure.balanced),
            "chance": numbers(exposure.chance),
            "within": numbers(spread.within),
            "between": numbers(spread.between),
            "references": success.references[i, j],
            "judged": success.judgements[i, j],
            "success": numbers(success.rate),
        }
    )


def _names(names: Sequence[str], codes: NDArray[np.int64]) -> list[str]:
    return [names[code] for code in codes.tolist()]


def _long_pairs(found: Assessment) -> pa.Table:
    rows = pair_rows(found)
    kinds = {"text": pa.string(), "count": pa.int64()}
    return pa.table(
        {
            column.name: pa.array([row[at] for row in rows], kinds.get(column.kind, pa.float64()))
            for at, column in enumerate(PAIR_COLUMNS)
        }
    )
