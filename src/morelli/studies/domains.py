"""Domains: whether what was learned on one subject holds on another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.fused import MIN_IMAGES
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.aligned import ByImage, by_image, together
from morelli.studies.co_occurrence import (
    agreement_chart,
    agreement_of,
    agreement_words,
    co_occurrence,
    presence_table,
)
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, HeatMap, Level, Table
from morelli.studies.paper import DOMAINS, MIXED_DOMAINS, UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.metrics import Asymmetry, MantelResult, asymmetry
from morelli.trials.plan import Bench
from morelli.trials.runner import plan_all
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

__all__ = ["Domains"]

MIXED = "all, mixed"
"""Stands for the baseline among the domains that were learned from."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Cells that answer one question, put together."""

    name: str
    cell: Cell
    beside: ByImage | None


@register_study(
    "domains",
    title="Domains: learned on one subject, judged on another",
    question="Does an attributor that learned on images of one domain know the models on images of another?",
    paper=f"{UNIFIED}, domains",
)
@dataclass(frozen=True)
class Domains(Study):
    """Train on each domain, judge every domain: a matrix, beside a baseline of all domains mixed.

    All trainings have equally many images of each class. Folds hold out whole prompts in all cells, so that the
    diagonal is as honest as the rest. With few prompts, take as many folds as prompts (--folds); a domain that has too
    few for itself is then judged by the others only.
    """

    attributors = ("fused",)
    example = "--folds 15 --set presence=shows"

    column: str = Setting("domain", "Column that holds the domain of each image.")
    per_class: int | None = Setting(
        None, "References of each class in every training; none takes the most that all can have."
    )
    presence: str | None = Setting(
        None, "Column that names the domains seen in each image, separated by ;. Compares co-occurrence with accuracy."
    )

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, domain learned from, domain judged, seed and fold."""
        domains = self._domains(frame)
        if self.presence is not None:
            frame.values(self.presence)
        if self.per_class is not None and self.per_class < 1:
            raise MorelliError(f"A training takes at least one image of each class, not {self.per_class}.")
        bench = Bench(frame.catalog)
        whole = self._judging(frame, bench, domains)
        count = self.per_class
        if count is None:
            count, whole = _size(whole, _smallest_classes(bench, frame, whole))
        return [
            replace(
                trial,
                cell={"attributor": attributor, **trial.cell},
                train=replace(trial.train, per_class=count),
                attributor=attributor,
            )
            for attributor in frame.attributors
            for trial in whole
        ]

    def _judging(self, frame: Frame, bench: Bench, domains: list[str]) -> list[Trial]:
        """Return the trials that have something to judge, for one attributor and with all references.

        With as many folds as prompts, most folds hold no image of a domain.
        """
        mixed = {tested: self._trials(frame, domains, MIXED, tested) for tested in domains}
        judged = {}
        for tested, trials in mixed.items():
            planned, _ = plan_all(bench, trials)
            judged[tested] = {(trials[number].seed, trials[number].fold) for number in planned}
        return [
            trial
            for trained in (*domains, MIXED)
            for tested in domains
            for trial in self._trials(frame, domains, trained, tested)
            if (trial.seed, trial.fold) in judged[tested]
        ]

    def _trials(self, frame: Frame, domains: list[str], trained: str, tested: str) -> list[Trial]:
        return frame.cross_validated(
            {"trained_on": trained, "tested_on": tested},
            train=Selection(where={self.column: domains if trained == MIXED else trained}),
            test=Selection(where={self.column: tested}),
            attributor=frame.attributors[0],
        )

    def _domains(self, frame: Frame) -> list[str]:
        domains = frame.values(self.column)
        if self.column == frame.label:
            raise MorelliError(f'The column "{self.column}" is what is to be told; domains are another.')
        if len(domains) < 2:
            raise NotEnoughDataError(f'All images are of the domain "{domains[0]}"; this study needs two or more.')
        if MIXED in domains:
            raise MorelliError(f'"{MIXED}" is what this study calls its baseline; give that domain another name.')
        return domains

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return the matrix, what it costs to leave a domain, its asymmetry, and its agreement with co-occurrence."""
        first = frame.attributors[0]
        domains = self._domains(frame)
        found = [cell for cell in results if cell.accuracy is not None]
        own = [cell for cell in found if cell.at["attributor"] == first]
        kinds = {name: _kinds([c for c in found if c.at["attributor"] == name]) for name in frame.attributors}
        others = _others(own, domains)
        matrix = _matrix(own, domains)
        lopsided = asymmetry(matrix, _standard_errors(own, domains))
        sentences = [*_answer(first, frame.label, kinds[first]), *_lopsided(lopsided, domains, matrix)]
        charts: list[Chart] = [_heat_map(first, own, others, domains), *_bars(first, kinds[first], others)]
        tables = [
            _kinds_table(kinds),
            Table(
                "matrix",
                "Accuracy by domain learned from and domain judged",
                (
                    Column("attributor", "attributor"),
                    Column("trained_on", "trained on"),
                    Column("tested_on", "tested on"),
                    Column("references", "references", "number"),
                    *MEASURED,
                ),
                tuple(
                    (c.at["attributor"], c.at["trained_on"], c.at["tested_on"], c.measures["references"], *row_of(c))
                    for c in found
                ),
                "Intervals by bootstrap over prompts; the spread is the standard deviation between seeds; references "
                "are the images learned from, mean over folds.",
            ),
            _others_table(others),
            _paper_table(own),
        ]
        notes = [*_uneven(own), *_no_diagonal(own, domains)]
        values: dict[str, object] = {
            "accuracy": {
                f"{c.at['attributor']} | {c.at['trained_on']} | {c.at['tested_on']}": c.accuracy for c in found
            },
            "pooled": {f"{name} {kind.name}": kind.cell.accuracy for name in kinds for kind in kinds[name]},
            "asymmetry": {"mean": lopsided.mean, "expected": lopsided.expected, "largest": lopsided.difference},
        }
        if self.presence is not None:
            seen, lines = co_occurrence(frame, self.column, self.presence, domains)
            notes += lines
            agreement = agreement_of(seen, matrix)
            sentences.append(agreement_words(agreement))
            tables.append(presence_table(seen, domains))
            charts.append(agreement_chart(seen, matrix, domains))
            if isinstance(agreement, MantelResult):
                values["mantel"] = {"r": agreement.r, "p": agreement.p, "n": agreement.n}
        sentences.append(
            f"The paper's classifier, seven models of its own and 200 images of each, has {percent(MIXED_DOMAINS)} of "
            "100 with all domains mixed, and "
            + ", ".join(f"{percent(share)} from {a} to {b}" for (a, b), share in DOMAINS.items())
            + " (chance 14)."
        )
        return Findings(
            sentences=tuple(sentences),
            tables=tuple(table for table in tables if table.rows),
            charts=tuple(charts),
            notes=tuple(notes),
            values=values,
        )


# -- sizes -------------------------------------------------------------------------------------------------------------


def _smallest_classes(bench: Bench, frame: Frame, trials: list[Trial]) -> list[tuple[int, str]]:
    """Return the smallest class of each training, as its number of images and its name."""
    names, labels = frame.classes, bench.labels(frame.label)
    planned, _ = plan_all(bench, trials)
    found = []
    for number in range(len(trials)):
        own = Counter(labels[planned[number].train].astype(str).tolist()) if number in planned else Counter()
        found.append(min((own[name], name) for name in names))
    return found


def _size(trials: list[Trial], smallest: list[tuple[int, str]]) -> tuple[int, list[Trial]]:
    """Return how many images of each class all trainings can have, and the trials that have them.

    Where a prompt that is held out leaves a domain too few for itself, the others need not be held to that: its cell
    on the diagonal is left out.
    """
    most = min(held for held, _ in smallest)
    if most >= MIN_IMAGES:
        return most, trials
    away = [(held, name, trial) for (held, name), trial in zip(smallest, trials, strict=True) if not _own(trial)]
    held, name, worst = min(away, key=lambda one: one[0])
    if held < MIN_IMAGES:
        raise NotEnoughDataError(
            f'Trainings of one size need {MIN_IMAGES} images of each class in every domain, and "{name}" has {held} in '
            f'"{worst.cell["trained_on"]}" where one of {worst.fold.of if worst.fold else 1} folds is held out. Add '
            "images, take more folds (--folds), leave that domain or class out of the catalog, or set per_class: then "
            "each training takes what there is."
        )
    thin = {
        trial.cell["trained_on"] for (n, _), trial in zip(smallest, trials, strict=True) if _own(trial) and n < held
    }
    return held, [trial for trial in trials if not (_own(trial) and trial.cell["trained_on"] in thin)]


def _own(trial: Trial) -> bool:
    """Whether a domain is judged by what was learned on it."""
    return trial.cell["trained_on"] == trial.cell["tested_on"]


# -- cells -------------------------------------------------------------------------------------------------------------


def _kinds(cells: list[Cell]) -> list[_Kind]:
    """Put the cells of one attributor together: the same domain, all mixed, another; the first is compared with."""
    chosen = {
        "same domain": [c for c in cells if c.at["trained_on"] == c.at["tested_on"]],
        "all domains, mixed": [c for c in cells if c.at["trained_on"] == MIXED],
        "another domain": [c for c in cells if c.at["trained_on"] not in (c.at["tested_on"], MIXED)],
    }
    found: list[_Kind] = []
    for name, some in chosen.items():
        if some:
            cell = together(some, {"trained_on": name})
            found.append(_Kind(name, cell, by_image(cell, found[0].cell) if found else None))
    return found


def _others(cells: list[Cell], domains: list[str]) -> list[Cell]:
    """For each domain, what was learned on it alone and judged on all others."""
    found = []
    for domain in domains:
        some = [c for c in cells if c.at["trained_on"] == domain and c.at["tested_on"] != domain]
        if some:
            found.append(together(some, {"trained_on": domain}))
    return found


def _by_place(cells: list[Cell]) -> dict[tuple[object, object], Cell]:
    return {(c.at["trained_on"], c.at["tested_on"]): c for c in cells}


def _matrix(cells: list[Cell], domains: list[str]) -> Matrix:
    held = _by_place(cells)
    values = [[held[a, b].accuracy if (a, b) in held else None for b in domains] for a in domains]
    return np.array(values, dtype=np.float64)


def _standard_errors(cells: list[Cell], domains: list[str]) -> Matrix:
    held = _by_place(cells)
    errors = np.full((len(domains), len(domains)), np.nan)
    for i, a in enumerate(domains):
        for j, b in enumerate(domains):
            low, high = held[a, b].interval if (a, b) in held else (None, None)
            if low is not None and high is not None:
                errors[i, j] = (high - low) / (2.0 * 1.96)
    return errors


def _uneven(cells: list[Cell]) -> list[str]:
    sizes = [cell.measures["references"] or 0.0 for cell in cells]
    if not sizes or max(sizes) - min(sizes) <= 0.01 * max(sizes):
        return []
    return [
        f"Trainings are not of one size: from {min(sizes):.1f} to {max(sizes):.1f} images in the mean of the folds. "
        "Cells with fewer are at a disadvantage."
    ]


def _no_diagonal(cells: list[Cell], domains: list[str]) -> list[str]:
    held = _by_place(cells)
    lacking = [name for name in domains if (name, name) not in held]
    if not lacking:
        return []
    return [
        f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not judged by what was learned on the same "
        "domain: with whole prompts held out, too few references are left."
    ]


# -- in words ----------------------------------------------------------------------------------------------------------


def _answer(attributor: str, label: str, kinds: list[_Kind]) -> list[str]:
    by_name = {kind.name: kind for kind in kinds}
    lines = []
    if "another domain" in by_name:
        other = by_name["another domain"]
        lines.append(
            f"Having learned on one domain, {attributor} names the right {label} for {percent(other.cell.accuracy)} of "
            f"100 images of the others ({interval(other.cell)}; chance {percent(other.cell.measures['chance'])}), with "
            f"{other.cell.measures['references']:.0f} references in all."
        )
    mixed = by_name.get("all domains, mixed")
    if "same domain" in by_name:
        same = by_name["same domain"]
        line = f"On other prompts of the same domain it is {percent(same.cell.accuracy)} ({interval(same.cell)})"
        beside = by_name["another domain"].beside if "another domain" in by_name else None
        if beside is not None and beside.value is not None:
            line += f"; leaving the domain makes {beside.words()}, compared on the same images"
        lines.append(f"{line}.")
    if mixed is not None:
        line = f"With as many references from all domains mixed it is {percent(mixed.cell.accuracy)} ("
        line += interval(mixed.cell) + ")"
        if mixed.beside is not None and mixed.beside.value is not None:
            line += f": {mixed.beside.words()} beside the same domain, on the same images"
        lines.append(f"{line}.")
    return lines


def _lopsided(found: Asymmetry, domains: list[str], matrix: Matrix) -> list[str]:
    if found.mean is None or found.pair is None:
        return []
    i, j = found.pair
    line = (
        f"The matrix is not symmetric by {percent(found.mean)} points in the mean of {found.n_pairs} pairs; the "
        f"largest is {domains[i]} to {domains[j]}, {percent(matrix[i, j])}, against {percent(matrix[j, i])} the other "
        "way"
    )
    if found.expected is None:
        return [f"{line}. What noise alone would give cannot be told: some cells have no interval."]
    verdict = "more than" if found.mean > 1.5 * found.expected else "about as much as"
    return [f"{line}. Noise alone would give {percent(found.expected)} points: it is {verdict} that (no test)."]


# -- tables and figures ------------------------------------------------------------------------------------------------


def _kinds_table(kinds: dict[str, list[_Kind]]) -> Table:
    rows = []
    for attributor, some in kinds.items():
        for kind in some:
            beside = kind.beside
            difference = (None, None, None) if beside is None else (beside.value, beside.low, beside.high)
            rows.append((attributor, kind.name, *difference, *row_of(kind.cell)))
    return Table(
        "training",
        "Accuracy by what was learned from",
        (
            Column("attributor", "attributor"),
            Column("trained_on", "trained on"),
            Column("difference", "beside the first row", "difference"),
            Column("difference_low", "95% from", "difference"),
            Column("difference_high", "to", "difference"),
            *MEASURED,
        ),
        tuple(rows),
        "Over all domains judged. Differences are on the same images. An image is judged once by its own domain and by "
        "the mixed baseline, and by each other domain: n counts judgements.",
    )


def _others_table(others: list[Cell]) -> Table:
    return Table(
        "one-domain-only",
        "Learned on one domain only, judged on all others",
        (Column("trained_on", "trained on"), *MEASURED),
        tuple((cell.at["trained_on"], *row_of(cell)) for cell in others),
        "The images of all other domains together; intervals by bootstrap over prompts.",
    )


def _paper_table(cells: list[Cell]) -> Table:
    held = {(str(a).casefold(), str(b).casefold()): cell for (a, b), cell in _by_place(cells).items()}
    rows = []
    for (a, b), share in DOMAINS.items():
        own = held.get((a, b))
        rows.append((a, b, share, None if own is None else own.accuracy))
    return Table(
        "paper",
        "The paper's cells",
        (
            Column("trained_on", "trained on"),
            Column("tested_on", "tested on"),
            Column("paper", "the paper's", "share"),
            Column("ours", "ours", "share"),
        ),
        tuple(rows),
        "The paper: seven models, 200 training and 100 test images of each, chance 14. Ours where a domain has the "
        "same name; other models, other prompts and another number of references.",
    )


def _heat_map(attributor: str, cells: list[Cell], others: list[Cell], domains: list[str]) -> HeatMap:
    held = _by_place(cells)
    rows = (*domains, MIXED)
    over = {cell.at["trained_on"]: cell.accuracy for cell in others}
    return HeatMap(
        "matrix",
        f"Right by domain learned from and domain judged, {attributor}",
        "trained on",
        "tested on",
        rows,
        (*domains, "all others"),
        tuple((*(held[a, b].accuracy if (a, b) in held else None for b in domains), over.get(a)) for a in rows),
    )


def _bars(attributor: str, kinds: list[_Kind], others: list[Cell]) -> list[BarChart]:
    if not kinds:
        return []
    bars = [Bar(kind.name, kind.cell.accuracy, *kind.cell.interval, "over all domains") for kind in kinds]
    bars += [Bar(f"{c.at['trained_on']} only", c.accuracy, *c.interval, "judged on all others") for c in others]
    bars += [Bar(f"{a} to {b}", share, paper=True) for (a, b), share in DOMAINS.items()]
    bars.append(Bar("all mixed", MIXED_DOMAINS, paper=True))
    chance = kinds[0].cell.measures["chance"] or 0.0
    return [BarChart("training", f"Right by what was learned from, {attributor}", "right", tuple(bars),
                     (Level("chance", chance),))]  # fmt: skip
