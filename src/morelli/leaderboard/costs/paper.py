"""The paper's two costs of naming one image, and assumptions under which the calculator gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from morelli.leaderboard.costs.prices import Prices

__all__ = ["RECONSTRUCTIONS", "Reconstruction"]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Assumptions of ours under which a figure of the paper comes out; it does not state its own.

    Attributes
    ----------
    version : str
        Of the paper.
    stated : float
        Dollars for one image, as the paper has it.
    models : int
        As the paper has it.
    priced : int
        Models that cost something; the others are open weights on one's own machine.
    price : float
        Dollars for one image by each of them.
    references : int
        For each model.
    why : str
        What speaks for it.
    """

    version: str
    stated: float
    models: int
    priced: int
    price: float
    references: int
    why: str

    @property
    def prices(self) -> Prices:
        """The assumed prices."""
        of = {f"api-{i:02d}": self.price for i in range(1, self.priced + 1)}
        of |= {f"open-{i:02d}": 0.0 for i in range(1, self.models - self.priced + 1)}
        return Prices(of, note="reconstruction by Morelli's authors")

    @property
    def cost(self) -> float:
        """What the calculator makes of them, for one image judged with its own references."""
        return self.prices.cost(self.references)


RECONSTRUCTIONS: Final = (
    Reconstruction(
        "v1", 1.08, 19, 18, 0.01, 6,
        "the price list of the other figure, of which 1.08 is a fifth: 6 references instead of 30",
    ),
    Reconstruction(
        "v1", 1.08, 19, 18, 0.002, 30,
        "30 references, as the paper's data set has, at a fifth of the other figure's price",
    ),
    Reconstruction("CVPR", 5.40, 22, 18, 0.01, 30, "30 references, as the paper states, at one cent for an image"),
)  # fmt: skip
"""The first and the third share one price list, which `EXAMPLE_PRICES` holds."""
