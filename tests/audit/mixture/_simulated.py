"""Answers of an attributor whose law is known: Gaussian classes in a plane, so that posteriors are exact."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from morelli.attributors.rehearsal import Rehearsal


class World:
    """K candidates, and H models that are none, by their means."""

    def __init__(self, k: int = 4, distance: float = 2.0, hidden: int = 6, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        angle = 2 * np.pi * np.arange(k) / k
        self.k = k
        self.means = distance * np.column_stack([np.cos(angle), np.sin(angle)])
        # Strangers lie far from all candidates in a third direction, which the p-value sees.
        self.hidden = rng.normal(size=(hidden, 2))

    def answers(self, points):
        squares = ((points[:, None] - self.means) ** 2).sum(axis=-1)
        return log_softmax(-squares / 2, axis=1)

    def draw(self, codes, rng):
        """Return log-probabilities and p-values for images of candidates."""
        points = self.means[codes] + rng.normal(size=(len(codes), 2))
        return self.answers(points), rng.uniform(1e-3, 1, len(codes))

    def draw_hidden(self, codes, rng):
        points = self.hidden[codes] + rng.normal(size=(len(codes), 2))
        return self.answers(points), rng.beta(0.2, 1, len(codes)).clip(1e-3, 1)

    def rehearsal(self, each=20, seed=1, hidden=True):
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(self.k), each)
        groups = np.tile(np.arange(each), self.k)
        words, p = self.draw(codes, rng)
        h = np.arange(self.k).repeat(each) if hidden else np.empty(0, dtype=np.int64)
        hidden_words, hidden_p = self.draw_hidden(h % len(self.hidden), rng)
        if len(h):
            hidden_words[np.arange(len(h)), h] = np.nan
            hidden_words -= np.log(np.nansum(np.exp(hidden_words), axis=1, keepdims=True))
        return Rehearsal(
            words,
            codes,
            groups,
            p,
            hidden_words.reshape(-1, self.k),
            h,
            np.tile(np.arange(each), self.k)[: len(h)],
            hidden_p,
        )
