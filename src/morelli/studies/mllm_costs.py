"""What asking costs, before and after: questions, tokens and money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.mllm.candidates import LineUp
from morelli.attributors.mllm.evaluators import Evaluator
from morelli.attributors.mllm.question import Question, size_of
from morelli.attributors.mllm.settings import Endpoint
from morelli.studies.study import Frame
from morelli.trials.cells import Cell
from morelli.trials.plan import Planned

__all__ = ["Spent", "forecast_lines", "money_words", "spent_in"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What the answers of a cell took, whenever they were asked for.

    Attributes
    ----------
    requests, tokens_in, tokens_out, images : float
        Answers that came, and what was read and written for them.
    unreported : float
        Answers whose tokens the endpoint did not count; they are in none of the sums.
    money : float or None
        At the evaluator's prices; None for what runs here.
    """

    requests: float
    tokens_in: float
    tokens_out: float
    images: float
    unreported: float
    money: float | None


def spent_in(cell: Cell, evaluator: Evaluator) -> Spent:
    """Add up what the trials of a cell took."""
    total = {"requests": 0.0, "tokens_in": 0.0, "tokens_out": 0.0, "images": 0.0, "unreported": 0.0}
    for outcome in cell.outcomes:
        for name, value in outcome.spent.items():
            total[name] += value
    prices = evaluator.prices
    money = None if prices is None else prices.of(total["tokens_in"], total["tokens_out"], total["images"])
    return Spent(**total, money=money)


def forecast_lines(evaluators: Sequence[Evaluator], frame: Frame, todo: Sequence[Planned]) -> list[str]:
    """Say how many questions the trials ask at most, and what they may take; answers that are kept cost nothing."""
    labels = frame.catalog.text(frame.label)
    lines = []
    for who in evaluators:
        own = [one for one in todo if one.trial.cell.get("evaluator") == who.name]
        questions = sum(len(one.test) for one in own)
        line = f"{who.name}: {questions:,} questions at most; those that were answered before cost nothing"
        if isinstance(who.who, Endpoint) and questions:
            sizes = [(len(one.test), size_of(_example(one, labels), who.who)) for one in own]
            tokens_in = sum(n * size.tokens_in for n, size in sizes)
            images = sum(n * size.images for n, size in sizes)
            tokens_out = questions * who.who.answer_tokens
            line += f". Estimate: {images:,} images, {tokens_in:,} tokens read, {tokens_out:,} written at most"
            prices = who.prices
            if prices is not None and prices.of(1e6, 1e6, 1e6) > 0.0:
                line += f", {money_words(prices.of(tokens_in, tokens_out, images))} in money"
            if who.who.budget is not None:
                line += f" (budget {money_words(who.who.budget)})"
        lines.append(f"{line}.")
    return lines


def money_words(money: float) -> str:
    """Return money with two decimals, or as many digits as small sums need.

    >>> [money_words(x) for x in (12.3456, 0.5, 0.00123)]
    ['12.35', '0.50', '0.0012']
    """
    return f"{money:.2f}" if money >= 0.1 or money == 0.0 else f"{money:.2g}"


def _example(one: Planned, labels: NDArray[np.object_]) -> Question:
    """Return a question as the trial asks it, with black images."""
    black = np.zeros((1, 1, 3), dtype=np.uint8)
    shots = int(one.trial.options["shots"])
    held = Counter(str(label) for label in labels[one.train])
    exemplars = [[black] * min(shots, held[name]) for name in sorted(held)]
    line_up = LineUp(sorted(held), exemplars, names_shown=one.trial.options["names"] == "shown", seed=0)
    return line_up.question(black).question
