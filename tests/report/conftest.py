"""Synthetic predictions that look like a real trial: relatives are confused, some rows are unreadable or foreign."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from morelli.trials import Predictions

FAMILIES = ("residual", "spectrum", "block-dct", "autocorrelation", "sharpness", "colour", "layout")
STRENGTH = (2.2, 1.9, 2.3, 1.7, 1.1, 0.6, 0.35)


def softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def synthesise(
    n: int = 600,
    n_classes: int = 40,
    n_lineages: int = 12,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    lineages: Sequence[str | None] | None = None,
    uris: Sequence[str] | None = None,
    truth: Sequence[int] | None = None,
    prompts: Sequence[int] | None = None,
    unknown: float = 0.06,
    unreadable: float = 0.01,
    skill: float = 1.0,
) -> Predictions:
    """Draw predictions of a plausible attributor; every argument only shapes the draw."""
    rng = np.random.default_rng(seed)
    k = n_classes
    names = tuple(names) if names is not None else tuple(f"studio-{i % 5}/model-{i:02d}" for i in range(k))
    families_of = rng.integers(0, n_lineages, k)
    lineages = tuple(lineages) if lineages is not None else tuple(f"Lineage{j}" for j in families_of)
    y = np.asarray(truth) if truth is not None else rng.integers(0, k, n)
    group = np.asarray(prompts) if prompts is not None else rng.integers(0, max(2, n // 40), n)
    related = np.array([[a is not None and a == b for b in lineages] for a in lineages], float)
    ease = rng.gamma(4.0, 0.25, n) * skill
    is_unknown = rng.random(n) < unknown
    error = np.array([None] * n, dtype=object)
    error[rng.random(n) < unreadable] = "truncated.jpg: the file ends before the picture does"
    ok = np.array([e is None for e in error])
    ease[is_unknown] *= 0.35

    evidence, family_proba = {}, {}
    for family, strength in zip(FAMILIES, STRENGTH, strict=True):
        pull = 0.62 * np.eye(k)[y] + 0.38 * related[y]
        llr = strength * 1.5 * ease[:, None] * pull + 0.75 * rng.standard_normal((n, k))
        llr -= llr.mean(axis=1, keepdims=True)
        llr[~ok] = np.nan
        evidence[family] = llr
        family_proba[family] = softmax(llr)
    total = sum(evidence.values())
    proba = softmax(0.8 * total)
    without = {family: softmax(0.8 * (total - block)) for family, block in evidence.items()}

    filled = np.where(np.isnan(proba), 0.0, proba)
    order = np.argsort(-filled, axis=1)
    cumulative = np.cumsum(np.take_along_axis(filled, order, axis=1), axis=1)
    inside = np.concatenate([np.ones((n, 1), bool), cumulative[:, :-1] < 0.88], axis=1)
    sets = np.zeros((n, k), bool)
    np.put_along_axis(sets, order, inside, axis=1)
    sets[~ok] = False
    p = np.where(is_unknown, rng.beta(0.7, 3.0, n), rng.random(n))
    p[~ok] = np.nan
    decision = np.where(sets.sum(axis=1) == 1, "attributed", "ambiguous").astype(object)
    decision[p < 0.05] = "unknown"
    decision[~ok] = "unreadable"
    label = np.array([f"unseen-{i % 3}" if u else names[i] for i, u in zip(y, is_unknown, strict=True)], dtype=object)
    return Predictions(
        classes=names,
        lineages=lineages,
        image_id=np.array([f"{i:064x}" for i in range(n)], dtype=object),
        uri=np.array(list(uris) if uris is not None else [f"nowhere/{i:04d}.jpg" for i in range(n)], dtype=object),
        label=label,
        group=group,
        proba=proba,
        prediction_set=sets,
        open_set_p=p,
        decision=decision,
        evidence=evidence,
        family_proba=family_proba,
        without_family=without,
        error=error,
        judged_as=[None] * n,
        prompt_known=True,
    )


@pytest.fixture(scope="session")
def make_predictions() -> Callable[..., Predictions]:
    return synthesise
