"""What a comparison of two samples found, in words and tables."""

from __future__ import annotations

import pyarrow as pa

from morelli.audit.drift.detecting import Drift
from morelli.audit.drift.effects import Effect
from morelli.audit.drift.power import POWER, Power
from morelli.audit.drift.testing import DriftTest
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, Table
from morelli.studies.section import Section
from morelli.studies.words import percent

__all__ = ["drift_section"]


def drift_section(drift: Drift) -> Section:
    """Return what was found as a part of a page; its first sentence is the conclusion."""
    test = drift.test
    findings = Findings(
        sentences=(_conclusion(drift), *_more(test)),
        tables=(_families(test), _tests(test), *_looks(drift)),
        charts=(_chart(test),),
        notes=(*drift.notes, *_notes(drift)),
        values=drift.to_dict(),
    )
    return Section(
        "drift", "Drift", f"Are {drift.new} and {drift.reference} images of one model?", findings, _long(test)
    )


def _conclusion(drift: Drift) -> str:
    test = drift.test
    reference, new = int((~test.design.new).sum()), int(test.design.new.sum())
    same = (
        f"{test.design.n_groups} prompts that both have" if test.design.kind == "paired" else "no common prompt known"
    )
    counts = f"{reference} reference and {new} new images, {same}"
    if test.changed:
        what = "images of one model do" if test.design.kind == "paired" else "such samples of one model do"
        return (
            f"Changed: {drift.new} differs from {drift.reference} by more than {what} by chance "
            f"(p {test.p:.2g}, level {test.level:.2g}; {counts})."
        )
    return f"No change found (p {test.p:.2g}, level {test.level:.2g}; {counts}). {_missed(test.power)}"


def _missed(power: Power | None) -> str:
    if power is None:
        return "How large a change would have been found was not asked."
    if power.everywhere is None:
        return "With so few images hardly any change would have been found: this says next to nothing."
    alone = "" if power.alone is None else f", or in {percent(power.alone)} of 100 if it touched one family of traces"
    return (
        "A change that lets a classifier pick the new one of two images in at least "
        f"{percent(power.everywhere)} of 100 pairs{alone}, would have been found with power {POWER:g}; smaller ones "
        "may be there."
    )


def _more(test: DriftTest) -> list[str]:
    sentences = []
    named = sorted((one for one in test.families if one.p_adjusted <= test.level), key=lambda one: one.p)
    if named:
        words = ", ".join(f"{one.name} ({one.effect.d:+.1f} standard deviations)" for one in named)
        sentences.append(f"The change shows in: {words}; adjusted for the number of families.")
    elif test.changed:
        sentences.append("It shows in all traces together, and in no single family by itself.")
    low, high = test.classifier.accuracy_interval
    sentences.append(
        f"A classifier puts {percent(test.classifier.accuracy)} of 100 images that it has not seen on the right side "
        f"(95% interval {percent(low)} to {percent(high)}; chance is 50)."
    )
    needed = None if test.power is None else test.power.needed
    if needed is not None and test.power is not None:
        if not test.changed:
            sentences.append(
                f"If what was seen is real, it takes about {needed} images of each sample to find it with power "
                f"{POWER:g}."
            )
        elif needed > test.power.images:
            sentences.append(
                f"It was found with some luck: about {needed} images of each sample find such a change with power "
                f"{POWER:g}."
            )
        else:
            sentences.append(f"About {needed} images of each sample find such a change with power {POWER:g}.")
    return sentences


def _families(test: DriftTest) -> Table:
    return Table(
        "families",
        "What each family of traces says",
        (
            Column("family", "family"),
            Column("auc", "picks the new one", "share"),
            Column("auc_low", "95% from", "share"),
            Column("auc_high", "to", "share"),
            Column("p", "p", "p"),
            Column("p_adjusted", "adjusted", "p"),
            Column("d", "effect (d)", "number"),
            Column("d_low", "95% from", "number"),
            Column("d_high", "to", "number"),
        ),
        tuple(
            (one.name, one.effect.auc, *one.effect.auc_interval, one.p, one.p_adjusted, one.effect.d,
             *one.effect.d_interval)
            for one in test.families
        ),
        "Scores of discriminants that had not seen the image or its prompt; effect sizes in standard deviations within "
        "a sample (Cohen's d). p by permutation; adjusted for the number of families (Holm 1979). Intervals are over "
        "prompts, for the scores as they are.",
    )  # fmt: skip


def _tests(test: DriftTest) -> Table:
    rows = (
        ("all tests together", test.p, None),
        ("classifier, all families fused", test.classifier_p, test.classifier.d),
        ("mean discrepancy", test.discrepancy_p, None),
        ("strongest family, adjusted", min(one.p_adjusted for one in test.families), None),
    )
    how = "all there are" if test.exhaustive else "drawn at random"
    return Table(
        "tests",
        "The tests",
        (Column("test", "test"), Column("p", "p", "p"), Column("d", "effect (d)", "number")),
        rows,
        f"p-values by {test.n_permutations:,} relabellings, {how}. The first row decides, and was declared beforehand; "
        "the others say why.",
    )


def _looks(drift: Drift) -> list[Table]:
    if drift.look is None:
        return []
    return [
        Table(
            "looks",
            "Looks so far",
            (
                Column("look", "look", "count"), Column("reference", "reference images", "count"),
                Column("new", "new images", "count"), Column("p", "p", "p"), Column("level", "level", "p"),
                Column("changed", "changed"),
            ),
            tuple(
                (number, one.reference, one.new, one.p, one.level, "yes" if one.changed else "no")
                for number, one in enumerate(drift.looks, 1)
            ),
            f"Look k is tested at {drift.rate:g} x 6 / (pi² k²): over however many looks, a model that never changes "
            f"is called changed with a chance below {drift.rate:g}.",
        )
    ]  # fmt: skip


def _chart(test: DriftTest) -> BarChart:
    order = sorted(test.families, key=lambda one: -one.effect.auc)
    bars = [Bar("all fused", test.classifier.auc, *test.classifier.auc_interval, group="fused")]
    bars += [Bar(one.name, one.effect.auc, *one.effect.auc_interval, group="family") for one in order]
    return BarChart(
        "families",
        "How often the new one of two images is picked",
        "right, of 100",
        tuple(bars),
        (Level("chance", 0.5),),
    )


def _notes(drift: Drift) -> list[str]:
    notes = [
        "What is compared is images. A model that its owner did not touch also looks changed where its sampler, its "
        "settings, an upscaler or the handling of its files did change."
    ]
    power = drift.test.power
    if power is not None and power.scaled_from is not None:
        notes.append(f"Power was simulated for {power.scaled_from} images, and the shift scaled to their number.")
    if drift.look is None:
        notes.append(
            "This is one look. Whoever looks again and again at this level finds a change in the end: keep a --history."
        )
    return notes


def _long(test: DriftTest) -> dict[str, pa.Table]:
    effects: list[tuple[str, Effect, float, float | None]] = [("all fused", test.classifier, test.classifier_p, None)]
    effects += [(one.name, one.effect, one.p, one.p_adjusted) for one in test.families]
    return {
        "effects": pa.table(
            {
                "family": [name for name, *_ in effects],
                "auc": [effect.auc for _, effect, *_ in effects],
                "auc_low": [effect.auc_interval[0] for _, effect, *_ in effects],
                "auc_high": [effect.auc_interval[1] for _, effect, *_ in effects],
                "accuracy": [effect.accuracy for _, effect, *_ in effects],
                "d": [effect.d for _, effect, *_ in effects],
                "d_low": [effect.d_interval[0] for _, effect, *_ in effects],
                "d_high": [effect.d_interval[1] for _, effect, *_ in effects],
                "p": [p for _, _, p, _ in effects],
                "p_adjusted": pa.array([adjusted for *_, adjusted in effects], pa.float64()),
            }
        )
    }
