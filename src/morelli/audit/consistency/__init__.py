"""Whether a set is consistent with the generators that are claimed for it."""

from __future__ import annotations

from morelli.audit.consistency.suspicion import SuspicionScale
from morelli.audit.consistency.testing import Consistency, test_consistency

__all__ = ["Consistency", "SuspicionScale", "test_consistency"]
