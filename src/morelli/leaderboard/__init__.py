"""The leaderboard desk: how anonymous a leaderboard is, and what would help.

Attack, exposure, defence and votes. The method and its figures are those of Naseh et al. 2026, "Identifying models
behind text-to-image leaderboards" (arXiv 2601.09647), unless something else is said.
"""
