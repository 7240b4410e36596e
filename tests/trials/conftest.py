from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _small import Small, build_small
from morelli.trials import Predictions
from morelli.trials.runner import Outcome

from ._running import run, sample_trials


def build(n: int = 12, k: int = 3, seed: int = 0, **changes: Any) -> Predictions:
    """Make small valid predictions; `changes` replace whole fields."""
    rng = np.random.default_rng(seed)
    classes = tuple(f"m{i}" for i in range(k))
    proba = rng.dirichlet(np.ones(k), n).reshape(n, k)
    llr = rng.standard_normal((n, k))
    values: dict[str, Any] = {
        "classes": classes,
        "lineages": tuple("even" if i % 2 == 0 else None for i in range(k)),
        "image_id": [f"{i:064x}" for i in range(n)],
        "uri": [f"{i}.png" for i in range(n)],
        "label": [classes[i] for i in rng.integers(0, k, n)],
        "group": np.arange(n) // 2,
        "proba": proba,
        "prediction_set": proba > 0.2,
        "open_set_p": rng.random(n),
        "decision": ["attributed"] * n,
        "evidence": {"residual": llr - llr.mean(axis=1, keepdims=True)},
        "family_proba": {"residual": rng.dirichlet(np.ones(k), n).reshape(n, k)},
        "without_family": {"residual": rng.dirichlet(np.ones(k), n).reshape(n, k)},
        "error": [None] * n,
        "judged_as": [None] * n,
        "prompt_known": True,
    }
    return Predictions(**(values | changes))


@pytest.fixture
def make() -> Callable[..., Predictions]:
    return build


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """4 models x 12 photographs, measured on demand and once."""
    return build_small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def done(small, tmp_path_factory) -> tuple[Path, list[Outcome]]:
    """Three folds of two attributors, judged in two views."""
    folder = tmp_path_factory.mktemp("parts")
    return folder, run(small, sample_trials(), folder)
