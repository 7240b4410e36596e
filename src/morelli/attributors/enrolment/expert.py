"""A new candidate in one fitted attributor, whose other parts stay as they are.

A fitted discriminant holds directions in which the known models differ, in units of how images vary within one of
them. A new model gets its mean in those directions, shrunk as far as it could be chance. What it is worth is read off
its own references, each judged by means that have not seen its prompt.

Two things set a newcomer apart from candidates that took part in the fit. Its own directions are missing where no two
of the others differ. And its mean is honest: the others' stand where their own references were, farther out than new
images of theirs will, so that without more ado a newcomer would claim too much. Its bias is therefore set so that its
own references are named right as often as the others' are, out of fold.

With the measured references of the others at hand, discriminants are fitted anew instead; weights of families,
temperature and what makes images strange stay as they are, which is nearly all that takes long. There a newcomer with
as many references as the others needs no bias. With fewer its mean stands out farther by chance, and it would be named
too rarely: it gets the share of the bias by which its references are fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from morelli.attributors.answers import Training
from morelli.attributors.calibrator_choice import CalibratorChoice
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.discriminant import Discriminant
from morelli.attributors.doubt import DoubtedBiases
from morelli.attributors.enrolment.ordering import class_order, reordered
from morelli.attributors.fused import FusedAttributor
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.rehearsal import Rehearsal, joint_p
from morelli.attributors.rejection import Rejector
from morelli.attributors.sighting import Sighting, see

__all__ = ["MIN_IMAGES", "MODES", "Enrolled", "Make", "enrol_in_expert"]

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Make = Callable[[NDArray[np.intp]], Mapping[str, Discriminant]]
"""Gives the discriminants of all candidates, the newcomer's from some of its references."""

MIN_IMAGES = 3
"""Fewest references of a newcomer, as for a candidate of a fit."""

MODES = ("new", "add", "replace")
"""A model that was no candidate; more references of one that is; other references for one that is."""

_LEAST_RECALL, _MOST_RECALL = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What is known of a newcomer, each reference judged without its prompt.

    Attributes
    ----------
    n_images, n_prompts : int
    recall : float
        Share of its references that were named right.
    bias : float
        That the newcomer was given, in nats.
    leak_free : bool
        Whether it has references of two prompts.
    """

    n_images: int
    n_prompts: int
    recall: float
    bias: float
    leak_free: bool


def enrol_in_expert(
    expert: FusedAttributor,
    name: str,
    X: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    mode: str = "new",
    make: Make | None = None,
    n_folds: int | None = None,
) -> tuple[FusedAttributor, Enrolled]:
    """Give an attributor a candidate, or a candidate other references.

    Parameters
    ----------
    expert : FusedAttributor
        Is left as it is.
    name : str
    X : ndarray, shape (n, d)
        Measured references of the candidate.
    groups : ndarray of int, shape (n,)
        Their prompts.
    mode : {"new", "add", "replace"}, default "new"
    make : callable, optional
        Fits discriminants anew; the newcomer is the last class, or keeps its place. By default its means are added to
        the discriminants that there are.
    n_folds : int, optional
        Folds of prompts for judging the references; by default one for each prompt.

    Returns
    -------
    FusedAttributor
    Enrolled
    """
    new = FusedAttributor.from_parts(*expert.to_parts())
    k_old = len(expert.classes_)
    known = name in expert.classes_
    place = int(np.searchsorted(expert.classes_, name)) if known else k_old
    k = max(k_old, place + 1)
    values = np.asarray(X, dtype=np.float64)
    blocks = expert.named_blocks(values.shape[1])
    alone = make is None
    make = make or _means(expert, values, blocks, place, mode, name)
    fold = _folds(groups, n_folds)

    parts, rows = [], []
    for number in range(int(fold.max()) + 1):
        mine, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        parts.append(see(make(others), blocks, values[mine]))
        rows.append(mine)
    seen = Sighting.concat(parts).take(np.argsort(np.concatenate(rows)))
    new.discriminants_ = dict(make(np.arange(len(values))))

    fused = np.tensordot(np.array(list(expert.weights_.values())), seen.log_likelihood, axes=1)
    bias = 0.0
    if mode != "add":
        usual = float(np.median(list(expert.training_.n_images.values())))
        share = 1.0 if alone else max(0.0, 1 - len(np.unique(groups)) / usual)
        bias = share * _bias(expert, fused, place)
    new.calibration_ = _calibration(expert.calibration_, place, k, bias if mode != "add" else None)
    log_proba = new.calibration_.as_learned.transform(fused)

    strangeness, rejector = _strangeness(expert, seen, fold, place, mode)
    outlying = np.asarray(seen.outlyingness).mean(axis=0)
    p = joint_p(expert.open_set_.p_values(strangeness), expert.outlying_.p_values(outlying))
    new.rejector_ = rejector
    rehearsal, kept = _rehearsal(expert.rehearsal_, log_proba, groups, p, place, k, mode)
    new.rehearsal_ = rehearsal
    new.open_set_ = _more(expert.open_set_, strangeness, kept)
    new.outlying_ = _more(expert.outlying_, outlying, kept)
    settings = expert.conformal_
    new.conformal_ = SplitConformal(
        settings.method, settings.level, settings.class_conditional, allow_empty=settings.allow_empty,
        include_last=settings.include_last,
    ).fit(np.exp(rehearsal.log_proba - _log_sum(rehearsal.log_proba)), rehearsal.codes)  # fmt: skip

    recall = float((log_proba.argmax(axis=1) == place).mean())
    n_prompts = len(np.unique(groups))
    new.training_ = _training(expert.training_, rehearsal, name, len(values), n_prompts, mode)
    new.classes_ = np.append(expert.classes_, name) if not known else expert.classes_.copy()
    result = reordered(new, class_order(new.classes_))
    return result, Enrolled(len(values), n_prompts, recall, bias, n_prompts > 1)


def _folds(groups: NDArray[np.integer], n_folds: int | None) -> Ints:
    """Return a fold for each image: of whole prompts, or of images where there is only one prompt."""
    codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    if codes.max() == 0:
        codes = np.arange(len(codes))
    return codes if n_folds is None else np.asarray(codes % min(n_folds, int(codes.max()) + 1), dtype=np.int64)


def _means(expert: FusedAttributor, X: Float, blocks: Mapping[str, slice], place: int, mode: str, name: str) -> Make:
    """Return what adds the mean of some rows to every discriminant."""
    coordinates = {family: expert.discriminants_[family].coordinates(X[:, block]) for family, block in blocks.items()}
    n_old = expert.training_.n_images.get(name, 0)

    def make(rows: NDArray[np.intp]) -> dict[str, Discriminant]:
        made = {}
        for family, discriminant in expert.discriminants_.items():
            own = coordinates[family][rows]
            if mode == "add":
                mean = (n_old * discriminant.means[place] + own.sum(axis=0)) / (n_old + len(own))
            else:
                mean = _shrunk(own, discriminant)
            means = np.insert(discriminant.means, place, mean, axis=0) if mode == "new" else discriminant.means.copy()
            means[place] = mean
            made[family] = replace(discriminant, means=np.ascontiguousarray(means))
        return made

    return make


def _shrunk(own: Float, discriminant: Discriminant) -> Float:
    """Return the mean of rows, shrunk towards the common one as far as it could be chance, direction by direction.

    As in the fit: by the spread of classes, which is what shrunk means spread and what is left uncertain in them.
    """
    between = np.maximum((discriminant.means**2).mean(axis=0) + discriminant.variance - 1, 1e-9)
    noise = max(1.0, float(own.var(axis=0, ddof=1).mean())) if len(own) > 1 else 1.0
    return np.asarray(own.mean(axis=0) * between / (between + noise / len(own)))


def _bias(expert: FusedAttributor, fused: Float, place: int) -> float:
    """Return the bias at which a newcomer's references are named right as often as others' are, out of fold.

    The references' margins are taken as normal, since so few of them have no quantile to speak of.
    """
    rehearsal = expert.rehearsal_
    right = rehearsal.log_proba.argmax(axis=1) == rehearsal.codes
    counts = np.bincount(rehearsal.codes, minlength=rehearsal.n_classes)
    shares = np.bincount(rehearsal.codes, weights=right, minlength=rehearsal.n_classes)[counts > 0] / counts[counts > 0]
    recall = float(np.clip(shares.mean(), _LEAST_RECALL, _MOST_RECALL))
    calibrator = expert.calibration_.as_learned
    scores = fused / calibrator.temperature
    others = np.delete(scores, place, axis=1)
    margins = scores[:, place] - (others + np.delete(_padded(calibrator.bias, place, fused.shape[1]), place)).max(
        axis=1
    )
    spread = float(margins.std(ddof=1)) if len(margins) > 1 else 0.0
    return float(norm.ppf(recall)) * spread - float(margins.mean())


def _padded(bias: Float, place: int, k: int) -> Float:
    return bias if len(bias) == k else np.insert(bias, place, 0.0)


def _calibration(choice: CalibratorChoice, place: int, k: int, bias: float | None) -> CalibratorChoice:
    """Return the calibration for k candidates; None leaves the bias as it is."""
    state = choice.calibrator.to_dict()
    values = _padded(np.array(state["bias"]), place, k)
    if bias is not None:
        values[place] = bias
    state |= {"bias": values.tolist(), "n_classes": k, "name": DoubtedBiases.name, "ridge": state.get("ridge", 1.0)}
    calibrator = DoubtedBiases.from_dict(state)
    reason = choice.reason if bias is None else f"{choice.reason}; a candidate was enrolled since"
    return replace(choice, calibrator=calibrator, name=calibrator.name, reason=reason)


def _strangeness(expert: FusedAttributor, seen: Sighting, fold: Ints, place: int, mode: str) -> tuple[Float, Rejector]:
    """Return how strange the references look, each to what has not seen its prompt, and the rejector for all."""
    rejector, k_old = expert.rejector_, len(expert.classes_)
    frame = rejector.frame
    if frame.profile is None:
        return rejector.strangeness(seen), rejector
    columns = frame.columns
    if mode == "new":
        columns = np.arange(k_old) if columns is None else columns
    profile = frame.profile
    at = replace(frame, columns=columns).at(seen)
    n_old = int((expert.rehearsal_.codes == place).sum())

    def with_mean(rows: NDArray[np.intp]) -> Rejector:
        mean = _shrunk(at[rows], profile)
        if mode == "new":
            means = np.insert(profile.means, place, mean, axis=0)
        else:
            means = profile.means.copy()
            share = len(rows) / (len(rows) + n_old) if mode == "add" else 1.0
            means[place] = (1 - share) * means[place] + share * mean
        made = replace(profile, means=np.ascontiguousarray(means))
        return replace(rejector, frame=replace(frame, profile=made, columns=columns))

    strangeness = np.empty(len(fold))
    for number in range(int(fold.max()) + 1):
        mine = np.flatnonzero(fold == number)
        strangeness[mine] = with_mean(np.flatnonzero(fold != number)).strangeness(seen.take(mine))
    return strangeness, with_mean(np.arange(len(fold)))


def _rehearsal(
    old: Rehearsal, log_proba: Float, groups: NDArray[np.integer], p: Float, place: int, k: int, mode: str
) -> tuple[Rehearsal, NDArray[np.bool_]]:
    """Return the rehearsal with the newcomer's references behind the others, and which of the old ones are kept."""
    kept = old.codes != place if mode == "replace" else np.ones(len(old.codes), dtype=np.bool_)
    hidden = old.hidden_codes != place if mode == "replace" else np.ones(len(old.hidden_codes), dtype=np.bool_)
    words, unseen = old.log_proba, old.hidden_log_proba
    if mode == "new":
        # What others' images would give to the newcomer was not seen: as much is taken to go there as comes from it.
        share = float(np.clip((1 - np.exp(log_proba[:, place]).mean()) / old.n_classes, 1e-6, 0.5))
        words = np.insert(words + np.log1p(-share), place, np.log(share), axis=1)
        unseen = np.insert(unseen, place, np.nan, axis=1)
    own = np.unique(groups, return_inverse=True)[1] + int(old.groups.max()) + 1
    made = Rehearsal(
        np.concatenate([words[kept], log_proba]),
        np.concatenate([old.codes[kept], np.full(len(log_proba), place)]),
        np.concatenate([old.groups[kept], own]),
        np.concatenate([old.open_set_p[kept], p]),
        unseen[hidden],
        old.hidden_codes[hidden],
        old.hidden_groups[hidden],
        old.hidden_open_set_p[hidden],
    )
    assert made.n_classes == k
    return Rehearsal.from_arrays(made.to_arrays()), kept


def _more(model: OpenSetModel, scores: Float, kept: NDArray[np.bool_]) -> OpenSetModel:
    """Return the p-values' comparison with more images, each of a prompt of its own as far as it says."""
    old = model.scores[kept] if len(model.scores) == len(kept) else model.scores
    return OpenSetModel().fit(np.concatenate([old, scores]))


def _training(training: Training, rehearsal: Rehearsal, name: str, n: int, n_prompts: int, mode: str) -> Training:
    truth = rehearsal.log_proba[np.arange(len(rehearsal.codes)), rehearsal.codes]
    before = training.n_images.get(name, 0) if mode == "add" else 0
    return replace(
        training,
        n_images=training.n_images | {name: before + n},
        n_groups=training.n_groups + n_prompts,
        accuracy=float((rehearsal.log_proba.argmax(axis=1) == rehearsal.codes).mean()),
        log_loss=float(-truth.mean()),
    )


def _log_sum(words: Float) -> Float:
    """Return the logarithm of what probabilities add up to, shape (n, 1): 1, but for the precision of a file."""
    return np.asarray(np.log(np.exp(words).sum(axis=1, keepdims=True)))
