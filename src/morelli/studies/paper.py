"""Figures that the studies' papers report, to stand beside ours; every one is marked as the paper's."""

from __future__ import annotations

from typing import Final

__all__ = ["CORRUPTION", "DOMAINS", "LANGUAGE", "MIXED_DOMAINS", "MLLM", "SCALING", "STRUCTURE", "UNIFIED"]

UNIFIED: Final = "Cekinmez, Mitsuhashi, Wu and Yin, Guess the Unified Model, arXiv 2605.25254 (2026)"
"""Which unified multimodal model generated an image; ConvNeXt-Tiny from scratch on 224 x 224 pixels."""

SCALING: Final = {100: 0.36, 500: 0.598, 3000: 0.939, 25000: 0.999}
"""Five models, images per model -> accuracy; 5,000 test images per model, the same prompts for all."""

CORRUPTION: Final = {
    "none": (0.999, 0.999),
    "jitter": (0.94, 0.95),
    "noise": (0.95, 0.96),
    "blur": (0.987, 0.994),
    "resize": (0.852, 0.966),
}
"""Five models, corruption of training and test images alike -> accuracy at two strengths, the lower first."""

STRUCTURE: Final = {"none": 0.999, "depth": 0.832, "segmentation": 0.792, "pixel-shuffle": 0.727}
"""Five models, probe -> accuracy, trained and tested on the transformed image."""

DOMAINS: Final = {("buildings", "buildings"): 0.711, ("people", "people"): 0.723, ("vehicles", "vehicles"): 0.641,
                  ("vehicles", "foods and drinks"): 0.244, ("foods and drinks", "vehicles"): 0.391}  # fmt: skip
"""Seven models, (trained on, tested on) -> accuracy; 200 training and 100 test images per model."""

MIXED_DOMAINS: Final = 0.467
"""Mean over domains of a classifier trained on all domains mixed, with as many images."""

LANGUAGE: Final = {"BAGEL": 0.212, "Emu3.5": 0.219, "Janus-Pro-7B": 0.529, "MMaDA": 0.342, "Show-o2": 0.540,
                   "Gemini 2.5 Flash Image": 0.201, "GPT-Image-1": 0.219}  # fmt: skip
"""Model -> accuracy of telling five prompt languages by its images; chance 0.2."""

MLLM: Final = {"first": {0: 0.288, 1: 0.5, 5: 0.5}, "second": {0: 0.214, 1: 0.5, 5: 0.5}}
"""Two frontier multimodal models, exemplars of each of five models -> accuracy; 1,000 images per model and setting.
With exemplars the paper says "about 50%, no more", for both and from one to five."""
