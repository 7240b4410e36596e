"""Cost of naming one image, and the cheapest number of references for wanted accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from morelli.errors import MorelliError
from morelli.leaderboard.costs.allocation import Allocation
from morelli.leaderboard.costs.curve import Curve, Needed
from morelli.leaderboard.costs.prices import Prices

__all__ = ["CostResult", "measure_costs"]


@dataclass(frozen=True, slots=True)
class CostResult:
    """Cost against accuracy.

    Attributes
    ----------
    prices : Prices
    models : tuple of str
        Candidates, each of which references are made of.
    judged : float
        Images judged for each prompt, which share the cost.
    curve : Curve or None
        Accuracy by number of references; None: costs only.
    costs : mapping of int to float
        Cost of naming one image by number of references for each candidate.
    needed : mapping of float to Needed
        By wanted accuracy.
    allocations : tuple of Allocation
        Numbers that differ by model, where they were searched for.
    """

    prices: Prices
    models: tuple[str, ...]
    judged: float
    curve: Curve | None
    costs: Mapping[int, float]
    needed: Mapping[float, Needed] = field(default_factory=dict)
    allocations: tuple[Allocation, ...] = ()

    def cost(self, references: int) -> float:
        """Return the cost of naming one image with this number of references for each candidate."""
        return self.prices.cost(references, self.models, self.judged)


def measure_costs(
    prices: Prices,
    *,
    curve: Curve | None = None,
    models: Sequence[str] | None = None,
    wanted: Sequence[float] = (0.9,),
    judged: float = 1.0,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    allocations: Sequence[Allocation] = (),
) -> CostResult:
    """Work out what naming one image costs, and the cheapest number of references for wanted accuracies.

    Parameters
    ----------
    prices : Prices
    curve : Curve, optional
        Measured accuracy; its numbers of references are then those that are costed.
    models : sequence of str, optional
        Candidates; all that have a price by default.
    wanted : sequence of float
        In (0, 1].
    judged : float
        Images judged for each prompt.
    references : sequence of int
        Numbers to cost where there is no curve.
    allocations : sequence of Allocation

    Raises
    ------
    MorelliError
        There is no candidate or one has no price, or numbers make no sense.
    """
    names = tuple(prices.of if models is None else models)
    if not names:
        raise MorelliError("There is no candidate to make references of: list models below [prices].")
    numbers = sorted(set(references)) if curve is None else list(curve.references)
    if not numbers or numbers[0] < 1:
        raise MorelliError("Numbers of references are 1 or more.")
    return CostResult(
        prices=prices,
        models=names,
        judged=judged,
        curve=curve,
        costs={k: prices.cost(k, names, judged) for k in numbers},
        needed={} if curve is None else {share: curve.needed(share) for share in wanted},
        allocations=tuple(allocations),
    )
