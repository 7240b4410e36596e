"""How far reviewers agree with each other, and with the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from morelli.audit.ledger.incident import Incident
from morelli.audit.verdicts import machine_answer
from morelli.errors import MorelliError

__all__ = [
    "Agreement",
    "MachineAgreement",
    "PairAgreement",
    "agreement_of",
    "cohen_kappa",
    "krippendorff_alpha",
]

Float = npt.NDArray[np.float64]
Interval = tuple[float, float] | None

NONE: Final = "(none of the candidates)"
"""Stands for that answer among the labels."""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two reviewers.

    Attributes
    ----------
    first, second : str
    n : int
        Incidents that both decided.
    observed : float
        Share of them with the same label.
    kappa : float or None
        Cohen's kappa; None where it is not defined, because both gave one and the same label throughout.
    interval : tuple of float or None
        95%, percentile bootstrap over incidents; None where kappa is not defined or too few resamples define it.
    """

    first: str
    second: str
    n: int
    observed: float
    kappa: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class MachineAgreement:
    """A reviewer and the machine.

    Attributes
    ----------
    reviewer : str
    n : int
        Incidents that the reviewer decided and for which the machine had an answer.
    n_same : int
        Those with the machine's answer: its most probable candidate, or "none of the candidates" where it said unknown.
    n_in_set : int
        Those with one of the candidates that it did not exclude, or with its answer.
    interval : tuple of float or None
        95% of the share `n_same` / `n`, percentile bootstrap.
    """

    reviewer: str
    n: int
    n_same: int
    n_in_set: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """The result of `agreement_of`.

    Attributes
    ----------
    n : int
        Incidents that anybody decided.
    n_twice : int
        Those with at least two reviewers: all that alpha rests on.
    alpha : float or None
        Krippendorff's alpha over all reviewers.
    interval : tuple of float or None
        95%.
    pairs : tuple of PairAgreement
    machine : tuple of MachineAgreement
    seed : int
    """

    n: int
    n_twice: int
    alpha: float | None
    interval: Interval
    pairs: tuple[PairAgreement, ...]
    machine: tuple[MachineAgreement, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return asdict(self)


def agreement_of(incidents: Iterable[Incident], *, n_boot: int = 2000, seed: int = 0) -> Agreement:
    """Measure agreement on what reviewers decided last about each incident.

    A high agreement with the machine does not say that it is right: reviewers saw its answer. Second opinions
    (``morelli review --second``) are given without the first one.

    Parameters
    ----------
    incidents : iterable of Incident
        Read once; memory grows with the decisions, not with the incidents.
    n_boot : int, default 2000
        Resamples of incidents.
    seed : int, default 0
    """
    if n_boot < 1:
        raise MorelliError("There has to be at least one resample.")
    units: list[dict[str, str]] = []
    machine: dict[str, list[tuple[bool, bool]]] = {}
    for incident in incidents:
        if incident.verdict is None or not incident.decisions:
            continue
        units.append({one.reviewer: NONE if one.label is None else one.label for one in incident.decisions})
        said = machine_answer(incident.verdict)
        for one in incident.decisions if said is not None else ():
            assert said is not None
            same = one.label == said[0]
            inside = same or (said[0] is not None and one.label in incident.verdict["prediction_set"])
            machine.setdefault(one.reviewer, []).append((same, inside))
    reviewers = sorted({name for unit in units for name in unit})
    alpha, interval = krippendorff_alpha([list(unit.values()) for unit in units], n_boot=n_boot, seed=seed)
    pairs = []
    for place, first in enumerate(reviewers):
        for second in reviewers[place + 1 :]:
            both = [(unit[first], unit[second]) for unit in units if first in unit and second in unit]
            if both:
                pairs.append(_pair(first, second, both, n_boot, seed))
    return Agreement(
        n=len(units),
        n_twice=sum(len(unit) > 1 for unit in units),
        alpha=alpha,
        interval=interval,
        pairs=tuple(pairs),
        machine=tuple(_machine(name, machine[name], n_boot, seed) for name in sorted(machine)),
        seed=seed,
    )


def _pair(first: str, second: str, both: Sequence[tuple[str, str]], n_boot: int, seed: int) -> PairAgreement:
    kappa, interval = cohen_kappa([one for one, _ in both], [other for _, other in both], n_boot=n_boot, seed=seed)
    observed = sum(one == other for one, other in both) / len(both)
    return PairAgreement(first, second, len(both), observed, kappa, interval)


def _machine(name: str, rows: Sequence[tuple[bool, bool]], n_boot: int, seed: int) -> MachineAgreement:
    n, same = len(rows), sum(row[0] for row in rows)
    shares = np.random.default_rng(seed).binomial(n, same / n, n_boot) / n
    interval = _interval(shares) if n > 1 else None
    return MachineAgreement(name, n, same, sum(row[1] for row in rows), interval)


def cohen_kappa(
    first: Sequence[str], second: Sequence[str], *, n_boot: int = 2000, seed: int = 0
) -> tuple[float | None, Interval]:
    """Cohen's kappa [1]_ of two lists of labels for the same items, and its 95% interval by bootstrap over items.

    Returns
    -------
    tuple of (float or None, (float, float) or None)
        From -1 to 1. None where it is not defined: agreement by chance would be complete.

    Raises
    ------
    MorelliError
        The lists are of different lengths.

    References
    ----------
    .. [1] Cohen: A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20, 1960.
    """
    if len(first) != len(second):
        raise MorelliError(
            f"Two reviewers' labels are compared item by item: there are {len(first)} and {len(second)}."
        )
    if not first:
        return None, None
    names = sorted({*first, *second})
    index = {name: place for place, name in enumerate(names)}
    cells, counts = np.unique(
        [[index[a], index[b]] for a, b in zip(first, second, strict=True)], axis=0, return_counts=True
    )
    # Items of one cell of the table are alike, so that drawing items with replacement is drawing counts of cells.
    draws = _draws(counts, n_boot, seed)
    rows = np.eye(len(names))[cells[:, 0]]
    columns = np.eye(len(names))[cells[:, 1]]
    same = (cells[:, 0] == cells[:, 1]).astype(np.float64)

    def kappa(weights: Float) -> Float:
        total = weights.sum(axis=1)
        observed = weights @ same / total
        chance = ((weights @ rows) * (weights @ columns)).sum(axis=1) / total**2
        return _over(observed - chance, 1.0 - chance)

    return _summary(kappa, counts, draws)


def krippendorff_alpha(
    units: Sequence[Sequence[str]], *, n_boot: int = 2000, seed: int = 0
) -> tuple[float | None, Interval]:
    """Krippendorff's alpha [1]_ for nominal labels by any number of reviewers, and its 95% interval.

    Reviewers need not have seen all units: those with fewer than two labels say nothing and are left out. The interval
    is that of a percentile bootstrap over units (Krippendorff's own resamples pairs of values instead, as if those of
    one unit were independent).

    Parameters
    ----------
    units : sequence of sequences of str
        The labels that each unit got, in any order.
    n_boot : int, default 2000
    seed : int, default 0

    Returns
    -------
    tuple of (float or None, (float, float) or None)
        At most 1; 0 is agreement by chance. None where it is not defined: no unit has two labels, or there is one label
        only.

    References
    ----------
    .. [1] Krippendorff: Computing Krippendorff's alpha-reliability. University of Pennsylvania, 2011.
    """
    paired = [unit for unit in units if len(unit) > 1]
    if not paired:
        return None, None
    names = sorted({name for unit in paired for name in unit})
    index = {name: place for place, name in enumerate(names)}
    tally: dict[tuple[int, ...], int] = {}
    for unit in paired:
        pattern = tuple(sorted(index[name] for name in unit))
        tally[pattern] = tally.get(pattern, 0) + 1
    patterns = sorted(tally)
    values = np.zeros((len(patterns), len(names)))
    for row, pattern in enumerate(patterns):
        np.add.at(values[row], list(pattern), 1.0)
    sizes = values.sum(axis=1)
    # Of each unit: pairs of different labels, each unit weighing as much as it has labels.
    apart = (sizes**2 - (values**2).sum(axis=1)) / (sizes - 1.0)
    counts = np.array([tally[pattern] for pattern in patterns])

    def alpha(weights: Float) -> Float:
        total = weights @ sizes
        observed = weights @ apart / total
        expected = (total**2 - ((weights @ values) ** 2).sum(axis=1)) / (total * (total - 1.0))
        return 1.0 - _over(observed, expected)

    return _summary(alpha, counts, _draws(counts, n_boot, seed))


def _draws(counts: npt.NDArray[np.int64], n_boot: int, seed: int) -> npt.NDArray[np.int64]:
    total = int(counts.sum())
    return np.random.default_rng(seed).multinomial(total, counts / total, size=n_boot)


def _summary(
    statistic: Callable[[Float], Float], counts: npt.NDArray[np.int64], draws: npt.NDArray[np.int64]
) -> tuple[float | None, Interval]:
    value = float(statistic(counts[None].astype(np.float64))[0])
    if not np.isfinite(value):
        return None, None
    resampled = statistic(draws.astype(np.float64))
    resampled = resampled[np.isfinite(resampled)]
    # With few units many resamples have one label only and define nothing: what is left would be a choice among them.
    return value, _interval(resampled) if counts.sum() > 1 and 2 * len(resampled) > len(draws) else None


def _over(top: Float, bottom: Float) -> Float:
    """Divide; NaN where there is nothing to divide by."""
    defined = bottom > 1e-12
    return np.where(defined, top / np.where(defined, bottom, 1.0), np.nan)


def _interval(values: Float) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
