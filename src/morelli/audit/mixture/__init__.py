"""What share of a set each candidate made, and how far that can be told."""

from __future__ import annotations

from morelli.audit.mixture.adjusting import adjusted_shares, response_matrix
from morelli.audit.mixture.em import em_shares
from morelli.audit.mixture.estimating import UNKNOWN, Mixture, estimate_mixture, estimate_mixtures, roll_up_shares
from morelli.audit.mixture.strangers import StrangerScale

__all__ = [
    "UNKNOWN",
    "Mixture",
    "StrangerScale",
    "adjusted_shares",
    "em_shares",
    "estimate_mixture",
    "estimate_mixtures",
    "response_matrix",
    "roll_up_shares",
]
