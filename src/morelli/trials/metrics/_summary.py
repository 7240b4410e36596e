"""From a table of predictions to the numbers of the report."""

from __future__ import annotations

import numpy as np

from morelli.errors import MorelliError
from morelli.trials.metrics import _bootstrap, _calibration, _classification, _conformal, _openset, _selective
from morelli.trials.metrics._checks import BoolArray, FloatArray, IntArray, none_for_nan
from morelli.trials.metrics._records import (
    SCHEMA_VERSION,
    ClassMetrics,
    DecisionMetrics,
    FamilyMetrics,
    Metrics,
    OpenSetMetrics,
    ReliabilityBin,
)
from morelli.trials.predictions import DECISIONS, Predictions

__all__ = ["summarise"]

_LEVEL = 0.95


def summarise(
    predictions: Predictions,
    nuisance: float | None = None,
    seed: int = 0,
    *,
    n_boot: int = 2000,
    target_coverage: float | None = None,
) -> Metrics:
    """Measure predictions.

    Parameters
    ----------
    predictions : Predictions
    nuisance : float or None
        Accuracy of a classifier that sees only the container, in [0, 1]; None if it was not measured.
    seed : int
        Of the bootstrap.
    n_boot : int
        Resamples of the bootstrap.
    target_coverage : float or None
        What the conformal sets promise, in (0, 1); only to be shown beside what they held.

    Returns
    -------
    Metrics
        Defined for every input: with no row to measure the shares are None and the counts say why.

    Raises
    ------
    MorelliError
        If `nuisance` or `target_coverage` is no share.
    """
    for name, share in (("nuisance", nuisance), ("target_coverage", target_coverage)):
        if share is not None and not 0.0 <= share <= 1.0:
            raise MorelliError(f"{name} is a share between 0 and 1, got {share}.")
    known = predictions.known
    y, sets, groups = predictions.y[known], predictions.prediction_set[known], predictions.group[known]
    correct = predictions.top[known] == y
    n, k = len(y), len(predictions.classes)
    # What was not answered has no probabilities. It counts as not right, and as least sure.
    answered = predictions.answered[known]
    share = float(answered.mean()) if n else float("nan")
    named, proba = y[answered], predictions.proba[known][answered]
    confidence = np.where(answered, predictions.confidence[known], 0.0).clip(0.0, 1.0)
    right, sure = correct[answered], confidence[answered]

    accuracy = none_for_nan(float(correct.mean())) if n else None
    low, high = _bootstrap.cluster_bootstrap_interval(correct, groups, n_boot, seed, _LEVEL)
    curve = _calibration.reliability_curve(right, sure)
    lineage_index = _classification.lineage_rollup(proba[:0], predictions.lineages)[1]
    lineage_size = np.bincount(lineage_index)[lineage_index]
    confusion = _classification.confusion_matrix(named, predictions.top[known][answered], k)
    return Metrics(
        schema_version=SCHEMA_VERSION,
        n_rows=len(predictions),
        n=n,
        n_unreadable=int((~predictions.readable).sum()),
        n_unknown=int(predictions.unknown.sum()),
        n_unlabelled=int((predictions.readable & ~predictions.labelled).sum()),
        n_unanswered=int((~answered).sum()),
        n_classes=k,
        n_lineages=int(lineage_index.max()) + 1,
        n_clusters=len(np.unique(groups)),
        prompt_known=predictions.prompt_known,
        seed=seed,
        n_boot=n_boot,
        level=_LEVEL,
        chance=1.0 / k,
        majority=float(np.bincount(y).max() / n) if n else None,
        accuracy=accuracy,
        accuracy_low=none_for_nan(low),
        accuracy_high=none_for_nan(high),
        accuracy_answered=float(right.mean()) if len(right) else None,
        nuisance=nuisance,
        lift=None if accuracy is None or nuisance is None else accuracy - nuisance,
        top3=_of_all(_classification.top_k_accuracy(named, proba, 3), share),
        lineage_accuracy=_of_all(_classification.lineage_accuracy(named, proba, predictions.lineages), share),
        lineage_chance=float(lineage_size[y].mean() / k) if n else None,
        ece=none_for_nan(_calibration.expected_calibration_error(right, sure)),
        ece_mass=none_for_nan(_calibration.expected_calibration_error(right, sure, binning="mass")),
        brier=none_for_nan(_calibration.brier_score(named, proba)),
        log_loss=none_for_nan(_calibration.log_loss(named, proba)),
        mean_confidence=float(sure.mean()) if len(sure) else None,
        coverage=none_for_nan(_conformal.set_coverage(y, sets)),
        target_coverage=target_coverage,
        mean_set_size=none_for_nan(_conformal.mean_set_size(sets[answered])),
        aurc=none_for_nan(_selective.aurc(correct, confidence)),
        risk_at_half=none_for_nan(_selective.risk_at_coverage(correct, confidence, 0.5)),
        risk_curve=_risk_curve(correct, confidence),
        reliability=_reliability_bins(curve),
        decisions=_decisions(predictions),
        per_class=_per_class(predictions, confusion, y, sets, answered),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        families=tuple(_family(predictions, family, correct, n_boot, seed) for family in predictions.families),
        open_set=_open_set(predictions),
    )


def _of_all(share_right: float, share_answered: float) -> float | None:
    """Return the share that is right of all images, where it is known of those that were answered."""
    if np.isnan(share_right):
        return 0.0 if share_answered == 0.0 else None
    return share_right * share_answered


def _risk_curve(correct: BoolArray, confidence: FloatArray) -> tuple[tuple[float, float], ...]:
    if correct.size == 0:
        return ()
    steps = [step / 20 for step in range(1, 21)]
    return tuple((step, _selective.risk_at_coverage(correct, confidence, step)) for step in steps)


def _reliability_bins(curve: _calibration.ReliabilityCurve) -> tuple[ReliabilityBin, ...]:
    return tuple(
        ReliabilityBin(
            left=float(curve.edges[b]),
            right=float(curve.edges[b + 1]),
            n=int(curve.count[b]),
            confidence=none_for_nan(curve.confidence[b]),
            accuracy=none_for_nan(curve.accuracy[b]),
        )
        for b in range(len(curve.count))
    )


def _decisions(predictions: Predictions) -> tuple[DecisionMetrics, ...]:
    """Count each decision; conflicts and missing answers are listed only where they occur."""
    rows = []
    right = (predictions.top == predictions.y) & predictions.known
    in_set = np.zeros(len(predictions), dtype=np.bool_)
    in_set[predictions.known] = predictions.prediction_set[predictions.known, predictions.y[predictions.known]]
    for decision in DECISIONS:
        mask = predictions.decision == decision
        if decision in ("conflict", "unanswered") and not mask.any():
            continue
        known, unknown = mask & predictions.known, mask & predictions.unknown
        judged = known | unknown
        rows.append(
            DecisionMetrics(
                decision=decision,
                n=int(mask.sum()),
                share=float(mask.mean()) if len(mask) else 0.0,
                n_known=int(known.sum()),
                n_unknown=int(unknown.sum()),
                accuracy=float(right[judged].mean()) if judged.any() else None,
                set_coverage=float(in_set[known].mean()) if known.any() else None,
            )
        )
    return tuple(rows)


def _per_class(
    predictions: Predictions, confusion: IntArray, y: IntArray, sets: BoolArray, answered: BoolArray
) -> tuple[ClassMetrics, ...]:
    scores = _classification.per_class(confusion, np.bincount(y, minlength=len(confusion)))
    coverage = _conformal.class_coverage(y, sets)
    size = _conformal.class_set_size(y[answered], sets[answered])
    wrong = confusion - np.diag(np.diag(confusion))
    rows = []
    for i, model in enumerate(predictions.classes):
        other = int(wrong[i].argmax())
        confused = int(wrong[i, other]) > 0
        rows.append(
            ClassMetrics(
                model=model,
                lineage=predictions.lineages[i],
                support=int(scores.support[i]),
                predicted=int(scores.predicted[i]),
                precision=none_for_nan(scores.precision[i]),
                recall=none_for_nan(scores.recall[i]),
                f1=none_for_nan(scores.f1[i]),
                coverage=none_for_nan(coverage[i]),
                set_size=none_for_nan(size[i]),
                confused_with=predictions.classes[other] if confused else None,
                confused_share=float(wrong[i, other] / scores.support[i]) if confused else None,
            )
        )
    return tuple(rows)


def _family(predictions: Predictions, family: str, correct: BoolArray, n_boot: int, seed: int) -> FamilyMetrics:
    """Measure one family on the known images for which it has a posterior."""
    known = predictions.known
    y, groups = predictions.y[known], predictions.group[known]
    accuracy = low = high = without = drop = drop_low = drop_high = None
    n = 0
    if family in predictions.family_proba:
        alone = predictions.family_proba[family][known]
        rows = ~np.isnan(alone).any(axis=1)
        hit = alone[rows].argmax(axis=1) == y[rows]
        n = len(hit)
        accuracy = float(hit.mean()) if n else None
        low, high = map(none_for_nan, _bootstrap.cluster_bootstrap_interval(hit, groups[rows], n_boot, seed, _LEVEL))
    if family in predictions.without_family:
        rest = predictions.without_family[family][known]
        rows = ~np.isnan(rest).any(axis=1)
        hit = rest[rows].argmax(axis=1) == y[rows]
        if len(hit):
            without = float(hit.mean())
            drop = float(correct[rows].mean()) - without
        interval = _bootstrap.cluster_bootstrap_difference(correct[rows], hit, groups[rows], n_boot, seed, _LEVEL)
        drop_low, drop_high = map(none_for_nan, interval)
    return FamilyMetrics(family, n, accuracy, low, high, without, drop, drop_low, drop_high)


def _open_set(predictions: Predictions) -> OpenSetMetrics | None:
    """Measure the open set where the labels name models outside the candidates; None where there is none."""
    known, unknown = predictions.known, predictions.unknown
    if not unknown.any():
        return None
    score = predictions.open_set_p
    has_score = ~np.isnan(score)
    inside, outside = known & has_score, unknown & has_score
    right = predictions.top[inside] == predictions.y[inside]
    flagged = predictions.decision == "unknown"
    return OpenSetMetrics(
        n_known=int(inside.sum()),
        n_unknown=int(outside.sum()),
        unknown_models=len(set(predictions.label[unknown])),
        auroc=none_for_nan(_openset.auroc(score[inside], score[outside])),
        fpr_at_95_tpr=none_for_nan(_openset.fpr_at_tpr(score[inside], score[outside])),
        oscr=none_for_nan(_openset.oscr(score[inside], right, score[outside])),
        unknown_flagged=float(flagged[unknown].mean()),
        known_flagged=float(flagged[known].mean()) if known.any() else None,
    )
