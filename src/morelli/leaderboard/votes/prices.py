"""What a manipulated vote costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from morelli.errors import MorelliError

__all__ = ["Price"]


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of references and of accounts.

    Both images of a battle answer the same prompt, so that the references that name one name the other: they are made
    once for each battle that is looked at, whether a vote follows or not.

    Attributes
    ----------
    dollars_per_image : float
        Price of one reference image, at least 0, as a mean over the models.
    references : int
        References of each model for a prompt.
    candidates : int
        Models that references are made of.
    dollars_per_account : float
        Price of an account that votes.
    votes_per_account : int
        Votes that it casts.

    Raises
    ------
    MorelliError
        A price or a number is out of range.
    """

    dollars_per_image: float = 0.0
    references: int = 1
    candidates: int = 1
    dollars_per_account: float = 0.0
    votes_per_account: int = 50

    def __post_init__(self) -> None:
        if not 0.0 <= self.dollars_per_image < float("inf") or not 0.0 <= self.dollars_per_account < float("inf"):
            raise MorelliError("Prices are dollars of at least 0.")
        if min(self.references, self.candidates, self.votes_per_account) < 1:
            raise MorelliError("References, candidates and votes of an account are at least 1.")

    @property
    def dollars_per_battle(self) -> float:
        """Price of naming the two images of a battle."""
        return self.dollars_per_image * self.references * self.candidates

    def accounts(self, votes: float) -> int:
        """Return how many accounts cast so many votes."""
        return ceil(votes / self.votes_per_account)

    def dollars(self, battles: float, votes: float) -> float:
        """Return the price of looking at `battles` battles and voting in `votes` of them.

        Examples
        --------
        >>> Price(0.05, references=5, candidates=4, dollars_per_account=2, votes_per_account=10).dollars(100, 30)
        106.0
        """
        return battles * self.dollars_per_battle + self.accounts(votes) * self.dollars_per_account
