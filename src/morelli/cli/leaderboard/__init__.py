"""``morelli leaderboard``."""
