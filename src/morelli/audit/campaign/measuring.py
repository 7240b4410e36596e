"""The claim tested, the set unmixed, the unknown grouped: from arrays to statements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle
from morelli.audit._holm import holm
from morelli.audit.campaign.gathered import Gathered, commonest_first
from morelli.audit.campaign.statements import CONSISTENT, INCONSISTENT, UNDECIDED, Claim, Mixture, Part, Share
from morelli.audit.consistency import Consistency, test_consistency
from morelli.audit.mixture import UNKNOWN, estimate_mixtures, roll_up_shares
from morelli.audit.mixture import Mixture as Estimate
from morelli.audit.mixture.estimating import RolledUp

__all__ = ["BLIND", "MIXTURE_FROM", "MOST_PARTS", "Measure"]

BLIND: Final = 0.5
"""A set in which not even so large a share of foreign images would be noticed says nothing for its claim."""

MIXTURE_FROM: Final = 30
"""Fewest images of a part whose mixture is estimated: intervals of fewer span almost everything."""

UNTOLD: Final = 0.5
"""Where the interval of the share of unknown sources is wider, that share is left out, and the note says so."""

MOST_PARTS: Final = 100
"""Parts of one column that are tested, the largest; a test draws thousands of sets."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """What turns images of a campaign into statements.

    Attributes
    ----------
    bundle : Bundle
    claimed : tuple of str
        Candidates of the bundle.
    real : tuple of str
        Candidates that stand for real photographs.
    level : float
    n_draws : int
        Of the test.
    seed : int
    """

    bundle: Bundle
    claimed: tuple[str, ...]
    real: tuple[str, ...] = ()
    level: float = 0.05
    n_draws: int = 2000
    seed: int = 0
    _codes: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        codes = np.array([self.bundle.classes.index(name) for name in self.claimed], dtype=np.int64)
        object.__setattr__(self, "_codes", codes)

    def claim(
        self, gathered: Gathered, rows: NDArray[np.intp] | None = None, *, unreadable: int
    ) -> tuple[Claim, Consistency | None]:
        """Test whether images are consistent with the claim.

        Parameters
        ----------
        gathered : Gathered
        rows : ndarray of int, optional
            Of the images; all by default.
        unreadable : int
            Files beside them that could not be judged.
        """
        words, p = _taken(gathered, rows)
        if not len(p):
            reason = "no image could be judged" if unreadable else "there is no image"
            return Claim(self.claimed, UNDECIDED, reason, 0, None, None, self.level), None
        rehearsal = self.bundle.attributor.rehearsal
        found = test_consistency(
            words, p, self._codes.tolist(), rehearsal, level=self.level, n_draws=self.n_draws, seed=self.seed
        )
        outcome, why = _outcome(found, len(p), unreadable)
        low, high = found.share_interval
        claim = Claim(
            self.claimed,
            outcome,
            why,
            len(p),
            float(found.statistic),
            float(found.p_value),
            self.level,
            float(found.share_estimate),
            float(low),
            float(high),
            None if found.smallest_detectable is None else float(found.smallest_detectable),
        )
        return claim, found

    def mixture(self, gathered: Gathered, rows: NDArray[np.intp] | None = None) -> Mixture | None:
        """Estimate what images are mixed of; None where there are none."""
        words, p = _taken(gathered, rows)
        if not len(p):
            return None
        found, known_only = estimate_mixtures(words, p, self.bundle.attributor.rehearsal, seed=self.seed)
        low, high = float(found.lower[-1]), float(found.upper[-1])
        told = high - low <= UNTOLD
        notes = found.notes
        if not told:
            found = known_only
            span = f"{100 * low:.0f} to {100 * high:.0f} in 100"
            notes = (*found.notes, f"How much none of the candidates made cannot be told from these images ({span}); "
                     "shares are among the candidates given.")  # fmt: skip
        lineages = (*self.bundle.lineages, None)
        shares = [
            replace(share, lineage=lineage, claimed=share.name in self.claimed, real=share.name in self.real)
            for share, lineage in zip(_shares((*self.bundle.classes, UNKNOWN), found), lineages, strict=True)
            if told or share.name != UNKNOWN
        ]
        rolled: list[Share] = []
        if any(name is not None for name in self.bundle.lineages):
            over = roll_up_shares(found, self.bundle.lineages)
            rolled = [share for share in _shares(over.names, over) if told or share.name != UNKNOWN]
        return Mixture(len(p), _largest_first(shares), _largest_first(rolled), self._real(found), notes)

    def parts(self, gathered: Gathered, column: str) -> tuple[Part, ...]:
        """Test every part of a column, correct for their number, and unmix those with enough images.

        Parts come by name; of more than `MOST_PARTS` the largest are tested.
        """
        names, codes = gathered.part_names[column], gathered.part_of[column]
        sizes = np.bincount(codes, minlength=len(names))
        kept = sorted(np.argsort(-sizes, kind="stable")[:MOST_PARTS].tolist(), key=lambda k: names[k])
        rows = [gathered.rows_of(column, k) for k in kept]
        lost = [int((gathered.image_of[codes == k] < 0).sum()) for k in kept]
        # The smallest p-value that so many draws can give has to stay below the level after correction.
        finer = replace(self, n_draws=max(self.n_draws, math.ceil(2 * len(kept) / self.level)))
        claims = [finer.claim(gathered, own, unreadable=n)[0] for own, n in zip(rows, lost, strict=True)]
        tested = [i for i, claim in enumerate(claims) if claim.p_value is not None]
        corrected = dict(zip(tested, holm([float(claims[i].p_value or 0.0) for i in tested]).tolist(), strict=True))
        return tuple(
            Part(
                column,
                names[k],
                int(sizes[k]),
                lost[i],
                _corrected(claims[i], corrected.get(i)),
                corrected.get(i),
                _decisions(gathered, rows[i]),
                self.mixture(gathered, rows[i]) if len(rows[i]) >= MIXTURE_FROM else None,
            )
            for i, k in enumerate(kept)
        )

    def _real(self, found: Estimate) -> Share | None:
        """Return the share of the candidates that stand for real photographs, together."""
        if not self.real:
            return None
        over = roll_up_shares(found, ["real" if name in self.real else "other" for name in self.bundle.classes])
        (share,) = (share for share in _shares(over.names, over) if share.name == "real")
        return replace(share, name="real photographs", real=True)


def _taken(gathered: Gathered, rows: NDArray[np.intp] | None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    if rows is None:
        return gathered.log_proba, gathered.open_set_p
    return gathered.log_proba[rows], gathered.open_set_p[rows]


def _outcome(found: Consistency, n: int, unreadable: int) -> tuple[str, str | None]:
    """Return what a test came to, and why where it cannot be told."""
    if not found.consistent:
        return INCONSISTENT, None
    detectable = found.smallest_detectable
    if detectable is None or detectable > BLIND:
        images = f"{n} image is" if n == 1 else f"{n} images are"
        return UNDECIDED, f"{images} too few, so that even if most of them came from elsewhere it would hardly show"
    if unreadable > n:
        return UNDECIDED, f"more files could not be judged ({unreadable}) than could ({n})"
    return CONSISTENT, None


def _corrected(claim: Claim, p: float | None) -> Claim:
    """Return a claim about a part after correction for the number of parts."""
    if p is None or claim.outcome != INCONSISTENT or p <= claim.level:
        return claim
    reason = "it stands out by itself, but no more than one of so many parts may by chance"
    return replace(claim, outcome=UNDECIDED, reason=reason)


def _decisions(gathered: Gathered, rows: NDArray[np.intp]) -> dict[str, int]:
    codes, counts = np.unique(gathered.decision[rows], return_counts=True)
    return commonest_first({gathered.decision_names[k]: int(n) for k, n in zip(codes, counts, strict=True)})


def _largest_first(shares: Sequence[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda one: (-one.share, one.name)))


def _shares(names: Sequence[str], found: Estimate | RolledUp) -> list[Share]:
    values = zip(names, found.shares, found.lower, found.upper, strict=True)
    return [Share(name, float(share), float(low), float(high)) for name, share, low, high in values]
