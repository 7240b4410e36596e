"""Multimodal models as attributors: they are shown exemplars, and asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from morelli.attributors._folding import check_classes, check_group_ids
from morelli.attributors.answers import Answers, Training
from morelli.attributors.honest import WHOLE
from morelli.attributors.mllm.asking import Asker
from morelli.attributors.mllm.candidates import UNKNOWN, LineUp, LineUpQuestion
from morelli.attributors.mllm.confidence import letter_probabilities, stated_probabilities
from morelli.attributors.mllm.parse import read_reply
from morelli.attributors.mllm.reply import Reply
from morelli.encoders.pictures import unpack_pixels
from morelli.errors import EndpointError

__all__ = ["MultimodalAttributor"]

Float = NDArray[np.float64]

_ROUNDING = 1e-9
"""Probabilities that add up to a level may miss it by their last digits."""


class MultimodalAttributor(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Shows a model the candidates, exemplars of each and an image, and asks who made it.

    Nothing is trained. For every image the candidates get letters in an order of its own, and so do the exemplars, both
    decided by the seed and the image's pixels. The model has to choose a letter or say that it does not know; whatever
    else it says is no answer, is counted by kind and never turned into a guess.

    Probabilities are those of the letters where the model gives log-probabilities. Elsewhere the answer has
    ``1 - doubt`` and its share of the rest, which is a convention and no measurement. Neither is calibrated, because
    nothing was held out to calibrate on: prediction sets hold the likeliest candidates up to the level (with an answer
    alone, just the candidate that was named), promise no coverage, and there is no open-set p-value.

    Parameters
    ----------
    asker : Asker
        Who answers.
    shots : int
        Exemplars of each candidate at most, the first references of each; 0 shows none.
    names_shown : bool
        Whether candidates are named.
    doubt : float
        See above; in (0, 1).
    level : float
        Share of probability that prediction sets hold.
    random_state : int

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Candidates, sorted.
    line_up_ : LineUp
    training_ : Training
    weights_ : dict of str to float
        The one entry ``whole``.
    spent_ : dict of str to float
        What the answers of the last call of `answer` took: ``requests``, ``tokens_in``, ``tokens_out``, ``images``, and
        ``unreported``, the number of replies without a count of tokens. Answers that were kept count as well.
    stated_ : int
        Answers of the last call whose probabilities are the convention, for want of log-probabilities.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        shots: int = 1,
        names_shown: bool = True,
        doubt: float = 0.5,
        level: float = 0.9,
        random_state: int = 0,
    ) -> None:
        self.asker = asker
        self.shots = shots
        self.names_shown = names_shown
        self.doubt = doubt
        self.level = level
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> MultimodalAttributor:
        """Keep exemplars.

        Parameters
        ----------
        X : array-like, shape (n, side * side)
            Packed pixels, see :func:`morelli.encoders.rivals.pack_pixels`.
        y : array-like, shape (n,)
        groups : array-like, shape (n,), optional
            Counted only.

        Raises
        ------
        NotEnoughDataError
            One class only.
        ValueError
            `X` is no packed pixels, or shapes do not fit.
        MorelliError
            There are more candidates than can be asked about at once.
        """
        labels = np.asarray(y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        check_classes(self.classes_, codes, 1)
        pictures = unpack_pixels(np.asarray(X))
        if len(pictures) != len(codes):
            raise ValueError(f"there are {len(pictures)} images and {len(codes)} labels")
        own_groups = check_group_ids(groups, len(codes))
        exemplars = [[pictures[i] for i in np.flatnonzero(codes == k)[: self.shots]] for k in range(len(self.classes_))]
        self.line_up_ = LineUp(
            [str(name) for name in self.classes_], exemplars, names_shown=self.names_shown, seed=self.random_state
        )
        self.training_ = Training(
            n_images={str(name): len(own) for name, own in zip(self.classes_, exemplars, strict=True)},
            n_groups=len(codes) if own_groups is None else int(own_groups.max()) + 1,
            n_folds=0,
            accuracy=float("nan"),
            log_loss=float("nan"),
            leak_free=True,
            notes=(
                "Nothing was trained and nothing calibrated: probabilities are the model's own or a convention, and "
                "prediction sets promise no coverage.",
            ),
        )
        self.weights_ = {WHOLE: 1.0}
        return self

    def answer(self, X: ArrayLike) -> Answers:
        """Ask about images, (n, side * side).

        Raises
        ------
        BudgetError, EndpointError
            No more can be asked, or every single question failed, so that there is nothing to measure. What was
            answered is kept, and the same call goes on there.
        """
        check_is_fitted(self)
        pictures = unpack_pixels(np.asarray(X))

        def asked(i: int) -> LineUpQuestion:
            return self.line_up_.question(pictures[i])  # made twice rather than kept: it holds all the exemplars

        replies = self.asker.ask(len(pictures), lambda i: asked(i).question)
        if replies and all(reply.failure == "failed" for reply in replies):
            raise EndpointError(
                f"{self.asker.name} answered none of the {len(replies)} questions of this part, so that nothing was "
                f"measured; the last time: {replies[-1].detail}. The same command asks again."
            )
        self._enter(replies)
        k = len(self.classes_)
        proba = np.full((len(replies), k), np.nan)
        sets = np.zeros(proba.shape, dtype=np.bool_)
        unanswered = np.full(len(replies), None, dtype=object)
        self.stated_ = 0
        for i, reply in enumerate(replies):
            made = asked(i)
            reading = read_reply(reply, made.question.answers)
            word = reading.values.get("answer")
            if word is None or word == UNKNOWN:
                unanswered[i] = reading.reason or UNKNOWN
                continue
            place = made.codes.index(word)
            found = letter_probabilities(reply, made.codes, word)
            if found is None:
                self.stated_ += 1
                proba[i, made.order] = stated_probabilities(k, place, self.doubt)
                sets[i, made.order[place]] = True
            else:
                proba[i, made.order] = found
                sets[i] = _likeliest(proba[i], self.level)
        log_proba = np.log(proba)
        return Answers(
            proba=proba,
            undoubted=log_proba,
            prediction_set=sets,
            open_set_p=np.full(len(replies), np.nan),
            evidence={WHOLE: log_proba - log_proba.mean(axis=1, keepdims=True)},
            family_proba={WHOLE: proba},
            unanswered=unanswered,
        )

    def without(self, answers: Answers, family: str) -> Float:
        """Return what remains without the evidence of the whole: 1 / K each, and NaN where there was no answer."""
        return np.where(np.isnan(answers.proba), np.nan, 1.0 / len(self.classes_))

    def predict_proba(self, X: ArrayLike) -> Float:
        """Return probabilities among the candidates, shape (n, K); NaN where none was named."""
        return self.answer(X).proba

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the candidate that was named for each image, object array of shape (n,); None where none was."""
        answers = self.answer(X)
        assert answers.unanswered is not None
        return np.array(
            [
                None if reason is not None else self.classes_[int(row.argmax())]
                for row, reason in zip(answers.proba, answers.unanswered, strict=True)
            ],
            dtype=object,
        )

    def _enter(self, replies: list[Reply]) -> None:
        spent: Counter[str] = Counter(requests=0, tokens_in=0, tokens_out=0, images=0, unreported=0)
        for reply in replies:
            if reply.failure is not None:
                continue
            spent.update(requests=1, images=reply.images)
            spent.update(tokens_in=reply.tokens_in or 0, tokens_out=reply.tokens_out or 0)
            spent.update(unreported=int(reply.tokens_in is None))
        self.spent_ = {name: float(value) for name, value in spent.items()}


def _likeliest(proba: Float, level: float) -> NDArray[np.bool_]:
    """Return the smallest set of candidates that has at least `level` of the probability."""
    order = np.argsort(-proba, kind="stable")
    before = np.cumsum(proba[order]) - proba[order]
    chosen = np.zeros(len(proba), dtype=np.bool_)
    chosen[order[before < level - _ROUNDING]] = True
    return chosen
