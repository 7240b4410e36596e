"""``morelli leaderboard``: commands for those who run a leaderboard, and for those who test one."""
