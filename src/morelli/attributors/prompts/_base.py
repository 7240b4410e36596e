"""What all attributors have in common that know references of the very prompt: experts, their weights, and doubt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from morelli.attributors._folding import check_classes, check_group_ids
from morelli.attributors.answers import Answers, Training
from morelli.attributors.doubting import Doubting
from morelli.attributors.fusion import fit_fusion_weights
from morelli.attributors.prompts._reading import Reading, choose_families, embedding_of
from morelli.attributors.prompts.known import Known, deal_episode
from morelli.catalog.folds import deal_groups
from morelli.errors import NotEnoughDataError

__all__ = ["Asked", "Float", "Informed", "PromptAttributor"]

Float = NDArray[np.float64]

_ABSENT = 20.0
"""How far below the least likely candidate a class stands that has no references for the prompt, in nats."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Images to be named.

    Attributes
    ----------
    X : ndarray, shape (n, d)
    prompts : ndarray of int64, shape (n,)
        As in `Known`.
    texts : ndarray of object, shape (n,)
        What the prompts say; None where that is not known.
    """

    X: NDArray[np.floating]
    prompts: NDArray[np.int64]
    texts: NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What episodes with so many references teach."""

    weights: dict[str, float]
    doubting: Doubting
    training: Training


class PromptAttributor(BaseEstimator):  # type: ignore[misc]
    """An attributor that is told the prompt of each image, and has references of this prompt.

    It is fitted to images for other prompts, its lessons; `given` references of the prompts at hand it answers.
    Candidates for an image are the classes that have references for its prompt; where none has, all are.

    The weights of experts and what is known of doubt come from episodes: lessons are held out by whole prompts, and
    judged by so many references as there will be when it matters.

    Parameters
    ----------
    blocks : mapping of str to slice, optional
        Columns of each family of features; by default all are one, an embedding.
    family : str, optional
        How the names of the families begin that are read; by default all are read. An embedding that is read alone is
        read as it is; other features, which have units of their own, are standardised by the lessons.
    n_folds : int, default 5
        Folds of whole groups.
    rounds : int, default 4
        Episodes of each fold.
    level : float, default 0.9
        Coverage of conformal sets.
    random_state : int, default 0

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Of the lessons, sorted.
    families_ : dict of str to slice
        Those that are read, and their columns among what is read.
    lessons_ : Known
        What is read of them.
    """

    def __init__(
        self,
        blocks: Mapping[str, slice] | None = None,
        *,
        family: str | None = None,
        n_folds: int = 5,
        rounds: int = 4,
        level: float = 0.9,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.family = family
        self.n_folds = n_folds
        self.rounds = rounds
        self.level = level
        self.random_state = random_state

    @abstractmethod
    def _learn(self, known: Known) -> Any:
        """Return what is learned across prompts."""

    @abstractmethod
    def _experts(self, learned: Any, known: Known, asked: Asked) -> Mapping[str, Float]:
        """Return the log-likelihoods of all classes by each expert, up to a constant; finite, shape (n, K).

        Those of classes without references for an image's prompt are not read, unless no class has any.
        """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        prompts: ArrayLike,
        texts: ArrayLike | None = None,
    ) -> PromptAttributor:
        """Fit to lessons: images of known classes for other prompts than those that will be judged.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
        groups : array-like, shape (n,), optional
            Images of one group are held out together; by default those of one prompt.
        prompts : array-like of int, shape (n,)
        texts : array-like, shape (n,), optional
            What the prompts say.

        Raises
        ------
        NotEnoughDataError
            Fewer than two classes.
        MorelliError
            There is no such family.
        ValueError
            Shapes that do not fit, values that are not finite, or fewer than two folds.
        """
        if self.n_folds < 2:
            raise ValueError(f"n_folds must be at least 2, not {self.n_folds}")
        values, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=1)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        check_classes(self.classes_, codes, 1)
        asked, words = _checked(prompts, texts, len(values))
        chosen = choose_families(self.blocks, values.shape[1], self.family)
        self._reading = Reading.learn(values, chosen, raw=len(chosen) == 1 and embedding_of(chosen) is not None)
        ends = np.cumsum([len(range(*block.indices(values.shape[1]))) for block in chosen.values()]).tolist()
        self.families_ = {name: slice(a, b) for name, a, b in zip(chosen, [0, *ends], ends, strict=False)}
        self.lessons_ = Known(self._reading.read(values), codes.astype(np.int64), asked, len(self.classes_), words)
        self._groups = check_group_ids(asked if groups is None else groups, len(values))
        # Whole groups, also of a class that has one only: a fold that lacks a class learns from the others.
        k = min(self.n_folds, int(self._groups.max()) + 1)
        self._fold = deal_groups(self._groups, codes.astype(np.int64), np.full(k, 1 / k), self.random_state)
        self._of_fold: dict[int, Any] = {}
        self._taught: dict[int, _Learned] = {}
        self.learned_ = self._learn(self.lessons_)
        return self

    def given(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        prompts: ArrayLike,
        texts: ArrayLike | None = None,
        references: int | None = None,
    ) -> Informed:
        """Return who answers with references of the prompts at hand.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
            Images of classes that the lessons do not have are left out: they are no candidates.
        prompts, texts
            As for `fit`.
        references : int, optional
            References of each class and prompt; by default the mean number that there are, rounded.

        Raises
        ------
        NotEnoughDataError
            There are no references of a known class, or nothing can be learned of doubt from the lessons.
        ValueError
            As for `fit`.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_min_samples=0)
        labels = np.asarray(y)
        asked, words = _checked(prompts, texts, len(values))
        seen = np.isin(labels, self.classes_)
        if not seen.any():
            raise NotEnoughDataError("There is no reference of a class that the lessons have.")
        codes = np.searchsorted(self.classes_, labels[seen]).astype(np.int64)
        known = Known(self._reading.read(values[seen]), codes, asked[seen], len(self.classes_), words[seen])
        if references is None:
            cells = len(np.unique(np.stack([known.codes, known.prompts]), axis=1).T)
            references = max(1, round(len(known) / cells))
        return Informed(self, known, self._teach(references))

    def _teach(self, references: int) -> _Learned:
        """Return what episodes with so many references teach; learned once."""
        if references not in self._taught:
            self._taught[references] = self._learn_from_episodes(references)
        return self._taught[references]

    def _learn_from_episodes(self, references: int) -> _Learned:
        lessons, notes = self.lessons_, []
        # As many as two folds can have, for what one teaches is checked on another.
        most = sorted(_most_references(lessons.take(self._fold == number)) for number in np.unique(self._fold))[-2:][0]
        if references > most >= 1:
            notes.append(
                f"Doubt was learned with {most} reference{'' if most == 1 else 's'} of each model and prompt, not "
                f"{references}: the other prompts have no more."
            )
        scores, truth, candidates, of, groups = self._held_out(min(references, max(most, 1)))
        names = list(scores)
        table = np.stack([scores[name] for name in names])
        logits = np.empty(table.shape[1:])
        for number in np.unique(of):
            # Each fold is weighed by what was learned on the others.
            rows, others = of == number, of != number
            learn = others if others.any() else rows
            weights = fit_fusion_weights(table[:, learn], truth[learn], candidates[learn])
            logits[rows] = _fused(table[:, rows], weights, candidates[rows])
        doubting, log_proba = Doubting.learn(
            logits,
            truth,
            groups,
            np.unique(of, return_inverse=True)[1],
            level=self.level,
            seed=self.random_state,
            biases=False,  # the most likely model stays what the experts say: the nearest centroid is the nearest
        )
        log_proba = _among(log_proba, candidates)
        weights = fit_fusion_weights(table, truth, candidates)
        counts = np.bincount(lessons.codes, minlength=lessons.n_classes)
        training = Training(
            n_images={str(name): int(n) for name, n in zip(self.classes_, counts, strict=True)},
            n_groups=int(self._groups.max()) + 1,
            n_folds=int(self._fold.max()) + 1,
            accuracy=float((log_proba.argmax(axis=1) == truth).mean()),
            log_loss=float(-log_proba[np.arange(len(truth)), truth].mean()),
            leak_free=True,
            notes=tuple(notes),
        )
        return _Learned(dict(zip(names, weights.tolist(), strict=True)), doubting, training)

    def _held_out(
        self, references: int
    ) -> tuple[dict[str, Float], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Judge episodes of every fold by what was learned on the others.

        Returns
        -------
        scores : dict of str to ndarray, shape (m, K)
        truth : ndarray of int64, shape (m,)
        candidates : ndarray of bool, shape (m, K)
        fold, group : ndarray of int64, shape (m,)
        """
        lessons = self.lessons_
        rng = np.random.default_rng([self.random_state, references])
        parts: list[tuple[Mapping[str, Float], NDArray[np.int64], NDArray[np.bool_], int]] = []
        for number in range(int(self._fold.max()) + 1):
            inside = np.flatnonzero(self._fold == number)
            for _ in range(self.rounds):
                judged, kept = deal_episode(lessons.codes[inside], lessons.prompts[inside], references, rng)
                known, rows = lessons.take(inside[kept]), inside[judged]
                candidates = known.occupied(lessons.prompts[rows])
                told = candidates.sum(axis=1) > 1  # where one class alone has references there is nothing to tell
                rows, candidates = rows[told], candidates[told]
                if len(rows):
                    one = lessons.take(rows)
                    scores = self._experts(self._without(number), known, Asked(one.X, one.prompts, one.texts))
                    parts.append((scores, rows, candidates, number))
        if len({part[3] for part in parts}) < 2:  # what one fold teaches is checked on another
            raise NotEnoughDataError(
                "Doubt is learned from other prompts for which two candidates have several images each; there are no "
                "two such prompts in different folds."
            )
        rows = np.concatenate([part[1] for part in parts])
        return (
            {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]},
            lessons.codes[rows],
            np.concatenate([part[2] for part in parts]),
            np.concatenate([np.full(len(part[1]), part[3]) for part in parts]),
            self._groups[rows],
        )

    def _without(self, fold: int) -> Any:
        """Return what is learned from the lessons of the other folds."""
        if fold not in self._of_fold:
            others = self._fold != fold
            self._of_fold[fold] = self._learn(self.lessons_.take(others)) if others.any() else self.learned_
        return self._of_fold[fold]


class Informed:
    """A fitted attributor with references of the prompts at hand; made by :meth:`PromptAttributor.given`.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    weights_ : dict of str to float
        Of the experts.
    training_ : Training
    """

    def __init__(self, attributor: PromptAttributor, known: Known, taught: _Learned) -> None:
        self._attributor, self._known, self._doubting = attributor, known, taught.doubting
        self.classes_ = attributor.classes_
        self.weights_, self.training_ = taught.weights, taught.training

    def answer(self, X: ArrayLike, *, prompts: ArrayLike, texts: ArrayLike | None = None) -> Answers:
        """Return probabilities, conformal sets, open-set p-values and the evidence of each expert.

        Parameters
        ----------
        X : array-like, shape (n, d)
        prompts, texts
            As for :meth:`PromptAttributor.fit`.
        """
        values = validate_data(self._attributor, X, dtype=[np.float64, np.float32], reset=False)
        asked = Asked(self._attributor._reading.read(values), *_checked(prompts, texts, len(values)))
        scores = self._attributor._experts(self._attributor.learned_, self._known, asked)
        candidates = self._known.occupied(asked.prompts)
        candidates[~candidates.any(axis=1)] = True
        table = np.stack([scores[name] for name in self.weights_])
        weights = np.array(list(self.weights_.values()))
        whole = self._doubting.answer(_fused(table, weights, candidates))
        alone = [np.exp(_among(w * t, candidates)) for w, t in zip(weights, table, strict=True)]
        said = [_centred(w * t, candidates) for w, t in zip(weights, table, strict=True)]
        return Answers(
            proba=np.exp(_among(np.log(np.maximum(whole.proba, 1e-300)), candidates)),
            undoubted=whole.undoubted,
            prediction_set=whole.prediction_set & candidates,
            open_set_p=whole.open_set_p,
            evidence=dict(zip(self.weights_, said, strict=True)),
            family_proba=dict(zip(self.weights_, alone, strict=True)),
        )

    def without(self, answers: Answers, family: str) -> Float:
        """Return what remains without the evidence of one expert, shape (n, K)."""
        left = log_softmax(answers.undoubted - answers.evidence[family], axis=1)
        return np.exp(_among(self._doubting.doubted(left), answers.proba > 0))


def _most_references(lessons: Known) -> int:
    """Return the largest number of references that leave an image of each of two classes of some prompt."""
    pairs, sizes = np.unique(np.stack([lessons.prompts, lessons.codes]), axis=1, return_counts=True)
    order = np.lexsort((-sizes, pairs[0]))
    first = np.unique(pairs[0][order], return_index=True)[1]
    second = first[np.diff(first, append=len(order)) > 1] + 1
    return int(sizes[order][second].max(initial=1)) - 1


def _checked(prompts: ArrayLike, texts: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return prompts as numbers and texts as objects, shape (n,) each; ValueError where they are no such things."""
    asked = np.asarray(prompts)
    words = np.full(n, None, dtype=np.object_) if texts is None else np.asarray(texts, dtype=np.object_)
    if asked.shape != (n,) or (n and not np.issubdtype(asked.dtype, np.integer)) or words.shape != (n,):
        raise ValueError(f"prompts are whole numbers, one for each of {n} images, not {asked.dtype} {asked.shape}")
    return asked.astype(np.int64), words


def _centred(scores: Float, candidates: NDArray[np.bool_]) -> Float:
    """Return scores minus their mean over the candidates, 0 for the other classes."""
    held = np.where(candidates, scores, 0.0)
    mean = held.sum(axis=1, keepdims=True) / candidates.sum(axis=1, keepdims=True)
    return np.where(candidates, held - mean, 0.0)


def _fused(scores: Float, weights: Sequence[float] | Float, candidates: NDArray[np.bool_]) -> Float:
    """Return the weighted sum, and for classes that are no candidates less than for all that are; finite (n, K)."""
    total = np.tensordot(np.asarray(weights), np.where(candidates, scores, 0.0), axes=1)
    least = np.where(candidates, total, np.inf).min(axis=1, keepdims=True)
    return np.asarray(log_softmax(np.where(candidates, total, least - _ABSENT), axis=1))


def _among(log_proba: Float, candidates: NDArray[np.bool_]) -> Float:
    """Return log-probabilities among the candidates."""
    return np.asarray(log_softmax(np.where(candidates, log_proba, -np.inf), axis=1))
