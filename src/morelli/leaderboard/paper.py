"""Figures of the leaderboard study, to stand beside ours; every one is marked as the paper's."""

from __future__ import annotations

from typing import Final

__all__ = ["LEADERBOARDS", "TOPS"]

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
