"""Defences as a section of the report: what each is worth, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from morelli.errors import MorelliError
from morelli.leaderboard.defence.container import ContainerResult
from morelli.leaderboard.defence.results import DefenceResult, Score
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, Level, ScatterChart, Table
from morelli.studies.section import Section

__all__ = ["defence_section"]

_QUALITY = ("psnr", "ssim", "gmsd", "feature_distance", "largest")
_LENGTH = {"bytes", "bytes_per_pixel"}
_NONE: dict[str, float | None] = dict.fromkeys(_QUALITY)


def defence_section(
    results: Sequence[DefenceResult],
    container: ContainerResult | None = None,
    *,
    encoder: str,
    references: int,
) -> Section:
    """Return what was found of defences.

    Parameters
    ----------
    results : sequence of DefenceResult
    container : ContainerResult, optional
        Of stripping files.
    encoder : str
        The attack's.
    references : int
        Of each model for each prompt, at most.

    Raises
    ------
    MorelliError
        There is no result at all, or two have one name.
    """
    names = [result.name for result in results]
    if not results and container is None:
        raise MorelliError("Name a defence: there is nothing to report.")
    if len(set(names)) < len(names):
        raise MorelliError(f"Each defence is reported once: {', '.join(names)}.")
    sentences = [*_sentences(results, encoder, references), *_container_sentences(container)]
    tables = [*([_summary(results), _attackers(results)] if results else []), *_container_tables(container)]
    charts: list[Chart] = [*([_bars(results)] if results else []), *_frontier(results)]
    long = {"defence-attackers": _long_attackers(results), "defence-quality": _long_quality(results)}
    return Section(
        name="defence",
        title="Defences",
        question="What would make the models hard to tell, and what does it cost the pictures?",
        findings=Findings(
            sentences=tuple(sentences),
            tables=tuple(tables),
            charts=tuple(charts),
            notes=_notes(results),
            values=_values(results, container, encoder, references),
        ),
        long={name: table for name, table in long.items() if len(table)},
    )


def _percent(score: Score) -> str:
    """Write an accuracy with its interval and number."""
    if score.low != score.low:
        return f"{100 * score.accuracy:.1f}% (n = {score.n}, one prompt and so no interval)"
    return f"{100 * score.accuracy:.1f}% (95% interval {100 * score.low:.1f} to {100 * score.high:.1f}%, n = {score.n})"


def _sentences(results: Sequence[DefenceResult], encoder: str, references: int) -> list[str]:
    if not results:
        return []
    strongest = max(results, key=lambda result: result.before.accuracy - result.best.accuracy)
    taken = strongest.before.accuracy - strongest.best.accuracy
    if strongest.drop is None:
        sure = strongest.best.high < strongest.before.low
        interval = "other images are judged than without it, so that the two intervals stand for themselves"
    else:
        sure = strongest.drop[1] > 0
        interval = f"95% interval {100 * strongest.drop[1]:.1f} to {100 * strongest.drop[2]:.1f}"
        interval = interval if strongest.drop[1] == strongest.drop[1] else "one prompt, and so no interval"
    many = len(results) > 1
    of = f"of {len(results)} defences {strongest.name} takes most" if many else f"{strongest.name} takes"
    sentences = [
        f"Against attackers who know it, {of} from the attack, {100 * taken:.1f} points ({interval})"
        f"{'' if sure else ', which chance alone may have done'}: the best attacker names {_percent(strongest.best)} "
        f"right, {_percent(strongest.before)} without the defence, and chance is {100 * strongest.chance:.1f}%."
    ]
    fooled = max(results, key=lambda result: result.best.accuracy - result.unaware.accuracy)
    if fooled.best.accuracy > fooled.unaware.accuracy:
        sentences.append(
            f"How much knowing helps: {fooled.name} leaves {_percent(fooled.unaware)} to an attacker who does not know "
            f"it, and {_percent(fooled.best)} to one who does ({fooled.best.attacker})."
        )
    sentences.append(
        f"The attack is by {encoder} with up to {references} references of each model for a prompt; the best attacker "
        "is chosen on one half of the prompts and judged on the other, both ways, and counts for no less than one who "
        "does not know."
    )
    white = [result.name for result in results if result.details.get("held out") == "no"]
    unknown = [result.name for result in results if result.details.get("held out") == "unknown"]
    if unknown:
        sentences.append(
            f"Whether {' and '.join(unknown)} {'was' if len(unknown) == 1 else 'were'} made against the attack's own "
            "encoder cannot be told, since its weights cannot be looked at: take it for the best case of the defence."
        )
    if white:
        sentences.append(
            f"{' and '.join(white)} {'was' if len(white) == 1 else 'were'} made against the attack's own encoder: the "
            "best case of the defence, and not what an operator can count on."
        )
    return sentences


def _container_sentences(container: ContainerResult | None) -> list[str]:
    if container is None:
        return []
    one, two = container.before, container.after
    told = [
        f"{100 * f.accuracy:.1f}% (95% interval {100 * f.interval[0]:.1f} to {100 * f.interval[1]:.1f}%)"
        for f in (one, two)
    ]
    more = ""
    if two.gives_away:
        only_length = set(two.columns) <= _LENGTH
        more = (
            " What is left is the length of the files, which follows from the pixels: it is no secret of the container."
            if only_length
            else f" What is left shows most in {next(iter(two.columns))}."
        )
    if container.turned or container.profiled:
        more += (
            f" Pixels are kept as stored: {container.turned} files lose an orientation other than 1 and "
            f"{container.profiled} a colour profile."
        )
    return [
        f"The files alone, without a look at the picture, give the {one.label} away for {told[0]} before and {told[1]} "
        f"after they are stripped (n = {container.n}, chance {100 * one.chance:.1f}%; learned anew on stripped files, "
        f"and so by an attacker who knows).{more}"
    ]


def _summary(results: Sequence[DefenceResult]) -> Table:
    columns = (
        Column("defence", "Defence"),
        Column("changes", "Changes"),
        Column("before", "No defence", "share"),
        Column("unaware", "Not known", "share"),
        Column("best", "Best of those who know", "share"),
        Column("low", "from", "share"),
        Column("high", "to", "share"),
        Column("attacker", "Who that is"),
        Column("optimistic", "Best, chosen in hindsight", "share"),
        Column("drop", "Taken from the attack", "difference"),
        Column("chance", "Chance", "share"),
        Column("n", "Images", "count"),
        Column("psnr", "PSNR (dB)", "number"),
        Column("ssim", "SSIM", "number"),
        Column("gmsd", "GMSD", "number"),
        Column("feature_distance", "Feature distance", "number"),
        Column("largest", "Largest change", "count"),
    )
    rows = []
    for result in sorted(results, key=lambda result: result.best.accuracy):
        quality = _NONE if result.quality is None else result.quality.summary()
        largest = quality["largest"]
        rows.append(
            (
                result.name,
                result.changes,
                result.before.accuracy,
                result.unaware.accuracy,
                result.best.accuracy,
                _defined(result.best.low),
                _defined(result.best.high),
                result.best.attacker,
                result.optimistic.accuracy,
                None if result.drop is None else result.drop[0],
                result.chance,
                result.best.n,
                *(quality[name] for name in _QUALITY[:-1]),
                None if largest is None else int(largest),
            )
        )
    note = (
        "PSNR is the median over images and empty where no pixel changes or the size does; SSIM (1 is unchanged), GMSD "
        "(0 is unchanged) and the feature distance (1 - cosine in the attack's encoder) are means; the largest change "
        "is of a channel, in 8-bit units."
    )
    return Table("defences", "Defences by what attackers who know them still name right", columns, tuple(rows), note)


def _attackers(results: Sequence[DefenceResult]) -> Table:
    columns = (
        Column("defence", "Defence"),
        Column("attacker", "What the attacker does"),
        Column("accuracy", "Top-1", "share"),
        Column("low", "from", "share"),
        Column("high", "to", "share"),
        Column("n", "Images", "count"),
    )
    rows = [
        (result.name, score.attacker, score.accuracy, _defined(score.low), _defined(score.high), score.n)
        for result in results
        for score in (result.before, result.unaware, *result.adaptive)
    ]
    return Table("defence-attackers", "All attackers", columns, tuple(rows))


def _container_tables(container: ContainerResult | None) -> list[Table]:
    if container is None:
        return []
    columns = (
        Column("files", "Files"),
        Column("accuracy", "Told by the container", "share"),
        Column("low", "from", "share"),
        Column("high", "to", "share"),
        Column("chance", "Chance", "share"),
        Column("column", "Most telling column"),
    )
    rows = tuple(
        (name, floor.accuracy, *floor.interval, floor.chance, next(iter(floor.columns), None))
        for name, floor in (("as delivered", container.before), ("stripped", container.after))
    )
    return [Table("containers", "What files say without their pictures", columns, rows)]


def _bars(results: Sequence[DefenceResult]) -> BarChart:
    bars = []
    for result in sorted(results, key=lambda result: result.best.accuracy):
        for score, group in ((result.unaware, "does not know the defence"), (result.best, "best of those who know")):
            low, high = _defined(score.low), _defined(score.high)
            bars.append(Bar(f"{result.name}: {group}", score.accuracy, low, high, group))
    first = results[0]
    levels = (Level("no defence", first.before.accuracy), Level("chance", first.chance))
    title = "Share of images named right, by defence and attacker"
    return BarChart("defence-accuracy", title, "top-1", tuple(bars), levels)


def _frontier(results: Sequence[DefenceResult]) -> list[ScatterChart]:
    points = [("no defence", 1.0, results[0].before.accuracy)] if results else []
    for result in results:
        similarity = 1.0 if result.quality is None else result.quality.summary()["ssim"]
        if similarity is not None:
            points.append((result.name, similarity, result.best.accuracy))
    if len(points) < 2:
        return []
    return [
        ScatterChart(
            "defence-frontier",
            "What a defence costs and what it is worth: down and to the right is better",
            "SSIM of the images shown (1: unchanged)",
            "Top-1 of the best attacker who knows",
            tuple(points),
        )
    ]


def _notes(results: Sequence[DefenceResult]) -> tuple[str, ...]:
    notes: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            notes.setdefault(note, []).append(result.name)
    # What holds for all of them needs no names.
    return tuple(
        note if len(names) == len(results) else f"{', '.join(dict.fromkeys(names))}: {note}"
        for note, names in notes.items()
    )


def _values(
    results: Sequence[DefenceResult], container: ContainerResult | None, encoder: str, references: int
) -> dict[str, object]:
    values: dict[str, object] = {"encoder": encoder, "references": references}
    values["defences"] = {
        result.name: {
            "before": result.before.accuracy,
            "unaware": result.unaware.accuracy,
            "best": result.best.accuracy,
            "attacker": result.best.attacker,
            "interval": [_defined(result.best.low), _defined(result.best.high)],
            "optimistic": result.optimistic.accuracy,
            "chance": result.chance,
            "n": result.best.n,
            "quality": None if result.quality is None else result.quality.summary(),
            "details": dict(result.details),
        }
        for result in results
    }
    if container is not None:
        values["container"] = {"before": container.before.to_dict(), "after": container.after.to_dict()}
    return values


def _long_attackers(results: Sequence[DefenceResult]) -> pa.Table:
    rows = [
        {
            "defence": result.name,
            "attacker": score.attacker,
            "knows": score.knows,
            "role": role,
            "accuracy": score.accuracy,
            "low": _defined(score.low),
            "high": _defined(score.high),
            "chance": result.chance,
            "n": score.n,
            "n_prompts": score.n_prompts,
        }
        for result in results
        for role, score in (
            ("before", result.before),
            ("unaware", result.unaware),
            *(("adaptive", score) for score in result.adaptive),
            ("best", result.best),
            ("optimistic", result.optimistic),
        )
    ]
    return pa.Table.from_pylist(rows)


def _long_quality(results: Sequence[DefenceResult]) -> pa.Table:
    rows = [
        {"defence": result.name, "row": int(row)}
        | {name: _defined(float(getattr(result.quality, name)[i])) for name in _QUALITY}
        for result in results
        if result.quality is not None
        for i, row in enumerate(result.quality.rows)
    ]
    return pa.Table.from_pylist(rows)


def _defined(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
