"""What sets two bundles apart, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping

from morelli.audit.versions.common import CommonTest
from morelli.audit.versions.diff import BundleDiff, Value
from morelli.studies.findings import Column, Findings, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["diff_section"]

_TITLES: Mapping[str, str] = {
    "id": "content", "made_with": "made with", "recipe": "recipe of features", "data": "data",
    "log_loss": "out-of-fold log loss", "accuracy": "out-of-fold accuracy", "set_method": "sets made by",
    "set_level": "sets made to hold", "set_threshold": "threshold of sets", "open_set_level": "unknown below",
    "dependence": "dependence of images",
}  # fmt: skip
_MOST_NAMES = 12


def diff_section(diff: BundleDiff) -> Section:
    """Return the difference as a part of a page; its first sentence is the conclusion."""
    findings = Findings(
        sentences=tuple(_sentences(diff)),
        tables=(*_common(diff.common), _facts(diff), _classes(diff), *_pairs(diff)),
        notes=() if diff.common is None else diff.common.notes,
        values=diff.to_dict(),
    )
    return Section("diff", "Difference", "What sets the two bundles apart?", findings)


def _sentences(diff: BundleDiff) -> list[str]:
    if diff.same:
        return ["The two are the same bundle, to the last bit."]
    sentences = [] if diff.common is None else _verdict(diff.common)
    if diff.facts["label"][0] != diff.facts["label"][1]:
        sentences.append("They name different things: a {} and a {}.".format(*diff.facts["label"]))
    sentences.append(_candidates(diff))
    both, first, second = diff.images
    sentences.append(
        f"References: {both:,} images in both, {first:,} only in the first, {second:,} only in the second."
    )
    if diff.facts["recipe"][0] != diff.facts["recipe"][1]:
        sentences.append("They measure images by different recipes: weights and thresholds cannot be compared.")
    return sentences


def _candidates(diff: BundleDiff) -> str:
    changed, same = diff.changed("changed"), diff.changed("same")
    both = len(changed) + len(same)
    other = "other numbers of references, versions or lineages"
    if not changed:
        with_what = "with as many references of each" if both else ""
    elif not same:
        with_what = f"all with {other}"
    else:
        with_what = f"{len(changed)} of them ({_listed(changed)}) with {other}"
    words = [", ".join(part for part in (f"{_are(both)} in both", with_what) if part)]
    for what in ("added", "removed"):
        names = diff.changed(what)
        if names:
            words.append(f"{len(names)} {what} ({_listed(names)})")
    return f"{'; '.join(words)}."


def _are(n: int) -> str:
    return f"{n} candidate is" if n == 1 else f"{n} candidates are"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _verdict(common: CommonTest) -> list[str]:
    points = 100 * common.difference
    if common.told:
        what = f"The {'second' if points > 0 else 'first'} bundle is right more often"
    elif common.only_first + common.only_second:
        what = "Which bundle is right more often cannot be told"
    else:
        what = "Both bundles are right about the same images"
    span = ""
    if common.interval is not None:
        span = f", 95% interval {100 * common.interval[0]:+.0f} to {100 * common.interval[1]:+.0f}"
    prompts = f"{common.n_groups} prompt{'s' if common.n_groups != 1 else ''}"
    return [
        f"{what}: of {common.n:,} images of {prompts} that neither has seen, the first names "
        f"{percent(common.first.accuracy)} of 100 right and the second {percent(common.second.accuracy)} "
        f"({points:+.0f} points{span}; exact McNemar p {common.p:.2g}).",
        f"They name the same candidate for {percent(common.agreement)} of 100 of these images.",
    ]


def _common(common: CommonTest | None) -> list[Table]:
    if common is None:
        return []
    rows = [
        (
            name, one.accuracy, *(one.interval or (None, None)), one.log_loss, one.calibration_error, one.coverage,
            one.set_size, one.unknown, common.n,
        )
        for name, one in (("first", common.first), ("second", common.second))
    ]  # fmt: skip
    return [
        Table(
            "common",
            "On images that neither has seen",
            (
                Column("bundle", "bundle"), Column("accuracy", "right", "share"), Column("low", "95% from", "share"),
                Column("high", "to", "share"), Column("log_loss", "log loss", "number"),
                Column("ece", "calibration error", "share"),
                Column("coverage", "sets hold", "share"), Column("set_size", "in a set", "number"),
                Column("unknown", "called unknown", "share"), Column("n", "n", "count"),
            ),
            tuple(rows),
            f"Left out: {common.seen_images} references of either, {common.seen_prompts} images of prompts that either "
            f"has seen, {common.foreign} of classes that not both have, {common.unreadable} that could not be "
            f"measured. The first alone is right about {common.only_first} images, the second alone about "
            f"{common.only_second}. Intervals are over prompts.",
        )
    ]  # fmt: skip


def _facts(diff: BundleDiff) -> Table:
    return Table(
        "facts",
        "Facts",
        (Column("fact", "fact"), Column("first", "first"), Column("second", "second"), Column("same", "same")),
        tuple(
            (_TITLES.get(name, name.replace("_", " ")), _shown(a), _shown(b), "yes" if a == b else "no")
            for name, (a, b) in diff.facts.items()
        ),
    )


def _classes(diff: BundleDiff) -> Table:
    order = {"removed": 0, "added": 1, "changed": 2, "same": 3}
    judged = {} if diff.common is None else {one.name: one for one in diff.common.classes}

    def versions(of: dict[str, int]) -> str:
        return ", ".join(f"{name} ({count})" for name, count in of.items())

    def right(name: str) -> tuple[int | float | None, ...]:
        one = judged.get(name)
        return (None, None, None) if one is None else (one.n, one.first / one.n, one.second / one.n)

    on_common = () if diff.common is None else (
        Column("n", "common images", "count"), Column("right_first", "right, first", "share"),
        Column("right_second", "second", "share"),
    )  # fmt: skip
    return Table(
        "classes",
        "Candidates",
        (
            Column("candidate", "candidate"), Column("what", "what"), Column("first", "references, first", "count"),
            Column("second", "second", "count"), *on_common, Column("versions_first", "versions, first"),
            Column("versions_second", "second"), Column("lineage_first", "lineage, first"),
            Column("lineage_second", "second"),
        ),
        tuple(
            (
                one.name, one.what, *one.images, *(right(one.name) if on_common else ()),
                *(versions(of) for of in one.versions), *one.lineages,
            )
            for one in sorted(diff.classes, key=lambda one: (order[one.what], one.name))
        ),
        "The same: as many references, of the same versions and lineage. A bundle does not tell which of its images "
        "are whose.",
    )  # fmt: skip


def _pairs(diff: BundleDiff) -> list[Table]:
    columns = (Column("first", "first", "share"), Column("second", "second", "share"))
    return [
        Table(
            "weights", "Share of each family in the fusion", (Column("family", "family"), *columns),
            tuple((name, *pair) for name, pair in diff.weights.items()),
        ),
        Table(
            "views", "Out-of-fold accuracy by view", (Column("view", "view"), *columns),
            tuple((name, *pair) for name, pair in diff.views.items()),
        ),
    ]  # fmt: skip


def _shown(value: Value) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
