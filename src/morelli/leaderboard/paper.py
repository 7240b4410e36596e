"""Figures of the leaderboard study, to stand beside ours; every one is marked as the paper's."""

from __future__ import annotations

from typing import Final

__all__ = ["BY_CANDIDATES", "BY_REFERENCES", "LEADERBOARDS", "ONE_AGAINST_REST", "ONE_CLASS", "TOPS"]

LEADERBOARDS: Final = "Naseh et al., Identifying models behind text-to-image leaderboards, arXiv 2601.09647 (2026)"
"""22 models, 280 prompts, 30 images of each; LAION's ViT on the whole image."""

TOPS: Final = {
    "prompt-centroid": (0.9086, 0.9614, 0.9750),
    "marra": (0.2440, 0.3120, 0.3650),
    "dzanic": (0.1179, 0.2157, 0.2843),
    "resnet50": (0.5486, 0.6700, 0.7286),
    "prompt-mlp": (0.4300, 0.5586, 0.6336),
    "prompt-mlp:text": (0.4250, 0.5771, 0.6550),
}
"""Attributor of ours that does what theirs does -> right within the first, the first two and the first three."""

BY_REFERENCES: Final = {1: 0.62, 30: 0.9086}
"""Of the nearest centroid: references of each model and prompt -> right; that of 1 is "about"."""

BY_CANDIDATES: Final = {5: 0.9664, 10: 0.9507, 15: 0.9386, 22: 0.9086}
"""Of the nearest centroid with 30 references: candidates -> right."""

ONE_AGAINST_REST: Final = 0.9916
"""Accuracy of one model against the rest with all of 22 models accessible, 30 references."""

ONE_CLASS: Final = ((0.80, 0.926, 0.928), (0.95, 0.841, 0.916))
"""The same with only the target accessible: alpha, accuracy, AUC."""
