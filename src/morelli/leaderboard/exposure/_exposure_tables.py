"""Tables about the exposure of models."""

from __future__ import annotations

import numpy as np

from morelli.leaderboard.exposure._resampling import mean_defined, mean_interval
from morelli.leaderboard.exposure.assessment import Assessment
from morelli.studies.findings import Column, Table, Value
from morelli.trials.metrics import none_for_nan

__all__ = ["PAIR_COLUMNS", "exposure_tables", "nones", "pair_rows"]

_BOOTSTRAPS = 1000


def exposure_tables(found: Assessment) -> list[Table]:
    exposure = found.exposure
    rate = found.success.prompt_rate
    ranks = {int(i): at for at, i in enumerate(found.ranking.order)}
    rows = []
    for i, at in ranks.items():
        row = (
            exposure.prompts[i],
            found.board.texts[i],
            int(exposure.n[i].sum()),
            int((exposure.n[i] > 0).sum()),
            *nones(exposure.D[i], exposure.low[i], exposure.high[i], exposure.D_balanced[i]),
            *nones(exposure.prompt_frac[i], float(mean_defined(exposure.chance[i])), rate[i]),
            *nones(exposure.silhouette[i], exposure.margin[i], found.variation.prompt_ratio[i]),
            *nones(found.ranking.low[at], found.ranking.high[at]),
        )
        rows.append(row)
    prompts = Table(
        "prompts",
        "Exposure by prompt, the most exposing first",
        (
            Column("prompt", "prompt"),
            Column("text", "text"),
            Column("images", "images", "count"),
            Column("models", "models", "count"),
            Column("d", "D", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("d_balanced", "D, balanced", "share"),
            Column("frac", "mean frac", "share"),
            Column("chance", "frac by chance", "share"),
            Column("success", "attack right", "share"),
            Column("silhouette", "silhouette", "number"),
            Column("margin", "margin", "number"),
            Column("ratio", "between / within", "number"),
            Column("rank_low", "rank from", "number"),
            Column("rank_high", "to", "number"),
        ),
        tuple(rows),
        f"D is the share of models that are separable at {exposure.tau:g}. Balanced: as if all models had as many "
        "images.",
    )
    return [prompts, _models(found), _pairs(found), _scores(found), _curve_table(found)]


def nones(*values: float) -> tuple[Value, ...]:
    return tuple(none_for_nan(float(value)) for value in values)


def _models(found: Assessment) -> Table:
    exposure, success, spread = found.exposure, found.success, found.variation
    rows = []
    for j, name in enumerate(exposure.models):
        frac = exposure.frac[:, j]
        separable = np.where(np.isfinite(frac), np.nan_to_num(frac) > exposure.tau, np.nan)
        rows.append(
            (
                name,
                found.board.lineages[j],
                int(exposure.n[:, j].sum()),
                int(np.isfinite(frac).sum()),
                *nones(float(mean_defined(separable)), *mean_interval(separable, _BOOTSTRAPS, found.seed)),
                *nones(float(mean_defined(frac)), float(mean_defined(exposure.balanced[:, j]))),
                *nones(float(mean_defined(exposure.chance[:, j])), float(mean_defined(success.rate[:, j]))),
                *nones(spread.model_ratio[j], *spread.model_intervals[j]),
            )
        )
    return Table(
        "models",
        "Exposure by model",
        (
            Column("model", "model"),
            Column("lineage", "lineage"),
            Column("images", "images", "count"),
            Column("prompts", "prompts", "count"),
            Column("separable", "separable", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("frac", "mean frac", "share"),
            Column("balanced", "balanced", "share"),
            Column("chance", "by chance", "share"),
            Column("success", "attack right", "share"),
            Column("ratio", "between / within", "number"),
            Column("ratio_low", "95% from", "number"),
            Column("ratio_high", "to", "number"),
        ),
        tuple(rows),
        "Prompts are those for which the model has two images or more. Means over prompts; intervals resample them.",
    )


PAIR_COLUMNS = (
    Column("first", "model"),
    Column("second", "and model"),
    Column("confusion", "confused", "share"),
    Column("low", "95% from", "share"),
    Column("high", "to", "share"),
    Column("forth", "first as second", "share"),
    Column("back", "second as first", "share"),
    Column("prompts", "prompts", "count"),
    Column("distance", "distance of offsets", "number"),
    Column("same_lineage", "one lineage"),
)
_SHOWN_PAIRS = 40


def pair_rows(found: Assessment) -> list[tuple[Value, ...]]:
    return [
        (
            pair.first,
            pair.second,
            *nones(pair.confusion, *pair.interval, pair.forth, pair.back),
            pair.prompts,
            *nones(pair.distance),
            None if pair.same_lineage is None else "yes" if pair.same_lineage else "no",
        )
        for pair in (() if found.confusion is None else found.confusion.pairs)
    ]


def _pairs(found: Assessment) -> Table:
    rows = pair_rows(found)
    more = f" The first {_SHOWN_PAIRS} of {len(rows)}; the others are in the files." if len(rows) > _SHOWN_PAIRS else ""
    return Table(
        "confused",
        "Pairs of models by how often one is taken for the other",
        PAIR_COLUMNS,
        tuple(rows[:_SHOWN_PAIRS]),
        "Both directions and all common prompts weigh alike. The distance is that of the models' mean offsets from the "
        f"prompts, without what noise adds.{more}",
    )


def _scores(found: Assessment) -> Table:
    agreements = found.agreements
    return Table(
        "agreement",
        "How well scores of prompts foretell the success of the attack",
        (
            Column("score", "score"),
            Column("rho", "rank correlation", "number"),
            Column("low", "95% from", "number"),
            Column("high", "to", "number"),
            Column("prompts", "prompts", "count"),
        ),
        tuple((row.score, *nones(row.rho, *row.interval), agreements.prompts) for row in agreements.rows),
        "Scores and success are of different images."
        if agreements.disjoint
        else "Scores and success are of the same images, which flatters.",
    )


def _curve_table(found: Assessment) -> Table:
    return Table(
        "thresholds",
        "Mean D by threshold",
        (Column("tau", "threshold", "number"), Column("d", "mean D", "share"), Column("low", "95% from", "share"),
         Column("high", "to", "share")),
        tuple((tau, *nones(value, low, high)) for tau, value, low, high in found.exposure.curve),
        "At 1 no pair is separable by definition.",
    )  # fmt: skip
