"""Probabilities of candidates from the log-probabilities of the token that names one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.mllm.reply import Alternatives, Reply

__all__ = ["letter_probabilities", "stated_probabilities"]

Float = NDArray[np.float64]

_LEAST = 1e-9
"""Probability of a candidate for which nothing is left."""


def letter_probabilities(reply: Reply, codes: str, answer: str) -> Float | None:
    """Return the probability of each letter, given that it is one of them; shape (K,).

    An endpoint gives a few alternatives of every token. At the token that holds the answer, those that are another
    letter in its place have what the endpoint says; those that are not among them share what is left evenly, and none
    gets more than the least probable that is.

    Parameters
    ----------
    reply : Reply
    codes : str
        The letters, each a candidate.
    answer : str
        The letter that was answered.

    Returns
    -------
    ndarray or None
        None where the endpoint gave no log-probabilities, the token cannot be found in them, or by them another letter
        is more probable than the one that was answered: then they do not say how sure the answer is.
    """
    found = _token_of(reply, answer)
    if found is None:
        return None
    token, before, after = found
    seen = dict.fromkeys(codes, 0.0)
    total = 0.0
    for text, value in token.others:
        share = float(np.exp(min(value, 0.0)))
        total += share
        code = text.removeprefix(before)[:1]
        if code in seen and text in (f"{before}{code}{after}", f"{before}{code}"):
            seen[code] += share
    values = np.array([seen[code] for code in codes])
    if values[codes.index(answer)] <= 0.0 or values.max() > values[codes.index(answer)]:
        return None
    missing = values == 0.0
    if missing.any():
        left = max(0.0, 1.0 - total) / int(missing.sum())
        values[missing] = max(min(left, float(values[~missing].min())), _LEAST)
    return np.asarray(values / values.sum(), dtype=np.float64)


def stated_probabilities(k: int, answer: int, doubt: float) -> Float:
    """Return probabilities where an answer is all there is: `doubt` is spread evenly, the answer has the rest."""
    values = np.full(k, doubt / k)
    values[answer] += 1.0 - doubt
    return values


def _token_of(reply: Reply, answer: str) -> tuple[Alternatives, str, str] | None:
    """Return the token that holds the answer, and what it holds before and after it."""
    text = reply.text or ""
    if not reply.tokens or "".join(token.token for token in reply.tokens) != text:
        return None
    # The answer is the last string of an object with one key, whatever stands around it.
    place = text.rfind(f'"{answer}"') + 1
    if place == 0:
        return None
    start = 0
    for token in reply.tokens:
        end = start + len(token.token)
        if start <= place < end:
            return token, token.token[: place - start], token.token[place - start + 1 :]
        start = end
    return None
