"""A new candidate in one fitted attributor, whose other parts stay as they are.

A fitted discriminant holds directions in which the known models differ, in units of how images vary within one of
them. A new model gets its mean in those directions, shrunk as far as it could be chance. What it is worth is read off
its own references, each judged by means that have not seen its prompt.

Two things set a newcomer apart from candidates that took part in the fit. Its own directions are missing where no two
of the others differ. And its mean is honest: the others' stand where their own references were, farther out than new
images of theirs will, so that without more ado a newcomer would claim too much. Its bias is therefore set so that its
own references are named right as often as the others' are, out of fold; but no lower than keeps it from claiming
images of others. That share is chosen, then, and not found: what it says is what was aimed at.

With the measured references of the others at hand, discriminants are fitted anew instead; weights of families,
temperature and what makes images strange stay as they are, which is most of what takes long in a fit. There a newcomer
with as many references as the others needs no bias. With fewer its mean stands out farther by chance, and it would be
named too rarely: it gets the share of the bias by which its references are fewer.

The rehearsal, which statements about sets of images are read off, has to know what others' images give to the
newcomer. With their measurements that is found out, prompt by prompt. Without them it was not seen, and is taken to be
what the newcomer's images give to them: two models that are taken for each other are so both ways.
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

__all__ = ["MIN_IMAGES", "MODES", "Enrolled", "Refit", "Rows", "enrol_in_expert"]

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.intp]
_Add = Callable[[Rows], Mapping[str, Discriminant]]

MIN_IMAGES = 3
"""Fewest references of a newcomer, as for a candidate of a fit."""

MODES = ("new", "add", "replace")
"""A model that was no candidate; more references of one that is; other references for one that is."""

_LEAST_RECALL, _MOST_RECALL = 0.05, 0.95

_CONTRACTION = 0.5
"""How far out new images of a candidate lie, in units of its mean: 0.5 on the gallery of the README, over families."""

_LENT = (1e-6, 0.95)
"""Bounds of the probability that a reference of another candidate is taken to give to a newcomer."""

_MARGIN = 8.0
"""Standard deviations by which a newcomer that is not pulled down keeps away from the others' images. Wide, as these
scatter more than its own references do: with 2 a model of the gallery claimed 16% of others' images instead of 4%."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What is known of a newcomer, each reference judged without its prompt.

    Attributes
    ----------
    n_images, n_prompts : int
    recall : float
        Share of its references that were named right, with that bias.
    bias : float
        That the newcomer was given, in nats; 0 where none was chosen.
    leak_free : bool
        Whether each reference was judged by what has not seen its prompt.
    claims : float or None
        Share of the others' references that were named as it, likewise; None where these were not at hand.
    """

    n_images: int
    n_prompts: int
    recall: float
    bias: float
    leak_free: bool
    claims: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """Measured references of the others, m rows, and what fits discriminants to some of them and of the newcomer's.

    Attributes
    ----------
    X : ndarray, shape (m, d)
    codes : ndarray of int, shape (m,)
        Candidates, numbered as the attributor's, with the newcomer last or in its place.
    groups : ndarray of int, shape (m,)
        Prompts, by the same numbers as the newcomer's.
    fit : callable
        Takes rows of the newcomer and rows of the others; returns the discriminants of all candidates.
    """

    X: Float
    codes: Ints
    groups: Ints
    fit: Callable[[Rows, Rows], Mapping[str, Discriminant]]


def enrol_in_expert(
    expert: FusedAttributor,
    name: str,
    X: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    mode: str = "new",
    refit: Refit | None = None,
    n_folds: int | None = None,
    images: NDArray[np.integer] | None = None,
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
    refit : Refit, optional
        Discriminants are fitted anew. By default the newcomer's means are added to those that there are.
    n_folds : int, optional
        Folds of prompts for judging the references; by default one for each prompt.
    images : ndarray of int, shape (n,), optional
        Image that each row shows, where an image has several.

    Returns
    -------
    FusedAttributor
        With its candidates sorted.
    Enrolled
    """
    new = FusedAttributor.from_parts(*expert.to_parts())
    known = name in expert.classes_
    place = int(np.searchsorted(expert.classes_, name)) if known else len(expert.classes_)
    new.classes_ = expert.classes_.copy() if known else np.append(expert.classes_, name)
    values = np.asarray(X, dtype=np.float64)
    blocks = expert.named_blocks(values.shape[1])
    shown = np.arange(len(values)) if images is None else images
    fold = _folds(groups if len(np.unique(groups)) > 1 else shown, n_folds)
    everything = np.arange(len(values))
    others = None
    if refit is None:
        add = _means(expert, values, blocks, place, mode)
        seen, new.discriminants_ = _out_of_fold(add, blocks, values, fold), dict(add(everything))
    else:
        seen, others = _out_of_fold_of_all(refit, blocks, values, groups, fold)
        new.discriminants_ = dict(refit.fit(everything, np.arange(len(refit.X))))

    weights = np.array(list(expert.weights_.values()))
    fused = seen.fuse(weights)
    bias = None
    if mode != "add":
        # Fitted anew, only what is lacking in references makes up for itself by a bias.
        share = 1.0 if refit is None else max(0.0, 1 - len(values) / float(np.median(_counts(expert.rehearsal_))))
        bias = share * _bias(expert, new.discriminants_, fused, place)
    new.calibration_ = _calibration(expert.calibration_, place, len(new.classes_), bias)
    log_proba = new.calibration_.as_learned.transform(fused)
    gives, claims = dict(enumerate(np.exp(log_proba).T)), None
    if refit is not None and others is not None:
        rivals = new.calibration_.as_learned.transform(others.fuse(weights))
        gives = {int(code): np.exp(rivals[refit.codes == code, place]) for code in np.unique(refit.codes)}
        claims = float((rivals.argmax(axis=1) == place)[refit.codes != place].mean())

    strangeness, new.rejector_ = _strangeness(expert, seen, fold, place, mode)
    outlying = seen.mean_outlyingness
    p = joint_p(expert.open_set_.p_values(strangeness), expert.outlying_.p_values(outlying))
    new.rehearsal_, kept = _rehearsal(expert.rehearsal_, log_proba, groups, p, place, mode, gives)
    new.open_set_ = OpenSetModel().fit(np.concatenate([expert.open_set_.scores[kept], strangeness]))
    new.outlying_ = OpenSetModel().fit(np.concatenate([expert.outlying_.scores[kept], outlying]))
    new.conformal_ = _conformal(expert.conformal_, new.rehearsal_)

    n_images, n_prompts = len(np.unique(shown)), len(np.unique(groups))
    new.training_ = _training(expert.training_, new.rehearsal_, name, n_images, mode)
    recall = float((log_proba.argmax(axis=1) == place).mean())
    facts = Enrolled(n_images, n_prompts, recall, bias or 0.0, n_prompts > 1, claims)
    return reordered(new, class_order(new.classes_)), facts


def _folds(groups: NDArray[np.integer], n_folds: int | None) -> Ints:
    """Return a fold for each row: of whole groups, dealt out in turn."""
    codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return codes if n_folds is None else np.asarray(codes % min(n_folds, int(codes.max()) + 1), dtype=np.int64)


def _out_of_fold(fit: _Add, blocks: Mapping[str, slice], X: Float, fold: Ints) -> Sighting:
    """Return what is seen of each row by what was made of the other folds."""
    parts = []
    for number in range(int(fold.max()) + 1):
        mine, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        parts.append((mine, see(fit(others), blocks, X[mine])))
    return Sighting.gather(parts)


def _out_of_fold_of_all(
    refit: Refit, blocks: Mapping[str, slice], X: Float, groups: NDArray[np.integer], fold: Ints
) -> tuple[Sighting, Sighting]:
    """Return what is seen of each row of the newcomer, and of the others, by what does not know its prompt."""
    n_folds = int(fold.max()) + 1
    # Prompts of the newcomer's are held out of the others too; those that only the others have are dealt out likewise.
    of = dict(zip(groups.tolist(), fold.tolist(), strict=True)) if len(np.unique(groups)) > 1 else {}
    theirs = np.array([of.get(group, group % n_folds) for group in refit.groups.tolist()])
    own: list[tuple[Rows, Sighting]] = []
    others: list[tuple[Rows, Sighting]] = []
    for number in range(n_folds):
        made = refit.fit(np.flatnonzero(fold != number), np.flatnonzero(theirs != number))
        for parts, rows, values in (
            (own, np.flatnonzero(fold == number), X),
            (others, np.flatnonzero(theirs == number), refit.X),
        ):
            parts.append((rows, see(made, blocks, values[rows])))
    return Sighting.gather(own), Sighting.gather(others)


def _means(expert: FusedAttributor, X: Float, blocks: Mapping[str, slice], place: int, mode: str) -> _Add:
    """Return what adds the mean of some rows to every discriminant."""
    coordinates = {family: expert.discriminants_[family].coordinates(X[:, block]) for family, block in blocks.items()}
    n_old = int((expert.rehearsal_.codes == place).sum()) if mode == "add" else 0

    def make(rows: NDArray[np.intp]) -> dict[str, Discriminant]:
        made = {}
        for family, discriminant in expert.discriminants_.items():
            mean = _shrunk(coordinates[family][rows], discriminant, place, n_old)
            made[family] = _with_mean(discriminant, place, mean)
        return made

    return make


def _with_mean(discriminant: Discriminant, place: int, mean: Float) -> Discriminant:
    """Return the discriminant with this mean in its place, the last one or one that there is."""
    means = np.concatenate([discriminant.means, mean[None]]) if place == len(discriminant.means) else discriminant.means
    means = np.array(means)
    means[place] = mean
    return replace(discriminant, means=means)


def _shrunk(own: Float, discriminant: Discriminant, place: int, n_old: int) -> Float:
    """Return the mean of rows, shrunk towards the common one as far as it could be chance, direction by direction.

    As in the fit: by the spread of classes, which is what shrunk means spread and what is left uncertain in them. With
    `n_old` earlier references of the class, whose shrunk mean there is, both together are.
    """
    between = np.maximum((discriminant.means**2).mean(axis=0) + discriminant.variance - 1, 1e-9)
    noise = max(1.0, float(own.var(axis=0, ddof=1).mean())) if len(own) > 1 else 1.0
    before = n_old + 1 / between
    old = discriminant.means[place] if n_old else 0.0
    return np.asarray((before * old + own.sum(axis=0) / noise) / (before + len(own) / noise))


def _bias(expert: FusedAttributor, discriminants: Mapping[str, Discriminant], fused: Float, place: int) -> float:
    """Return the bias at which a newcomer's references are named right as often as others' are, out of fold.

    The references' margins are taken as normal, since so few of them have no quantile to speak of. One that is told
    apart better than others are is not pulled down to them: its bias is no lower than keeps it `_MARGIN` standard
    deviations away from where new images of the others lie.
    """
    rehearsal = expert.rehearsal_
    right = rehearsal.log_proba.argmax(axis=1) == rehearsal.codes
    share = np.bincount(rehearsal.codes, weights=right)[np.unique(rehearsal.codes)] / _counts(rehearsal)
    recall = float(np.clip(share.mean(), _LEAST_RECALL, _MOST_RECALL))
    calibrator = expert.calibration_.as_learned
    bias = _padded(calibrator.bias, place, fused.shape[1])

    def lead(words: Float) -> Float:
        scores = words / calibrator.temperature
        return np.asarray(scores[:, place] - np.delete(scores + bias, place, axis=1).max(axis=1))

    margins = lead(fused)
    spread = float(margins.std(ddof=1)) if len(margins) > 1 else 0.0
    wanted = float(norm.ppf(recall)) * spread - float(margins.mean())
    elsewhere = [
        expert.weights_[family] * one.log_likelihood_at(_CONTRACTION * np.delete(one.means, place, axis=0))
        for family, one in discriminants.items()
    ]
    needed = min(0.0, -float(lead(np.sum(elsewhere, axis=0)).max()) - _MARGIN * spread)
    return max(wanted, needed)


def _counts(rehearsal: Rehearsal) -> Ints:
    """Return how many references each candidate has that has any."""
    counts = np.bincount(rehearsal.codes)
    return counts[counts > 0]


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
    n_old = int((expert.rehearsal_.codes == place).sum()) if mode == "add" else 0

    def with_mean(rows: NDArray[np.intp]) -> Rejector:
        made = _with_mean(profile, place, _shrunk(at[rows], profile, place, n_old))
        return replace(rejector, frame=replace(frame, profile=made, columns=columns))

    strangeness = np.empty(len(fold))
    for number in range(int(fold.max()) + 1):
        mine = np.flatnonzero(fold == number)
        strangeness[mine] = with_mean(np.flatnonzero(fold != number)).strangeness(seen.take(mine))
    return strangeness, with_mean(np.arange(len(fold)))


def _rehearsal(
    old: Rehearsal,
    log_proba: Float,
    groups: NDArray[np.integer],
    p: Float,
    place: int,
    mode: str,
    gives: Mapping[int, Float],
) -> tuple[Rehearsal, NDArray[np.bool_]]:
    """Return the rehearsal with the newcomer's references behind the others, and which of the old ones are kept."""
    kept = old.codes != place if mode == "replace" else np.ones(len(old.codes), dtype=np.bool_)
    hidden = old.hidden_codes != place if mode == "replace" else np.ones(len(old.hidden_codes), dtype=np.bool_)
    words, unseen = old.log_proba, old.hidden_log_proba
    if mode == "new":
        share = _lent(old, gives)[:, None]
        words = np.hstack([words + np.log1p(-share), np.log(share)])
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
    return Rehearsal.from_arrays(made.to_arrays()), kept


def _lent(old: Rehearsal, gives: Mapping[int, Float]) -> Float:
    """Return what each reference of the others gives to the newcomer, by samples of that for each candidate.

    Quantile by quantile, the least sure references giving the most: which of them a sample belongs to is not known.
    """
    share = np.empty(len(old.codes))
    for code in np.unique(old.codes):
        rows = np.flatnonzero(old.codes == code)
        surest_first = rows[np.argsort(-old.log_proba[rows, code], kind="stable")]
        share[surest_first] = np.quantile(gives[int(code)], (np.arange(len(rows)) + 0.5) / len(rows))
    return np.clip(share, *_LENT)


def _conformal(settings: SplitConformal, rehearsal: Rehearsal) -> SplitConformal:
    """Return sets made as before, with thresholds from the references of all candidates."""
    new = SplitConformal(
        settings.method, settings.level, settings.class_conditional, allow_empty=settings.allow_empty,
        include_last=settings.include_last,
    )  # fmt: skip
    # Probabilities add up to 1 but for the precision of a file.
    proba = np.exp(rehearsal.log_proba)
    return new.fit(proba / proba.sum(axis=1, keepdims=True), rehearsal.codes)


def _training(training: Training, rehearsal: Rehearsal, name: str, n: int, mode: str) -> Training:
    truth = rehearsal.log_proba[np.arange(len(rehearsal.codes)), rehearsal.codes]
    before = training.n_images.get(name, 0) if mode == "add" else 0
    return replace(
        training,
        n_images=training.n_images | {name: before + n},
        accuracy=float((rehearsal.log_proba.argmax(axis=1) == rehearsal.codes).mean()),
        log_loss=float(-truth.mean()),
    )
