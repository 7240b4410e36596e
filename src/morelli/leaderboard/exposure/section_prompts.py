"""What is said and shown of prompts: which can be shown, which an attacker submits, and what makes them exposing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from morelli.leaderboard.exposure._exposure_tables import nones
from morelli.leaderboard.exposure._exposure_words import within
from morelli.leaderboard.exposure.advisor import Choice
from morelli.leaderboard.exposure.assessment import Assessment
from morelli.studies.findings import (
    Bar,
    BarChart,
    Chart,
    Column,
    Findings,
    Level,
    LineChart,
    Point,
    Series,
    Table,
    Value,
)
from morelli.studies.section import Section
from morelli.studies.words import percent
from morelli.trials.metrics import none_for_nan

__all__ = ["prompts_section"]


def prompts_section(found: Assessment) -> Section:
    """Return the part of the page that advises on prompts.

    Parameters
    ----------
    found : Assessment
        Of :func:`~morelli.leaderboard.exposure.assess`.
    """
    values: dict[str, object] = {"bound": found.bound, "choose": found.choose}
    for name, choice in (("shown", found.shown), ("submitted", found.submitted)):
        if choice is not None:
            values[name] = {
                "prompts": [found.board.prompts[i] for i in choice.chosen],
                "raw": none_for_nan(choice.raw),
                "expected": none_for_nan(choice.expected),
                "held_out": none_for_nan(choice.held_out),
                "held_out_raw": none_for_nan(choice.held_out_raw),
            }
    if found.explanation is not None:
        values["r2_held_out"] = none_for_nan(found.explanation.r2_held_out)
    tables = [_choices(found), _prompts(found), _effects(found)]
    return Section(
        name="prompts",
        title="Advice on prompts",
        question="Which prompts can be shown, which would an attacker submit, and what makes a prompt exposing?",
        findings=Findings(
            sentences=(*_shown(found), *_submitted(found), *_explained(found)),
            tables=tuple(table for table in tables if table.rows),
            charts=tuple(_charts(found)),
            notes=tuple(_notes(found)),
            values=values,
        ),
        long={"frontier": _frontier(found)},
    )


# -- in words ----------------------------------------------------------------------------------------------------------


def _shown(found: Assessment) -> list[str]:
    success, choice, shrunk = found.compared_success, found.shown, found.shrunk
    total = int((success.images.sum(axis=1) > 0).sum())
    if choice is None or shrunk is None:
        return ["No advice on prompts: images of two prompts or more have to be judged."]
    bound = percent(found.bound)
    if not len(choice.chosen):
        least = int(np.argmin(np.where(success.rates.n > 0, shrunk.mean, np.inf)))
        return [
            f"No prompt can be shown if {bound} of 100 images at most shall be recognised: the least exposing of "
            f"{total}, {found.board.prompts[least]}, is expected at {percent(shrunk.mean[least])} (all: "
            f"{percent(choice.everything)}; {success.k} references; chance {percent(success.chance)}). "
            "Choosing prompts is no defence here."
        ]
    line = (
        f"{len(choice.chosen)} of {total} prompts can be shown if {bound} of 100 images at most shall be recognised in "
        f"the mean: {percent(choice.expected)} are expected (measured: {percent(choice.raw)}; all prompts: "
        f"{percent(choice.everything)}; chance {percent(success.chance)})"
    )
    return [f"{line}. {_held_out(choice, 'As many chosen so on one half of the images')}"]


def _held_out(choice: Choice, what: str) -> str:
    if not choice.splits:
        return "There are too few images to check the choice on others."
    return (
        f"{what} have {percent(choice.held_out)} on the other ({within(*choice.held_out_interval)}; {choice.splits} "
        f"choices), {percent(choice.held_out_raw)} on the half that they were chosen by, and all prompts "
        f"{percent(choice.everything_held_out)}."
    )


def _submitted(found: Assessment) -> list[str]:
    choice = found.submitted
    if choice is None:
        return []
    line = (
        f"An attacker who submits the {len(choice.chosen)} most exposing prompts is right for {percent(choice.raw)} of "
        f"100 images as measured, which the choice flatters, and for {percent(choice.expected)} as expected"
    )
    return [f"{line}. {_held_out(choice, 'As many chosen so on one half of the images')}"]


def _explained(found: Assessment) -> list[str]:
    explained = found.explanation
    if explained is None:
        return [f"What makes a prompt exposing cannot be asked. {found.why_not}"]
    apart = [effect for effect in explained.effects if effect.interval[0] > 0 or effect.interval[1] < 0]
    firm = [effect for effect in explained.effects if effect.q <= 0.05]
    n = len(explained.effects)
    r2 = explained.r2_held_out
    if not np.isfinite(r2):
        return ["Exposure is the same for all prompts, so that nothing explains it."]
    worth = (
        f"explain {percent(r2)} of 100 of the variance of exposure between prompts that were not fitted"
        if r2 > 0
        else "foretell the exposure of prompts that were not fitted no better than their mean does"
    )
    line = f"The {n} features of {explained.prompts} prompts {worth} ({percent(explained.r2)} of those that were). "
    if apart:
        named = "; ".join(
            f"{effect.title} ({100 * effect.difference:+.0f} points, 95% interval {100 * effect.interval[0]:+.0f} to "
            f"{100 * effect.interval[1]:+.0f})"
            for effect in sorted(apart, key=lambda effect: -abs(effect.difference))
        )
        line += f"Intervals without 0: {named}; "
    else:
        line += "All intervals include 0; "
    kept = ", ".join(effect.title for effect in firm) or "none"
    return [f"{line}{n} were looked at, and {kept} is left at 5% when that is corrected for."]


def _notes(found: Assessment) -> list[str]:
    notes = []
    if found.compared is not found.board:
        left = int(found.board.contested.sum()) - int(found.compared.contested.sum())
        notes.append(
            f"{left} prompts have not the same models as the others, which would make them look safer, or more "
            "exposing, than they are: no advice on them."
        )
    notes += [
        "Exposure of a prompt is the share of images recognised by the attacker, each model counting alike, shrunk to "
        "the mean of all prompts by a beta-binomial model, since prompts that look safe, or exposing, are partly "
        "lucky. Halves have fewer references than all images, so that their rates are lower.",
        "Images of one prompt share references, which makes shrinkage a little too small.",
    ]
    if found.explanation is not None:
        notes += found.explanation.notes
        notes.append(
            "Features go by short lists of English words. Differences go along with a feature and need not be its "
            "doing."
        )
    return notes


# -- tables and charts -------------------------------------------------------------------------------------------------


def _choices(found: Assessment) -> Table:
    rows: list[tuple[Value, ...]] = [
        (
            what,
            len(choice.chosen),
            *nones(choice.raw, choice.expected, choice.held_out_raw, choice.held_out, *choice.held_out_interval),
            *nones(choice.everything_held_out),
        )
        for what, choice in (
            (f"shown, at most {percent(found.bound)} of 100", found.shown),
            ("submitted by an attacker", found.submitted),
        )
        if choice is not None
    ]
    return Table(
        "choices",
        "Sets of prompts, and how many of their images are recognised",
        (
            Column("what", "prompts"),
            Column("size", "number", "count"),
            Column("raw", "as measured", "share"),
            Column("expected", "expected", "share"),
            Column("in_sample", "halves: chosen by", "share"),
            Column("held_out", "halves: held out", "share"),
            Column("low", "95% from", "share"),
            Column("high", "to", "share"),
            Column("everything", "halves: all prompts", "share"),
        ),
        tuple(rows),
        "Held out: chosen on one half of the images, measured on the other; halves have fewer references.",
    )


def _prompts(found: Assessment) -> Table:
    if found.shrunk is None or found.shown is None or found.submitted is None:
        return Table("exposure-of-prompts", "", (), ())
    success, shrunk = found.compared_success, found.shrunk
    rates = success.rates
    shown, submitted = set(found.shown.chosen.tolist()), set(found.submitted.chosen.tolist())
    order = [i for i in np.argsort(shrunk.mean, kind="stable").tolist() if rates.n[i] > 0]
    return Table(
        "exposure-of-prompts",
        "Prompts by expected exposure, the safest first",
        (
            Column("prompt", "prompt"),
            Column("text", "text"),
            Column("images", "images", "count"),
            Column("raw", "as measured", "share"),
            Column("expected", "expected", "share"),
            Column("sd", "give or take", "share"),
            Column("shown", "can be shown"),
            Column("submitted", "would be submitted"),
        ),
        tuple(
            (
                found.board.prompts[i],
                found.board.texts[i],
                int(success.images[i].sum()),
                *nones(rates.value[i], shrunk.mean[i], shrunk.sd[i]),
                "yes" if i in shown else "no",
                "yes" if i in submitted else "no",
            )
            for i in order
        ),
        f"Share of images recognised with {found.compared_success.k} references, mean over models. Give or take: "
        "posterior standard deviation.",
    )


def _effects(found: Assessment) -> Table:
    effects = () if found.explanation is None else found.explanation.effects
    return Table(
        "features",
        "What goes along with exposure, feature by feature",
        (
            Column("feature", "feature"),
            Column("prompts", "prompts with it", "count"),
            Column("difference", "difference", "difference"),
            Column("low", "95% from", "difference"),
            Column("high", "to", "difference"),
            Column("p", "p", "p"),
            Column("q", "corrected", "p"),
        ),
        tuple((e.title, e.prompts, *nones(e.difference, *e.interval, e.p, e.q)) for e in effects),
        "Difference in the share of images recognised, the other features kept, from a fractional logistic regression "
        "with a small ridge penalty. Intervals and p by resampling prompts; corrected after Benjamini and Hochberg.",
    )


def _charts(found: Assessment) -> list[Chart]:
    charts: list[Chart] = []
    if found.frontier:
        lines = {
            "as measured": [(row.size, row.raw) for row in found.frontier],
            "expected": [(row.size, row.expected) for row in found.frontier],
            "chosen on one half, measured on the other": [(row.size, row.held_out) for row in found.frontier],
        }
        charts.append(
            LineChart(
                "frontier",
                "Share of images recognised when only the least exposing prompts are shown",
                "prompts shown",
                "images recognised",
                tuple(
                    Series(name, tuple(Point(x, y) for x, y in points if np.isfinite(y)))
                    for name, points in lines.items()
                    if any(np.isfinite(y) for _, y in points)
                ),
                (Level("bound", found.bound), Level("chance", found.compared_success.chance)),
            )
        )
    if found.explanation is not None:
        charts.append(
            BarChart(
                "features",
                "What goes along with exposure",
                "difference in the share of images recognised, points",
                tuple(
                    Bar(e.title, e.difference, none_for_nan(e.interval[0]), none_for_nan(e.interval[1]))
                    for e in found.explanation.effects
                ),
            )
        )
    return charts


def _frontier(found: Assessment) -> pa.Table:
    columns = ("size", "raw", "expected", "held_out")
    return pa.table(
        {
            name: pa.array(
                [getattr(row, name) for row in found.frontier],
                pa.int64() if name == "size" else pa.float64(),
                from_pandas=True,
            )
            for name in columns
        }
    )
