"""What is computed of every relabelling: how far the samples are apart, in three ways.

References
----------
D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017, section 3: a classifier that tells two
samples apart on images that it has not seen says that they differ.
X. Cheng, A. Cloninger, "Classification logit two-sample testing by neural networks", IEEE Trans. Inf. Theory 68(10),
2022: the difference of its mean scores finds more than its accuracy does.
A. Gretton et al., "A kernel two-sample test", JMLR 13, 2012: the maximum mean discrepancy, lemma 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.drift.design import Design
from morelli.audit.drift.trace import Trace

__all__ = [
    "Contrasts",
    "gaussian_kernel",
    "held_out_scores",
    "mean_discrepancy",
    "of_all_relabellings",
    "overall",
    "p_value",
    "squared_distances",
    "standard",
]

Float = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MOST_NUMBERS: Final = 10_000_000
"""That contrasts of one set of relabellings are made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """What relabellings make of labels, once for all families.

    Attributes
    ----------
    labels : ndarray of bool, shape (P, n)
    judged : ndarray, shape (P, n)
        Labels less their mean over the cell: what a difference is measured by.
    learned : ndarray, shape (folds, P, n)
        What a difference is learned from in all folds but one: weights of images that add up to the mean difference of
        the samples there, and 0 in the fold itself.
    fold : ndarray of int, shape (n,)
    """

    labels: Bools
    judged: Float
    learned: Float
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Bools, design: Design) -> Contrasts:
        """Return the contrasts of labels, shape (P, n)."""
        values = labels.astype(np.float64)
        judged = values - _cell_mean(values, design.cell)
        learned = np.empty((int(design.fold.max()) + 1, *values.shape))
        for number in range(len(learned)):
            teaches = design.fold != number
            if design.kind == "paired":
                weights = judged * teaches
            else:
                mean = values[:, teaches].mean(axis=1, keepdims=True) if teaches.any() else 0.0
                weights = (values - mean) * teaches
            squares = (weights**2).sum(axis=1, keepdims=True)
            learned[number] = np.divide(weights, squares, out=np.zeros_like(weights), where=squares > 0)
        return cls(labels, judged, learned, design.fold)

    def between(self, scores: Float) -> Float:
        """Return the mean difference of scores (P, n), new less reference, within cells; shape (P,)."""
        squares = (self.judged**2).sum(axis=1)
        sums = (self.judged * scores).sum(axis=1)
        return np.asarray(np.divide(sums, squares, out=np.zeros_like(sums), where=squares > 0))


def held_out_scores(trace: Trace, contrasts: Contrasts) -> Float:
    """Return how new each image looks to a discriminant that has not seen its fold, shape (P, n).

    The discriminant is Fisher's with a covariance that is shrunk as in :mod:`morelli.attributors.discriminant`, and
    that does not know the labels (which changes its direction by nothing but a factor). Scores are known up to a
    constant for each cell.
    """
    scores = np.empty(contrasts.judged.shape)
    for number, weights in enumerate(contrasts.learned):
        mine = np.flatnonzero(contrasts.fold == number)
        scores[:, mine] = weights @ trace.held_out[mine].T
    return scores


def squared_distances(traces: Sequence[Trace]) -> Float:
    """Return squared distances of images, shape (n, n).

    The sum over families of the mean squared difference of standardised measurements: every family counts alike,
    however many measurements it has.
    """
    total = np.zeros((traces[0].n, traces[0].n))
    for trace in traces:
        inner = trace.plain[: trace.n, : trace.n]
        own = np.diagonal(inner)
        total += np.maximum(own[:, None] + own - 2 * inner, 0.0) / trace.n_features
    return total


def gaussian_kernel(distances: Float) -> Float:
    """Return a Gaussian kernel of squared distances, whose width is their median (Gretton 2012, section 8)."""
    apart = distances[np.triu_indices(len(distances), 1)]
    width = float(np.median(apart)) if len(apart) else 0.0
    return np.asarray(np.exp(-distances / width)) if width > 0 else np.ones_like(distances)


def mean_discrepancy(kernel: Float, labels: Bools, apart: NDArray[np.integer]) -> Float:
    """Return the unbiased squared maximum mean discrepancy of every relabelling, shape (P,).

    Parameters
    ----------
    kernel : ndarray, shape (n, n)
    labels : ndarray of bool, shape (P, n)
    apart : ndarray of int, shape (n,)
        Only pairs of images with different numbers count. With a number for each image this is equation 3 of Gretton
        2012; with a number for each prompt that has an image in both samples, lemma 6, which needs no independence of
        the two images of a prompt.

    Returns
    -------
    ndarray, shape (P,)
        NaN where a sample has no two images that count.
    """
    counts = (apart[:, None] != apart).astype(np.float64)
    values = labels.astype(np.float64)
    sums, sizes = _by_side(kernel * counts, values), _by_side(counts, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = sums[0] / sizes[0] + sums[1] / sizes[1]
        return np.asarray(np.where(sizes.min(axis=0) > 0, within - 2 * sums[2] / sizes[2], np.nan))


def _by_side(matrix: Float, values: Float) -> Float:
    """Sum a symmetric matrix over pairs: both new, neither, one of each (counted once); shape (3, P)."""
    towards = values @ matrix
    new = (towards * values).sum(axis=1)
    mixed = towards.sum(axis=1) - new
    return np.stack([new, matrix.sum() - new - 2 * mixed, mixed])


def of_all_relabellings(
    traces: Sequence[Trace], kernel: Float, labels: Bools, design: Design
) -> tuple[Float, Float, list[Float]]:
    """Measure every relabelling, some at a time: a small level takes many of them, and memory shall not grow with it.

    Parameters
    ----------
    traces : sequence of Trace
    kernel : ndarray, shape (n, n)
    labels : ndarray of bool, shape (P, n)
        The first are those that were observed.
    design : Design

    Returns
    -------
    shifts : ndarray, shape (families, P)
        Mean difference of held-out scores by each family.
    discrepancy : ndarray, shape (P,)
    scores : list of ndarray, shape (n,)
        Held-out scores of the images as they were observed, by family.
    """
    n_folds = int(design.fold.max()) + 1
    step = max(1, _MOST_NUMBERS // (n_folds * labels.shape[1]))
    shifts, discrepancies, observed = [], [], []
    for start in range(0, len(labels), step):
        part = labels[start : start + step]
        contrasts = Contrasts.of(part, design)
        scores = [held_out_scores(trace, contrasts) for trace in traces]
        shifts.append(np.array([contrasts.between(one) for one in scores]))
        discrepancies.append(mean_discrepancy(kernel, part, design.apart))
        if not start:
            observed = [one[0].copy() for one in scores]
    return np.concatenate(shifts, axis=1), np.concatenate(discrepancies), observed


def standard(values: Float) -> Float:
    """Return a statistic in standard deviations over all relabellings; zeros where it does not vary."""
    spread = values.std()
    if not np.isfinite(values).all() or spread <= 1e-12 * max(1e-300, float(np.abs(values).max())):
        return np.zeros_like(values)
    return np.asarray((values - values.mean()) / spread)


def overall(families: Float, discrepancy: Float) -> tuple[Float, Float]:
    """Combine all tests into one, which was declared before any data were seen.

    Parameters
    ----------
    families : ndarray, shape (families, P)
        Difference of held-out scores by each family, by relabelling.
    discrepancy : ndarray, shape (P,)

    Returns
    -------
    combined : ndarray, shape (P,)
        The sum of three statistics, each in its own standard deviations over the relabellings: all families fused, the
        discrepancy, and the family that shows most. A change that leaves a mark everywhere is seen by the first, one
        that is no shift of means by the second, and one in few measurements by the third. Since every relabelling is
        treated alike, its p-value is exact.
    fused : ndarray, shape (P,)
        The sum of the families, each in its own standard deviations: the classifier's statistic.
    """
    each = np.array([standard(values) for values in families])
    fused = each.sum(axis=0)
    return standard(fused) + standard(discrepancy) + standard(each.max(axis=0)), fused


def p_value(values: Float, observed: int = 0) -> float:
    """Return the share of relabellings whose statistic is at least that of one of them, itself counted."""
    slack = 1e-9 * max(1e-300, float(np.abs(values).max()))
    return float((values >= values[observed] - slack).mean())


def _cell_mean(values: Float, cell: NDArray[np.int64]) -> Float:
    members = np.eye(int(cell.max()) + 1)[cell]
    return np.asarray((values @ members / members.sum(axis=0)) @ members.T)
