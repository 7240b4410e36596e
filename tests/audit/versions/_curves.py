"""Learning curves of candidates whose errors are known to fall as a power of the number of references."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, norm

from morelli.audit.versions import Curve


def planted(
    seed: int,
    k: int = 20,
    prompts: int = 12,
    b: float = 0.4,
    lost: float | np.ndarray = 0.4,
    shares: tuple[float, ...] = (0.5, 0.7, 1.0),
) -> tuple[Curve, np.ndarray]:
    """Return a curve, and the error of each candidate at its end.

    An image is right where its own difficulty is below the error; the probability of its truth has mean 1 - error.
    """
    rng = np.random.default_rng(seed)
    known = np.array(shares) * prompts
    end = np.broadcast_to(np.asarray(lost, dtype=float), (k,))
    codes, groups = np.repeat(np.arange(k), prompts), np.tile(np.arange(prompts), k)
    hard = rng.standard_normal(k * prompts)
    truth, named = [], []
    for n in known:
        error = np.minimum(end * (n / known[-1]) ** -b, 0.98)[codes]
        seen = norm.cdf((hard + 0.4 * rng.standard_normal(len(hard))) / np.sqrt(1.16))
        truth.append(beta.ppf(seen, 1.5 * (1 - error), 1.5 * error))
        named.append(np.where(norm.cdf(hard) > error, codes, (codes + 1) % k))
    return Curve(codes, groups, np.array(truth), np.array(named), np.repeat(known[:, None], k, axis=1)), end
