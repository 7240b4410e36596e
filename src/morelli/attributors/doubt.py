r"""A temperature and a share of doubt: how sure an answer is, and how often it is worth nothing at all.

One temperature serves two ends at once. Images that an attributor gets badly wrong, a subject that it never saw, a
picture that is mostly black, pull it up, and with it fall the probabilities of all the images that it judges well.
A share of doubt, spread evenly over the candidates, takes the first kind upon itself:

.. math:: p(k \mid z) = (1 - \varepsilon) \, \mathrm{softmax}(z / T)_k + \varepsilon / K

This is the likelihood with a uniform outlier component of robust classification, with the share learned (Ghosh, Kumar
and Sastry 2017, "Robust loss functions under label noise for deep neural networks", AAAI, for why a bounded loss does
not follow outliers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit

from morelli.attributors._checks import FloatArray
from morelli.attributors.calibration import (
    MOST_DOUBT,
    BiasCorrectedTemperature,
    CalibrationProblem,
    SoftmaxCalibrator,
)

__all__ = ["DoubtedBiases", "DoubtedTemperature", "best_temperature"]

STARTS = (0.003, 0.03, 0.2)
"""Shares of doubt that the search starts from."""

N_STARTS = 9
"""Temperatures that are tried for each of them, from the best without doubt to the lowest that is allowed."""


class _Doubted(SoftmaxCalibrator):
    """What calibrators with a share of doubt have in common."""

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`; ValueError if the state cannot be right."""
        new = super().from_dict(state)
        if not new.doubt > 0:
            raise ValueError(f"the stored {cls.name} calibrator is damaged: doubt {new.doubt}")
        return new

    def _nll(self, problem: CalibrationProblem, beta: float, bias: FloatArray) -> float:
        return _loss(problem, beta, self.doubt, bias)[0]


class DoubtedTemperature(_Doubted):
    r"""One temperature for all classes, and a share of doubt.

    Both minimise the weighted negative log-likelihood together. The temperature is bounded as in
    :class:`TemperatureCalibrator`. The doubt has a least value, see :attr:`CalibrationProblem.least_doubt`, so that no
    number of families agreeing makes an answer surer than the references can bear out.

    Attributes
    ----------
    doubt : float
        Share that is spread evenly over the classes, at most `MOST_DOUBT`.
    temperature, bias, at_bound, n, n_classes, nll_before, nll
        As in :class:`TemperatureCalibrator`.
    """

    name = "doubted-temperature"

    def _solve(self, problem: CalibrationProblem) -> tuple[float, FloatArray, bool]:
        least = problem.least_doubt
        flat = np.zeros(problem.z.shape[1])
        alone, at_bound = problem.solve_temperature()
        if not problem.z.any():
            self.doubt = least
            return alone, flat, at_bound
        # A few images judged wrongly and with much confidence are enough to make the best temperature without doubt
        # boundless, so that the search must not start there alone.
        low, high = float(np.log(alone)), float(np.log(problem.highest))
        bounds = [(low - 3.0, high), (float(logit(least)), float(logit(MOST_DOUBT)))]

        def objective(theta: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = _loss(problem, float(np.exp(theta[0])), float(expit(theta[1])))
            return value, gradient[:2]

        found = []
        for share in STARTS:
            start = float(np.clip(share, least, MOST_DOUBT))
            sharp = min(np.linspace(low, high, N_STARTS), key=lambda at: _loss(problem, float(np.exp(at)), start)[0])
            best = minimize(
                objective,
                [sharp, float(logit(start))],
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 500, "ftol": 1e-14, "gtol": 1e-9},
            )
            found.append((float(best.fun), float(best.x[0]), float(best.x[1])))
        _, log_beta, odds = min(found)
        self.doubt = float(np.clip(expit(odds), least, MOST_DOUBT))
        return float(np.exp(log_beta)), flat, log_beta in bounds[0]


class DoubtedBiases(_Doubted, BiasCorrectedTemperature):
    r"""One temperature, a bias for each class held by a ridge, and a share of doubt.

    ``p(k | z) = (1 - doubt) softmax(z / T + b)_k + doubt / K``; the penalty on the biases is that of
    :class:`BiasCorrectedTemperature`. The search starts from the best temperature and doubt without biases.

    Attributes
    ----------
    doubt : float
        As in :class:`DoubtedTemperature`.
    bias, temperature, at_bound, n, n_classes, nll_before, nll
        As in :class:`BiasCorrectedTemperature`.
    """

    name = "doubted-biases"

    def _solve(self, problem: CalibrationProblem) -> tuple[float, FloatArray, bool]:
        plain = DoubtedTemperature(class_balanced=self.class_balanced, least_error=self.least_error)
        start, flat, at_bound = plain._solve(problem)
        self.doubt = plain.doubt
        if not problem.z.any():
            return start, flat, at_bound
        penalty = self.ridge / problem.n_effective
        present = np.bincount(problem.labels, minlength=len(flat)) > 0

        def objective(theta: FloatArray) -> tuple[float, FloatArray]:
            bias = theta[2:]
            value, gradient = _loss(problem, float(np.exp(theta[0])), float(expit(theta[1])), bias)
            gradient[2:] += penalty * bias
            return value + penalty / 2 * float(bias @ bias), gradient

        low, high = float(np.log(start)) - 3.0, float(np.log(problem.highest))
        bounds: list[tuple[float | None, float | None]] = [
            (low, high),
            (float(logit(problem.least_doubt)), float(logit(MOST_DOUBT))),
        ]
        bounds += [(None, None) if here else (0.0, 0.0) for here in present]
        first = np.concatenate(([np.log(start), logit(self.doubt)], flat))
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-14, "gtol": 1e-8, "maxcor": 30}
        best = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        self.doubt = float(np.clip(expit(best.x[1]), problem.least_doubt, MOST_DOUBT))
        return float(np.exp(best.x[0])), np.asarray(best.x[2:], dtype=np.float64), float(best.x[0]) in (low, high)


def best_temperature(problem: CalibrationProblem, doubt: float) -> float:
    """Return the temperature that suits logits best at a given share of doubt."""
    if not problem.z.any():
        return 1.0

    def loss(log_beta: float) -> float:
        return _loss(problem, float(np.exp(log_beta)), doubt)[0]

    low, high = float(np.log(problem.solve_temperature()[0])) - 3.0, float(np.log(problem.highest))
    tried = np.linspace(low, high, 4 * N_STARTS)
    place = int(np.argmin([loss(at) for at in tried]))
    around = float(tried[max(place - 1, 0)]), float(tried[min(place + 1, len(tried) - 1)])
    best = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-4})
    return float(problem.scale / np.exp(best.x))


def _loss(
    problem: CalibrationProblem, beta: float, doubt: float, bias: FloatArray | float = 0.0
) -> tuple[float, FloatArray]:
    """Return the mean negative log-likelihood, and its derivatives in log(beta), logit(doubt) and the biases."""
    z, labels, w, rows = problem.z, problem.labels, problem.weights, np.arange(len(problem.z))
    share = np.exp(log_softmax(beta * z + bias, axis=1))
    k = z.shape[1]
    true = share[rows, labels]
    p = (1 - doubt) * true + doubt / k
    # How much of an image is explained by what was measured, and not by doubt.
    heard = w * (1 - doubt) * true / p
    in_beta = -beta * (heard @ (z[rows, labels] - np.einsum("ij,ij->i", share, z)))
    in_doubt = -doubt * (1 - doubt) * (w @ ((1 / k - true) / p))
    in_bias = heard @ share - np.bincount(labels, heard, minlength=k)
    return float(-w @ np.log(p)), np.concatenate(([in_beta, in_doubt], in_bias))
