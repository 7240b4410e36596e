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
    words = []
    for what in ("added", "removed", "changed"):
        names = diff.changed(what)
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            words.append(f"{len(names)} {what} ({', '.join(names[:_MOST_NAMES])}{more})")
    kept = len(diff.changed("same"))
    sentences = [f"Candidates: {', '.join(words)}; {kept} the same." if words else f"The same {kept} candidates."]
    both, first, second = diff.images
    sentences.append(f"References: {both} images in both, {first} only in the first, {second} only in the second.")
    if diff.facts["recipe"][0] != diff.facts["recipe"][1]:
        sentences.append("They measure images by different recipes: weights and thresholds cannot be compared.")
    if diff.common is not None:
        sentences.insert(0, _verdict(diff.common))
    return sentences


def _verdict(common: CommonTest) -> str:
    points = 100 * common.difference
    span = ""
    if common.interval is not None:
        span = f", 95% interval {100 * common.interval[0]:+.0f} to {100 * common.interval[1]:+.0f}"
    known = common.interval is not None and (common.interval[0] > 0 or common.interval[1] < 0)
    what = "The second is " + ("better" if points > 0 else "worse") if known else "No difference in accuracy was found"
    return (
        f"{what} on {common.n:,} images that neither has seen: {percent(common.first.accuracy)} and "
        f"{percent(common.second.accuracy)} of 100 right, a difference of {points:+.0f} points{span} (exact McNemar p "
        f"{common.p:.2g}); they name the same candidate for {percent(common.agreement)} of 100."
    )


def _common(common: CommonTest | None) -> list[Table]:
    if common is None:
        return []
    rows = [
        (
            name, one.accuracy, *(one.interval or (None, None)), one.calibration_error, one.coverage, one.set_size,
            one.unknown, common.n,
        )
        for name, one in (("first", common.first), ("second", common.second))
    ]  # fmt: skip
    return [
        Table(
            "common",
            "On images that neither has seen",
            (
                Column("bundle", "bundle"), Column("accuracy", "right", "share"), Column("low", "95% from", "share"),
                Column("high", "to", "share"), Column("ece", "calibration error", "share"),
                Column("coverage", "sets hold", "share"), Column("set_size", "in a set", "number"),
                Column("unknown", "called unknown", "share"), Column("n", "n", "count"),
            ),
            tuple(rows),
            f"Left out: {common.seen_images} references of either, {common.seen_prompts} images of prompts that either "
            f"has seen, {common.foreign} of classes that not both have, {common.unreadable} that could not be "
            f"measured. Right by one alone: {common.only_first} and {common.only_second}. Intervals are over prompts.",
        )
    ]  # fmt: skip


def _facts(diff: BundleDiff) -> Table:
    return Table(
        "facts",
        "Facts",
        (Column("fact", ""), Column("first", "first"), Column("second", "second"), Column("same", "same")),
        tuple(
            (_TITLES.get(name, name.replace("_", " ")), _shown(a), _shown(b), "yes" if a == b else "no")
            for name, (a, b) in diff.facts.items()
        ),
    )


def _classes(diff: BundleDiff) -> Table:
    order = {"removed": 0, "added": 1, "changed": 2, "same": 3}

    def versions(of: dict[str, int]) -> str:
        return ", ".join(f"{name} ({count})" for name, count in of.items())

    return Table(
        "classes",
        "Candidates",
        (
            Column("candidate", "candidate"), Column("what", "what"), Column("first", "images, first", "count"),
            Column("second", "second", "count"), Column("versions_first", "versions, first"),
            Column("versions_second", "second"), Column("lineage_first", "lineage, first"),
            Column("lineage_second", "second"),
        ),
        tuple(
            (one.name, one.what, *one.images, *(versions(of) for of in one.versions), *one.lineages)
            for one in sorted(diff.classes, key=lambda one: (order[one.what], one.name))
        ),
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
