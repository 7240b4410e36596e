"""Tests by permutation: is an accuracy above chance, do two matrices agree, is a matrix lopsided."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.metrics._checks import FloatArray, IntArray

__all__ = [
    "Asymmetry",
    "MantelResult",
    "PermutationAccuracy",
    "asymmetry",
    "benjamini_hochberg",
    "mantel",
    "permutation_accuracy",
]

_CHUNK: Final = 4_000_000  # numbers held at once, so that memory stays flat with many permutations
_SLACK: Final = 1e-9
"""Statistics closer than this are ties: the same sum in another order may differ in the last bits."""


@dataclass(frozen=True, slots=True)
class MantelResult:
    """Agreement of two matrices.

    Attributes
    ----------
    r : float or None
        Correlation of the entries off the diagonal; None if those of a matrix are all the same.
    p : float or None
        Share of the relabellings with a correlation as far from zero, or farther; None where `r` is.
    n : int
        Rows of each matrix.
    n_permutations : int
        Relabellings that `p` rests on: all of them where `exact`, and drawn ones otherwise.
    exact : bool
    """

    r: float | None
    p: float | None
    n: int
    n_permutations: int
    exact: bool


@dataclass(frozen=True, slots=True)
class PermutationAccuracy:
    """An accuracy beside what it would be if labels said nothing.

    Attributes
    ----------
    accuracy : float
        In [0, 1].
    p : float or None
        Probability of such an accuracy, or a higher one, under exchangeable labels; None if no permutation changes a
        label.
    null_mean : float
        Mean of the accuracy over all permutations, which is known exactly.
    null_low, null_high : float or None
        Quantiles 0.025 and 0.975 of the accuracy over the drawn permutations; None where `p` is.
    n : int
        Images.
    n_movable : int
        Images in groups with more than one label: only their labels can change.
    n_permutations : int
    """

    accuracy: float
    p: float | None
    null_mean: float
    null_low: float | None
    null_high: float | None
    n: int
    n_movable: int
    n_permutations: int


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """How far a matrix is from its transpose.

    Attributes
    ----------
    mean : float or None
        Mean of ``|A[i, j] - A[j, i]|`` over all pairs; None if no pair is known.
    pair : tuple of int, or None
        The ``(i, j)`` with the largest difference, such that ``A[i, j] >= A[j, i]``; the first of several.
    difference : float or None
        That difference.
    expected : float or None
        What `mean` would be by the noise of the cells alone, if standard errors were given.
    n_pairs : int
        Pairs of which both sides are known.
    """

    mean: float | None
    pair: tuple[int, int] | None
    difference: float | None
    expected: float | None
    n_pairs: int


def mantel(
    a: npt.ArrayLike, b: npt.ArrayLike, n_permutations: int = 9999, seed: int = 0, method: str = "pearson"
) -> MantelResult:
    """Correlate two square matrices over the same things, and test it by relabelling the things (Mantel 1967).

    The entries of a matrix are not independent: all in a row share its thing. So rows and columns of one matrix are
    permuted together. Entries on both sides of the diagonal count, as the matrices need not be symmetric; the diagonal
    does not. The test is two-sided.

    Parameters
    ----------
    a, b : array-like of float, shape (k, k)
        Finite, with the same things in the same order; k >= 3.
    n_permutations : int
        Random relabellings. If all k! are no more than this, all of them are used, and `p` is exact. Otherwise the
        observed order counts as one more (Phipson & Smyth 2010), so that `p` is at least 1 / (n_permutations + 1).
    seed : int
    method : {"pearson", "spearman"}
        Correlation of the values, or of their ranks.

    Returns
    -------
    MantelResult
        With few things `p` cannot be small: 1/6 with three, 1/120 with five.

    Raises
    ------
    MorelliError
        A matrix is not square, the shapes differ, a value is not finite, or the method or number makes no sense.
    NotEnoughDataError
        Fewer than three things.
    """
    first, second = _square(a, "The first matrix"), _square(b, "The second matrix")
    k = len(first)
    if second.shape != first.shape:
        raise MorelliError(f"Both matrices must be over the same things, got {k} and {len(second)} of them.")
    if k < 3:
        raise NotEnoughDataError(f"Two matrices can be compared over three things or more, not over {k}.")
    if method not in ("pearson", "spearman"):
        raise MorelliError(f'The correlation is "pearson" or "spearman", not "{method}".')
    _check_number(n_permutations)
    off = ~np.eye(k, dtype=np.bool_)
    for name, matrix in (("first", first), ("second", second)):
        if not np.isfinite(matrix[off]).all():
            raise MorelliError(f"The {name} matrix has a cell without a value; leave the rows and columns of it out.")
    x, y = _standard(first, off, method), _standard(second, off, method)
    exact = math.factorial(k) <= n_permutations
    drawn = math.factorial(k) if exact else n_permutations
    if x is None or y is None:
        return MantelResult(None, None, k, drawn, exact)
    observed = float((x * y).sum())
    if exact:
        orders = np.array(list(itertools.permutations(range(k))))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(k), (n_permutations, 1)), axis=1)
    as_far, rows = 0, max(1, _CHUNK // (k * k))
    for start in range(0, len(orders), rows):
        order = orders[start : start + rows]
        relabelled = y[order[:, :, None], order[:, None, :]]
        r = relabelled.reshape(len(order), -1) @ x.ravel()
        as_far += int((np.abs(r) >= abs(observed) - _SLACK).sum())
    p = as_far / drawn if exact else (as_far + 1) / (drawn + 1)
    return MantelResult(max(-1.0, min(1.0, observed)), p, k, drawn, exact)


def _standard(matrix: FloatArray, off: npt.NDArray[np.bool_], method: str) -> FloatArray | None:
    """Return the matrix with entries off the diagonal of mean 0 and length 1, and zeros on it; None if all are equal.

    Relabelling moves these entries around and changes neither their mean nor their length, so that a correlation is a
    sum of products.
    """
    values = matrix[off]
    if np.ptp(values) <= 1e-12 * np.abs(values).max(initial=0.0):
        return None
    values = rankdata(values) if method == "spearman" else values
    centred = values - values.mean()
    standard = np.zeros_like(matrix)
    standard[off] = centred / np.linalg.norm(centred)
    return standard


def permutation_accuracy(
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    n_permutations: int = 9999,
    seed: int = 0,
) -> PermutationAccuracy:
    """Test whether answers are right more often than labels without meaning would make them.

    Labels are permuted among the images and the answers stay. With groups, labels are permuted within each: where every
    prompt exists in every language, all images of a prompt are exchangeable if the language leaves no trace, while
    images of different prompts are not alike anyway (restricted permutation: Edgington & Onghena 2007; Anderson & ter
    Braak 2003).

    The answers must be for images that the classifier did not see, and not on the strength of their groups either.
    Answers from cross-validation over folds of whole groups do, with one reservation: an image's label has a part in
    how the other folds are judged, which this test, that does not fit again for each permutation, ignores.

    Parameters
    ----------
    labels : array-like of str or int, shape (n,)
    predicted : array-like of the same kind, shape (n,)
        May hold names that are no label.
    groups : array-like of str or int, shape (n,), optional
    n_permutations : int
    seed : int

    Returns
    -------
    PermutationAccuracy
        `p` counts the observed order as one more permutation, so that it is at least 1 / (n_permutations + 1).

    Raises
    ------
    MorelliError
        The vectors differ in length, or the number of permutations is not positive.
    NotEnoughDataError
        There is no image.
    """
    truth, answer, group = _coded(labels, predicted, groups)
    _check_number(n_permutations)
    n = len(truth)
    order = np.argsort(group, kind="stable")
    truth, answer, group = truth[order], answer[order], group[order]
    right = int((truth == answer).sum())
    n_codes, n_groups = int(max(truth.max(), answer.max())) + 1, int(group[-1]) + 1
    held = np.zeros((n_groups, n_codes))
    np.add.at(held, (group, truth), 1.0)
    sizes = held.sum(axis=1)
    null_mean = float((held[group, answer] / sizes[group]).sum() / n)
    n_movable = int(sizes[(held > 0).sum(axis=1) > 1].sum())
    if n_movable == 0:
        return PermutationAccuracy(right / n, None, null_mean, None, None, n, 0, n_permutations)
    rng = np.random.default_rng(seed)
    counts = np.empty(n_permutations, dtype=np.int64)
    rows = max(1, _CHUNK // n)
    for start in range(0, n_permutations, rows):
        stop = min(start + rows, n_permutations)
        # Sorted by group and then by chance, images stay within the places of their group.
        places = np.argsort(group + rng.random((stop - start, n)), axis=1)
        counts[start:stop] = (truth[places] == answer).sum(axis=1)
    p = (int((counts >= right).sum()) + 1) / (n_permutations + 1)
    low, high = np.quantile(counts / n, [0.025, 0.975])
    return PermutationAccuracy(right / n, p, null_mean, float(low), float(high), n, n_movable, n_permutations)


def _coded(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, groups: npt.ArrayLike | None
) -> tuple[IntArray, IntArray, IntArray]:
    """Return labels and answers by numbers that mean the same name in both, and groups by numbers from 0."""
    truth, answer = _named(labels), _named(predicted)
    group = np.zeros(truth.shape, dtype=np.int64) if groups is None else _named(groups)
    if truth.ndim != 1 or answer.shape != truth.shape or group.shape != truth.shape:
        raise MorelliError(
            f"Labels {truth.shape}, answers {answer.shape} and groups {group.shape} must be vectors of one length."
        )
    if truth.size == 0:
        raise NotEnoughDataError("There is no image to test the accuracy of.")
    if (truth.dtype.kind in "US") != (answer.dtype.kind in "US"):
        raise MorelliError("Labels and answers must both be names, or both be numbers.")
    _, codes = np.unique(np.concatenate([truth, answer]), return_inverse=True)
    _, member = np.unique(group, return_inverse=True)
    return codes[: truth.size].astype(np.int64), codes[truth.size :].astype(np.int64), member.astype(np.int64)


def _named(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of names or numbers, which can be sorted."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        if not all(isinstance(value, str) for value in array.ravel()):
            raise MorelliError("Labels, answers and groups must be known for every image; leave the others out.")
        array = array.astype(np.str_)
    return array


def asymmetry(matrix: npt.ArrayLike, standard_errors: npt.ArrayLike | None = None) -> Asymmetry:
    """Say how far a train x test matrix is from symmetric.

    Noise alone makes the two sides of a pair differ, and a mean of absolute differences is never negative. With the
    cells' standard errors, the mean of it under noise alone is given beside: of a difference with standard deviation s
    it is ``s * sqrt(2 / pi)``. That takes cells as independent; those of one test domain share its images, so that it
    says what to expect, and is no test.

    Parameters
    ----------
    matrix : array-like of float, shape (k, k)
        NaN where a cell is not known: its pair is left out. k >= 2.
    standard_errors : array-like of float, shape (k, k), optional
        Of the same unit.

    Returns
    -------
    Asymmetry

    Raises
    ------
    MorelliError
        A matrix is not square, or the shapes differ.
    NotEnoughDataError
        Fewer than two rows.
    """
    values = _square(matrix, "The matrix")
    if len(values) < 2:
        raise NotEnoughDataError("A matrix of one cell has no pairs to compare.")
    differences = values - values.T
    i, j = np.triu_indices(len(values), 1)
    known = np.isfinite(differences[i, j])
    i, j = i[known], j[known]
    if not len(i):
        return Asymmetry(None, None, None, None, 0)
    between = differences[i, j]
    largest = int(np.abs(between).argmax())
    pair = (int(i[largest]), int(j[largest]))
    expected = None
    if standard_errors is not None:
        errors = _square(standard_errors, "The matrix of standard errors")
        if errors.shape != values.shape:
            raise MorelliError(f"Standard errors {errors.shape} do not fit a matrix {values.shape}.")
        spread = np.hypot(errors[i, j], errors[j, i])
        expected = float(np.sqrt(2.0 / np.pi) * spread.mean()) if np.isfinite(spread).all() else None
    return Asymmetry(
        mean=float(np.abs(between).mean()),
        pair=pair if between[largest] >= 0 else (pair[1], pair[0]),
        difference=float(abs(between[largest])),
        expected=expected,
        n_pairs=len(i),
    )


def benjamini_hochberg(p: npt.ArrayLike) -> FloatArray:
    """Adjust p-values of several tests for the false discovery rate (Benjamini & Hochberg 1995).

    Calling significant what is adjusted to at most q keeps the expected share of false calls among the calls at q, for
    tests that are independent or positively dependent.

    Parameters
    ----------
    p : array-like of float, shape (m,)
        In [0, 1].

    Returns
    -------
    ndarray of float64, shape (m,)
        In the same order, in [0, 1], not below `p`.

    Raises
    ------
    MorelliError
        It is no vector, or a value is not in [0, 1].

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all():
        raise MorelliError("P-values to be adjusted must be a vector of numbers in [0, 1].")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty_like(values)
    # Rounding may leave p * m / m a last bit below p.
    adjusted[order] = np.maximum(values[order], np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def _square(matrix: npt.ArrayLike, name: str) -> FloatArray:
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise MorelliError(f"{name} must be square, got the shape {values.shape}.")
    return values


def _check_number(n_permutations: int) -> None:
    if n_permutations < 1:
        raise MorelliError(f"A test by permutation needs one permutation or more, not {n_permutations}.")
