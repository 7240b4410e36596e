"""The default attributor: a discriminant for each family, fused, calibrated, and honest about what it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from morelli.attributors._folding import check_classes, check_group_ids, deal_references
from morelli.attributors._judging import judge
from morelli.attributors._references import HeldOut, References
from morelli.attributors._settings import FusedSettings
from morelli.attributors.answers import Answers, Training
from morelli.attributors.background import Background
from morelli.attributors.calibration import SoftmaxCalibrator, TemperatureCalibrator
from morelli.attributors.calibrator_choice import CalibratorChoice, choose_calibrator
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.discriminant import Discriminant
from morelli.attributors.learning_curve import sharpening
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.pooling import SetPooling, learn_pooling
from morelli.attributors.rehearsal import OUTLYING_SHARE, Rehearsal, joint_p, leave_one_out_p, rehearse
from morelli.attributors.rejection import Rejector, fit_rejector
from morelli.attributors.sighting import Sighting, see

__all__ = ["FusedAttributor"]

Float = NDArray[np.float64]

MIN_IMAGES = 3
"""Fewest references of a class: with fewer, no image of it can be judged by a model that has seen two others."""


class FusedAttributor(FusedSettings):
    """Discriminants fused log-linearly, with calibrated probabilities, conformal sets and an open-set p-value.

    Everything that says how sure an answer is (fusion weights, calibration, conformal threshold, open-set scores) comes
    from out-of-fold predictions: folds hold out whole groups, so that no prompt is judged by a model that has seen it.

    Parameters
    ----------
    blocks : mapping of str to slice, optional
        Columns of each family; by default all columns are one family called ``features``.
    shrinkage : float, default 0.003
        See :func:`~morelli.attributors.discriminant.fit_discriminant`.
    within_share : float, default 0.3
        See :func:`~morelli.attributors.discriminant.fit_discriminant`; only used where ``fit`` is given `within`.
    n_folds : int, default 10
        Most folds for the out-of-fold predictions; at least 2.
    level : float, default 0.9
        Coverage that the conformal sets are made for.
    set_method, set_per_class : str, default "lac", and bool, default False
        How they are made, see :class:`~morelli.attributors.conformal.SplitConformal`.
    random_state : int, default 0
        Deals groups to folds.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Candidates, sorted.
    training_ : Training
        Facts about the fit.
    weights_ : dict of str to float
        Weight of each family in the fusion.
    discriminants_ : dict of str to Discriminant
    calibration_ : CalibratorChoice
    conformal_ : SplitConformal
    pooling_ : SetPooling or None
        How answers for images of one model go together; None where no class has images of two groups.
    temperatures_ : dict of str to float
        What makes a family's log-likelihoods probabilities of its own.
    rejector_ : Rejector
        Says how unlike the candidates' an image is, as it learned on candidates that were hidden from it.
    outlying_ : OpenSetModel
        For images that are like no picture at all.
    open_set_ : OpenSetModel
    rehearsal_ : Rehearsal
        What was answered about the references out of fold, and about images while their models were hidden.
    twins_log_proba_ : ndarray, shape (m, K)
        Calibrated out-of-fold log-probabilities of the `twins` that `fit` was given; not kept in a bundle.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["ada", "bob", "cyd"], 20)
    >>> X = rng.normal(size=(60, 8)) + 3 * np.eye(3, 8)[np.repeat(range(3), 20)]
    >>> attributor = FusedAttributor(blocks={"left": slice(0, 4), "right": slice(4, 8)}).fit(X, y)
    >>> attributor.predict(X[[0, 20, 40]]).tolist()
    ['ada', 'bob', 'cyd']
    >>> answers = attributor.answer(X[:1])
    >>> bool(answers.prediction_set[0, 0]), sorted(answers.evidence)
    (True, ['left', 'right'])
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        within: NDArray[np.floating] | None = None,
        n_contrasts: NDArray[np.integer] | None = None,
        images: ArrayLike | None = None,
        twins: tuple[NDArray[np.floating], NDArray[np.integer]] | None = None,
        background: Background | None = None,
    ) -> FusedAttributor:
        """Fit to references.

        Parameters
        ----------
        X : array-like, shape (n, d)
            Finite features.
        y : array-like, shape (n,)
            Candidate that made each image.
        groups : array-like, shape (n,), optional
            Images of one group (prompt, near-duplicates) are held out together. None: leakage cannot be excluded, and
            the training record says so.
        within : ndarray, shape (n, 2, d), optional
            Spread within each image, see :class:`morelli.encoders.Encoded`.
        n_contrasts : ndarray of int, shape (n,), optional
            How many rows of `within` are real; by default all.
        images : array-like, shape (n,), optional
            Image that each row shows, where an image has several; they are held out together.
        twins : tuple of ndarray of float, shape (m, d), and ndarray of int, shape (m,), optional
            Other pictures of some of these images (in another view, say), and the row of `X` that each belongs to. They
            are judged as their rows are, by what has not seen them, and nothing is learned from them.
        background : Background, optional
            Images by models that are no candidates; discriminants learn from them how measurements vary.

        Raises
        ------
        NotEnoughDataError
            Fewer than two classes, or a class with fewer than three images.
        ValueError
            NaN or infinity in `X`, shapes that do not fit, or a setting that makes no sense.
        """
        sets = SplitConformal(self.set_method, self.level, self.set_per_class)
        values, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=1)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        ids = check_group_ids(np.arange(len(codes)) if images is None else images, len(codes))
        first = np.unique(ids, return_index=True)[1]
        check_classes(self.classes_, codes[first], MIN_IMAGES)
        blocks = self.named_blocks(values.shape[1])
        own_groups = check_group_ids(groups, len(codes))
        references = References(
            values, codes, len(self.classes_), groups, within, n_contrasts, blocks, background, self.shrinkage,
            self.within_share,
        )  # fmt: skip
        prompts = ids if own_groups is None else own_groups  # no row of an image helps to judge another one
        fold, notes = deal_references(codes, own_groups, self.classes_, self.n_folds, self.random_state, ids)

        found = references.out_of_fold(fold, twins)
        held_out = found.judged

        def look(
            train: NDArray[np.integer], own: NDArray[np.integer], n_classes: int, test: NDArray[np.integer]
        ) -> Sighting:
            return see(references.discriminants(train, test, own, n_classes), blocks, values[test])

        with threadpool_limits(limits=1, user_api="blas"):  # many small products, which threads only slow down
            weights = found.weights()
            chosen = choose_calibrator(held_out.fuse(weights), codes, prompts, self.random_state)
            temperatures = [TemperatureCalibrator().fit(words, codes).temperature for words in held_out.log_likelihood]
            log_proba = _cross_fit(found, codes, fold, type(chosen.calibrator))
            self.rejector_, known, looks = fit_rejector(
                held_out, codes, fold, look, list(blocks), random_state=self.random_state
            )
            if found.twins is not None:
                self.twins_log_proba_ = chosen.calibrator.transform(found.twins.fuse(weights))

            def anew(coarse: NDArray[np.int64]) -> Float:
                return references.out_of_fold(coarse).judged.fuse(weights)

            self.calibration_ = chosen.sharpened(
                sharpening(held_out.fuse(weights), codes, own_groups, fold, chosen.calibrator.doubt, anew, ids)
            )
        self.weights_ = dict(zip(blocks, weights.tolist(), strict=True))
        self.temperatures_ = dict(zip(blocks, temperatures, strict=True))
        # Thresholds treat images, not prompts, as exchangeable: a dozen prompts could never support a p-value below
        # 1/13. Prompts that differ more than the references' do widen the errors beyond the nominal ones.
        self.conformal_ = sets.fit(np.exp(log_proba), codes)
        self.pooling_ = learn_pooling(np.exp(log_proba), codes, prompts, self.random_state)
        self.open_set_ = OpenSetModel().fit(known)
        outlyingness = held_out.mean_outlyingness
        self.outlying_ = OpenSetModel().fit(outlyingness)
        with threadpool_limits(limits=1, user_api="blas"):
            own_p = joint_p(leave_one_out_p(known), leave_one_out_p(outlyingness))
            self.rehearsal_ = rehearse(log_proba, codes, prompts, own_p, looks, type(chosen.calibrator))
        self.training_ = Training(
            n_images={str(name): int(n) for name, n in zip(self.classes_, np.bincount(codes[first]), strict=True)},
            n_groups=len(first) if own_groups is None else int(own_groups.max()) + 1,
            n_folds=int(fold.max()) + 1,
            accuracy=float((log_proba.argmax(axis=1) == codes).mean()),
            log_loss=float(-log_proba[np.arange(len(codes)), codes].mean()),
            leak_free=not notes,
            notes=(*notes, *self.rejector_.notes),
        )
        self.discriminants_ = references.discriminants(np.arange(len(codes)))
        return self

    @property
    def smallest_p(self) -> float:
        """The smallest open-set p-value that the number of references allows."""
        return min(
            self.open_set_.smallest / (1 - OUTLYING_SHARE),
            self.outlying_.smallest / OUTLYING_SHARE,
        )

    def predict_proba(self, X: ArrayLike) -> Float:
        """Return calibrated probabilities among the candidates, shape (n, K)."""
        _, fused = self._judge(X)
        return np.asarray(np.exp(self.calibration_.calibrator.transform(fused)))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable candidate of each row, whatever the doubt; shape (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def answer(self, X: ArrayLike) -> Answers:
        """Return probabilities, conformal sets, open-set p-values and evidence for `X`, shape (n, d)."""
        judged, fused = self._judge(X)
        calibrator = self.calibration_.calibrator
        undoubted = calibrator.undoubted(fused)
        # The thresholds of the sets were found at the temperature of out-of-fold answers. A lower one makes the sets
        # smaller, and they cover the truth only if the discriminants did become that much better.
        as_learned = self.calibration_.as_learned
        unlike = self.open_set_.p_values(self.rejector_.strangeness(judged))
        outlying = self.outlying_.p_values(judged.mean_outlyingness)
        return Answers(
            proba=np.exp(calibrator.doubted(undoubted)),
            undoubted=undoubted,
            prediction_set=self.conformal_.predict_set(np.exp(as_learned.transform(fused))),
            open_set_p=joint_p(unlike, outlying),
            evidence=self._evidence(judged),
            family_proba={
                name: softmax(word / self.temperatures_[name], axis=1)
                for name, word in zip(self.weights_, judged.log_likelihood, strict=True)
            },
        )

    def evidence(self, X: ArrayLike) -> dict[str, Float]:
        """Return the evidence of every family, each of shape (n, K): the same as in :meth:`answer`, and sooner."""
        return self._evidence(self._judge(X)[0])

    def without(self, answers: Answers, family: str) -> Float:
        """Return the probabilities that remain when one family's evidence is withheld, shape (n, K).

        Nothing is fitted anew: what is asked is how much of *these* answers hangs on the family.
        """
        left = log_softmax(answers.undoubted - answers.evidence[family], axis=1)
        return np.asarray(np.exp(self.calibration_.calibrator.doubted(left)))

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the fitted state as named arrays and JSON-able values, for storage without pickle."""
        check_is_fitted(self)
        arrays = {
            f"discriminant.{name}.{part}": np.ascontiguousarray(getattr(fitted, part))
            for name, fitted in self.discriminants_.items()
            for part in Discriminant.__dataclass_fields__
        }
        own, rejector = self.rejector_.to_parts()
        arrays |= {f"rejector.{name}": array for name, array in own.items()}
        arrays |= {f"rehearsal.{name}": array for name, array in self.rehearsal_.to_arrays().items()}
        blocks = self.named_blocks(self.n_features_in_)
        values = {
            "classes": [str(name) for name in self.classes_],
            "n_features": self.n_features_in_,
            # A list, because JSON may be written with sorted keys, and the order of a sum moves its last digit.
            "blocks": [[name, block.start, block.stop] for name, block in blocks.items()],
            "settings": {name: value for name, value in self.get_params().items() if name != "blocks"},
            "weights": self.weights_,
            "calibration": self.calibration_.to_dict(),
            "conformal": self.conformal_.to_dict(),
            "pooling": None if self.pooling_ is None else self.pooling_.to_dict(),
            "rejector": rejector,
            "open_set": self.open_set_.to_dict(),
            "outlying": self.outlying_.to_dict(),
            "temperatures": self.temperatures_,
            "training": asdict(self.training_) | {"notes": list(self.training_.notes)},
        }
        return arrays, values

    @classmethod
    def from_parts(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> FusedAttributor:
        """Rebuild from :meth:`to_parts`.

        Raises
        ------
        ValueError
            An array is not finite or has the wrong shape; other kinds of damage raise KeyError or TypeError.
        """
        blocks = {name: slice(int(start), int(stop)) for name, start, stop in values["blocks"]}
        new = cls(blocks, **values["settings"])
        new.classes_ = np.array(values["classes"])
        if len(set(values["classes"])) != len(values["classes"]) or set(values["training"]["n_images"]) != set(
            values["classes"]
        ):
            raise ValueError("its classes do not agree with one another")
        new.n_features_in_ = int(values["n_features"])
        new.weights_ = {name: float(values["weights"][name]) for name in blocks}
        if min(new.weights_.values()) < 0:
            raise ValueError("a family has a negative weight")
        new.calibration_ = CalibratorChoice.from_dict(values["calibration"])
        new.conformal_ = SplitConformal.from_dict(values["conformal"])
        new.pooling_ = None if values["pooling"] is None else SetPooling.from_dict(values["pooling"])
        new.rejector_ = Rejector.from_parts(_under("rejector.", arrays), values["rejector"])
        new.rehearsal_ = Rehearsal.from_arrays(_under("rehearsal.", arrays))
        if new.rehearsal_.n_classes != len(new.classes_):
            raise ValueError(f"its rehearsal had {new.rehearsal_.n_classes} candidates")
        new.open_set_ = OpenSetModel.from_dict(values["open_set"])
        new.outlying_ = OpenSetModel.from_dict(values["outlying"])
        new.temperatures_ = {name: float(values["temperatures"][name]) for name in blocks}
        new.training_ = Training(**{**values["training"], "notes": tuple(values["training"]["notes"])})
        new.discriminants_ = {
            name: Discriminant(
                **{part: arrays[f"discriminant.{name}.{part}"] for part in Discriminant.__dataclass_fields__}
            )
            for name in blocks
        }
        for name, block in new.named_blocks(new.n_features_in_).items():
            new.discriminants_[name].check(block.stop - block.start, len(new.classes_))
        # Judging any image shows whether the parts fit together.
        new.answer(np.zeros((1, new.n_features_in_)))
        return new

    def _judge(self, X: ArrayLike) -> tuple[Sighting, Float]:
        """Return what the families make of `X`, and their weighted sum, shape (n, K)."""
        check_is_fitted(self)
        # Features come in single precision; what is computed from them is double, whatever they are.
        values = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        judged = judge(self.discriminants_, self.named_blocks(values.shape[1]), values)
        return judged, judged.fuse(np.array(list(self.weights_.values())))

    def _evidence(self, judged: Sighting) -> dict[str, Float]:
        # A temperature divides every family's word alike, so that evidence stays additive on the scale of the answer.
        weights = np.array(list(self.weights_.values()))
        words = 1 / self.calibration_.calibrator.temperature * weights[:, None, None] * judged.log_likelihood
        words -= words.mean(axis=2, keepdims=True)
        return dict(zip(self.weights_, words, strict=True))

    def named_blocks(self, n_features: int) -> dict[str, slice]:
        """Return the columns of each family in `n_features`, after checking `blocks`."""
        if self.blocks is None:
            return {"features": slice(0, n_features)}
        named = {name: slice(*block.indices(n_features)[:2]) for name, block in self.blocks.items()}
        for name, block in self.blocks.items():
            inside = block.step in (None, 1) and (block.stop is None or block.stop <= n_features)
            if not inside or named[name].start >= named[name].stop:
                raise ValueError(
                    f"family {name!r} has the columns {block}, but X has the columns 0 to {n_features - 1}"
                )
        if not named:
            raise ValueError("blocks names no family; leave it out to take all columns as one")
        return named


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _cross_fit(
    found: HeldOut, codes: NDArray[np.integer], fold: NDArray[np.int64], kind: type[SoftmaxCalibrator]
) -> Float:
    """Fuse and calibrate every fold with weights and calibration of the other folds.

    Conformal thresholds must not come from predictions that the weights were fitted to: with few references that alone
    makes sets too small.

    Returns
    -------
    ndarray, shape (n, K)
        Log-probabilities.
    """
    log_proba = np.empty(found.judged.log_likelihood.shape[1:])
    for name in range(int(fold.max()) + 1):
        rows, others = np.flatnonzero(fold == name), np.flatnonzero(fold != name)
        words = found.judged.fuse(found.weights(others))
        log_proba[rows] = kind().fit(words[others], codes[others]).transform(words[rows])
    return log_proba
