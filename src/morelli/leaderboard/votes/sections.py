"""What votes say, as sections of the page: ratings, voters, manipulation, detection."""

from __future__ import annotations

from morelli.leaderboard.votes._detection_section import detection_section
from morelli.leaderboard.votes._manipulation_section import manipulation_section
from morelli.leaderboard.votes._ratings_section import ratings_section, voters_section

__all__ = ["detection_section", "manipulation_section", "ratings_section", "voters_section"]
