"""Defences of a leaderboard: what hides the models, what attackers who know it make of it, and what it costs."""

from __future__ import annotations

from morelli.leaderboard.defence import pixels  # noqa: F401 -- registers its defences
from morelli.leaderboard.defence.choosing import least_exposed, nearest_to_the_middle, prompt_exposure
from morelli.leaderboard.defence.container import ContainerResult, evaluate_container, strip_catalog, strip_image
from morelli.leaderboard.defence.defending import Defended, defend
from morelli.leaderboard.defence.evaluation import PURIFYING_VIEWS, evaluate_defence
from morelli.leaderboard.defence.measuring import Measurer
from morelli.leaderboard.defence.perturbed import perturb_catalog
from morelli.leaderboard.defence.perturbing import Perturbing, perturb_images, perturbation
from morelli.leaderboard.defence.quality import gmsd, psnr, ssim
from morelli.leaderboard.defence.registry import Defence, get_defence, list_defences, register_defence
from morelli.leaderboard.defence.results import DefenceResult, Encounter, ImageQuality, Score, judge_defence
from morelli.leaderboard.defence.sample import Sample, deal_images
from morelli.leaderboard.defence.section import defence_section
from morelli.leaderboard.defence.surrogates import SurrogateEncoder, check_held_out, held_out, shared_tensors

__all__ = [
    "PURIFYING_VIEWS",
    "ContainerResult",
    "Defence",
    "DefenceResult",
    "Defended",
    "Encounter",
    "ImageQuality",
    "Measurer",
    "Perturbing",
    "Sample",
    "Score",
    "SurrogateEncoder",
    "check_held_out",
    "deal_images",
    "defence_section",
    "defend",
    "evaluate_container",
    "evaluate_defence",
    "get_defence",
    "gmsd",
    "held_out",
    "judge_defence",
    "least_exposed",
    "list_defences",
    "nearest_to_the_middle",
    "perturb_catalog",
    "perturb_images",
    "perturbation",
    "prompt_exposure",
    "psnr",
    "register_defence",
    "shared_tensors",
    "ssim",
    "strip_catalog",
    "strip_image",
]
