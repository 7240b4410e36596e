"""Multimodal language models as attributors: through any endpoint that speaks OpenAI's chat API, or in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morelli.attributors.mllm.asking import Asker, RemoteAsker
from morelli.attributors.mllm.estimator import MultimodalAttributor
from morelli.attributors.mllm.local import LocalAsker, conditions_of, weights_of
from morelli.attributors.mllm.settings import AskSettings, Endpoint, LocalModel, deciding, split_settings
from morelli.attributors.registry import Blocks, register_attributor

__all__ = ["AskSettings", "Asker", "Endpoint", "LocalAsker", "LocalModel", "MultimodalAttributor", "RemoteAsker"]

_UNIFIED = "Cekinmez et al. 2026, Guess the unified model"
_REMOTE, _LOCAL = "The attributor mllm", "The attributor mllm-local"


def _remote_deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    return deciding(Endpoint, options, _REMOTE)


def _remote_whom(options: Mapping[str, Any]) -> Endpoint:
    return split_settings(Endpoint, options, _REMOTE)[0]


def _local_deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    found = deciding(LocalModel, options, _LOCAL)
    local, _ = split_settings(LocalModel, options, _LOCAL)
    return {**found, "weights": weights_of(local.model), **conditions_of(local)}


@register_attributor(
    "mllm",
    summary="A multimodal model behind an endpoint, asked.",
    source=_UNIFIED,
    encoder="thumbnail-512",
    n_folds=None,
    pixels=True,
    asks=True,
    deciding=_remote_deciding,
    whom=_remote_whom,
)
def _remote(blocks: Blocks, *, seed: int, level: float, **options: Any) -> MultimodalAttributor:
    endpoint, asked = split_settings(Endpoint, options, _REMOTE)
    return _made(RemoteAsker(endpoint, asked), asked, seed, level)


@register_attributor(
    "mllm-local",
    summary="A multimodal model in this process, asked.",
    source=_UNIFIED,
    encoder="thumbnail-512",
    n_folds=None,
    pixels=True,
    asks=True,
    deciding=_local_deciding,
)
def _local(blocks: Blocks, *, seed: int, level: float, **options: Any) -> MultimodalAttributor:
    local, asked = split_settings(LocalModel, options, _LOCAL)
    return _made(LocalAsker(local, asked), asked, seed, level)


def _made(asker: Asker, asked: AskSettings, seed: int, level: float) -> MultimodalAttributor:
    return MultimodalAttributor(
        asker,
        shots=asked.shots,
        names_shown=asked.names == "shown",
        doubt=asked.doubt,
        level=level,
        random_state=seed,
    )
