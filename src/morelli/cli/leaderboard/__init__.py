"""``morelli leaderboard``: how anonymous a leaderboard is, and what would help."""
