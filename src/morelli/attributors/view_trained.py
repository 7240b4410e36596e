"""An attributor that knows its references degraded as well: an expert for each view, and a gate that picks one.

What tells generators apart in an untouched image is not what is left of it after it was halved and compressed. One
discriminant for all conditions has to ignore both; an expert for each condition can use what survives in it, with
weights, calibration, conformal threshold and open-set scores of that condition. So an image in poor condition is judged
with less evidence and more doubt, and an untouched one as if the others did not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from morelli.attributors._settings import FusedSettings
from morelli.attributors.answers import Answers, Training
from morelli.attributors.background import Background
from morelli.attributors.calibrator_choice import CalibratorChoice
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.familiarity import Gate, UnfamiliarPool
from morelli.attributors.fused import FusedAttributor
from morelli.attributors.pooling import SetPooling
from morelli.attributors.rehearsal import Rehearsal
from morelli.attributors.strangeness import max_probability_score

__all__ = ["UNFAMILIAR", "ViewTrainedAttributor"]

Float = NDArray[np.float64]

UNFAMILIAR = "unfamiliar"
"""What an image is judged as that resembles none of the views."""


class ViewTrainedAttributor(FusedSettings):
    """Fused attributors, each fitted to the references in one view, and a discriminant that chooses among them.

    Parameters
    ----------
    blocks, shrinkage, within_share, n_folds, level, set_method, set_per_class, random_state
        As for :class:`~morelli.attributors.FusedAttributor`, for every expert.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        Candidates, sorted; every view has to show all of them.
    experts_ : dict of str to FusedAttributor
        By view, in the order in which the views first occur in the rows. The first is home: what an attributor says of
        itself (`training_`, `weights_` and so on) is said of this one.
    gate_ : Gate
        Tells the views apart by all features together; only where there are several.
    pool_ : UnfamiliarPool
        For images that resemble none; only where there are several views, and `fit` was told which rows are one image.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y, views = np.tile(np.repeat(["ada", "bob"], 20), 2), np.repeat(["none", "blur:2"], 40)
    >>> X = rng.normal(size=(80, 3)) + 4 * np.stack([y == "ada", y == "bob", views == "none"], axis=1)
    >>> attributor = ViewTrainedAttributor().fit(X, y, views=views)
    >>> answers = attributor.answer([[4, 0, 4], [4, 0, 0]])
    >>> answers.judged_as.tolist(), attributor.classes_[answers.proba.argmax(axis=1)].tolist()
    (['none', 'blur:2'], ['ada', 'ada'])
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        views: ArrayLike | None = None,
        images: ArrayLike | None = None,
        within: NDArray[np.floating] | None = None,
        n_contrasts: NDArray[np.integer] | None = None,
        background: Background | None = None,
    ) -> ViewTrainedAttributor:
        """Fit to references that were measured in several views.

        Parameters
        ----------
        X, y, groups, within, n_contrasts, background
            As for :meth:`FusedAttributor.fit`, with a row for each image and view.
        views : array-like of str, shape (n,), optional
            View of each row; by default all are in one.
        images : array-like, shape (n,), optional
            Image that each row shows. Without it nothing can be learned about views that training never saw, and an
            image in such a condition goes to the expert for the view that it resembles most.

        Raises
        ------
        NotEnoughDataError
            As :meth:`FusedAttributor.fit`, for the rows of any one view.
        ValueError
            As there, or a view does not show all classes.
        """
        values, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=1)
        names = np.full(len(labels), "none", dtype=object) if views is None else np.asarray(views, dtype=object)
        if names.shape != (len(labels),):
            raise ValueError(f"views has shape {names.shape}; expected one entry for each of {len(labels)} rows")
        order = list(dict.fromkeys(names.tolist()))
        ids = None if images is None else np.unique(np.asarray(images), return_inverse=True)[1]
        self.experts_: dict[str, FusedAttributor] = {}
        for view in order:
            rows = np.flatnonzero(names == view)
            self.experts_[view] = FusedAttributor(**self.get_params()).fit(
                values[rows],
                labels[rows],
                None if groups is None else np.asarray(groups)[rows],
                within=None if within is None else within[rows],
                n_contrasts=None if n_contrasts is None else n_contrasts[rows],
                images=None if ids is None else ids[rows],
                twins=None if ids is None or len(order) == 1 else _twins(values, ids, rows),
                background=None if background is None else background.seen_through(view),
            )
            if not np.array_equal(self.experts_[view].classes_, self.experts_[order[0]].classes_):
                raise ValueError(f"view {view!r} does not show the same classes as view {order[0]!r}")
        self.classes_ = self.home.classes_
        if len(order) > 1:
            codes = np.array([order.index(view) for view in names])
            grouped = ids if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
            self.gate_ = Gate.fit(
                values, codes, grouped, self.home.named_blocks(values.shape[1]), self.shrinkage, self.random_state
            )
            if ids is not None:
                self._fit_pool(values, np.searchsorted(self.classes_, labels), codes, ids)
        return self

    def _fit_pool(self, X: Float, y: NDArray[np.integer], views: NDArray[np.integer], ids: NDArray[np.integer]) -> None:
        """Learn what the experts for the other views are worth, view by view."""
        n_views = len(self.experts_)
        words = np.full((len(y), n_views, len(self.classes_)), np.nan)
        for number, expert in enumerate(self.experts_.values()):
            _, rows = _others(ids, np.flatnonzero(views == number))
            words[rows, number] = expert.twins_log_proba_
            del expert.twins_log_proba_
        # A view with several pictures of an image is a random one: it covers many conditions, and its expert is asked
        # about those that nobody has seen. Without one, all the others have to do.
        shown = np.bincount(views, minlength=n_views)
        random = np.array([shown[view] > len(np.unique(ids[views == view])) for view in range(n_views)])
        fixed = np.flatnonzero(~random) if random.any() and not random.all() else np.arange(n_views)
        asked = np.arange(n_views) != views[:, None]
        if len(fixed) < n_views:
            asked &= random
        rows = np.flatnonzero(np.isin(views, fixed) & (np.isfinite(words[:, :, 0]) | ~asked).all(axis=1))
        if len(np.unique(views[rows])) == len(fixed):
            self.pool_ = UnfamiliarPool.fit(
                words[rows],
                self.gate_.log_likelihood(X[rows]),
                asked[rows],
                y[rows],
                views[rows],
                self.level,
                self.set_method,
                self.set_per_class,
            )

    @property
    def home(self) -> FusedAttributor:
        """The expert for the first view."""
        return next(iter(self.experts_.values()))

    @property
    def training_(self) -> Training:
        """Facts about the fit in the first view."""
        return self.home.training_

    @training_.setter
    def training_(self, value: Training) -> None:
        self.home.training_ = value

    @property
    def weights_(self) -> dict[str, float]:
        """Weight of each family in the first view."""
        return self.home.weights_

    @property
    def calibration_(self) -> CalibratorChoice:
        """Of the first view."""
        return self.home.calibration_

    @property
    def conformal_(self) -> SplitConformal:
        """Of the first view."""
        return self.home.conformal_

    @property
    def pooling_(self) -> SetPooling | None:
        """How answers for images of one model go together, as learned in the first view; for images in any."""
        return self.home.pooling_

    @property
    def rehearsal(self) -> Rehearsal:
        """What was answered about the references out of fold, in the first view; `experts_` have those of others."""
        return self.home.rehearsal_

    @property
    def smallest_p(self) -> float:
        """The smallest open-set p-value that the number of references allows in the first view."""
        return self.home.smallest_p

    def choose(self, X: ArrayLike) -> NDArray[np.object_]:
        """Return what each row of `X`, shape (n, d), is judged as: the view that it resembles, or `UNFAMILIAR`."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        views = np.array(list(self.experts_), dtype=object)
        if len(views) == 1:
            return np.repeat(views, len(values))
        chosen = np.asarray(views[self.gate_.log_likelihood(values).argmax(axis=1)])
        if hasattr(self, "pool_"):
            chosen[~self.gate_.familiar(values)] = UNFAMILIAR
        return chosen

    def predict_proba(self, X: ArrayLike) -> Float:
        """Return calibrated probabilities among the candidates, shape (n, K)."""
        return self.answer(X).proba

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable candidate of each row, whatever the doubt; shape (n,)."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def answer(self, X: ArrayLike) -> Answers:
        """Judge each row of `X`, shape (n, d), by the expert for the view that it resembles."""
        check_is_fitted(self)
        if len(self.experts_) == 1:
            return self.home.answer(X)
        chosen = self.choose(X)
        values = np.asarray(X, dtype=np.float64)
        parts: list[Answers] = []
        rows: list[NDArray[np.intp]] = []
        for view, expert in self.experts_.items():
            where = np.flatnonzero(chosen == view)
            if len(where):
                parts.append(expert.answer(values[where]))
                rows.append(where)
        where = np.flatnonzero(chosen == UNFAMILIAR)
        if len(where):
            parts.append(self._pooled(values[where]))
            rows.append(where)
        back = np.argsort(np.concatenate(rows), kind="stable")

        def joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate(arrays)[back]

        return Answers(
            proba=joined([part.proba for part in parts]),
            undoubted=joined([part.undoubted for part in parts]),
            prediction_set=joined([part.prediction_set for part in parts]),
            open_set_p=joined([part.open_set_p for part in parts]),
            evidence={name: joined([part.evidence[name] for part in parts]) for name in self.weights_},
            family_proba={name: joined([part.family_proba[name] for part in parts]) for name in self.weights_},
            judged_as=chosen,
        )

    def evidence_in_parts(self, whole: ArrayLike, parts: ArrayLike) -> dict[str, Float]:
        """Return the evidence of every family in parts of one image, as those hear it who judge the whole.

        The gate is asked about the whole only: a part is a smaller sample, and would look like another condition.

        Parameters
        ----------
        whole : array-like, shape (1, d)
            Features of the image.
        parts : array-like, shape (n, d)
            Features of its parts, measured like an image each.

        Returns
        -------
        dict of str to ndarray, shape (n, K)
            As in :class:`~morelli.attributors.answers.Answers`; with `whole` as a part, what :meth:`answer` says of it.
        """
        check_is_fitted(self)
        (judged_as,) = self.choose(whole)
        if judged_as != UNFAMILIAR:
            return self.experts_[judged_as].evidence(parts)
        (shares,) = self.pool_.shares(self.gate_.log_likelihood(np.asarray(whole, dtype=np.float64)))
        heard = [expert.evidence(parts) for expert in self.experts_.values()]
        return {name: np.tensordot(shares, np.stack([one[name] for one in heard]), axes=1) for name in self.weights_}

    def _pooled(self, X: Float) -> Answers:
        """Judge rows that resemble no view by all experts."""
        shares = self.pool_.shares(self.gate_.log_likelihood(X))
        answers = [expert.answer(X) for expert in self.experts_.values()]

        def mixed(words: list[Float]) -> Float:
            return np.asarray(np.einsum("ne,enk->nk", shares, np.stack(words)))

        undoubted = log_softmax(mixed([np.log(np.maximum(one.proba, 1e-20)) for one in answers]), axis=1)
        log_proba = self.pool_.calibrator.doubted(undoubted)
        proba = np.exp(log_proba)
        return Answers(
            proba=proba,
            undoubted=undoubted,
            prediction_set=self.pool_.conformal.predict_set(proba),
            open_set_p=self.pool_.open_set.p_values(max_probability_score(log_proba)),
            evidence={name: mixed([one.evidence[name] for one in answers]) for name in self.weights_},
            family_proba={name: np.mean([one.family_proba[name] for one in answers], axis=0) for name in self.weights_},
        )

    def without(self, answers: Answers, family: str) -> Float:
        """Return the probabilities that remain when one family's evidence is withheld, shape (n, K)."""
        return self.home.without(answers, family)

    def to_parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the fitted state as named arrays and JSON-able values, for storage without pickle."""
        check_is_fitted(self)
        arrays: dict[str, NDArray[Any]] = {}
        experts = []
        for number, (view, expert) in enumerate(self.experts_.items()):
            own, values = expert.to_parts()
            arrays |= {f"view{number}.{name}": array for name, array in own.items()}
            experts.append({"view": view, **values})
        shared: dict[str, Any] = {name: experts[0][name] for name in ("classes", "n_features", "blocks", "settings")}
        if len(self.experts_) > 1:
            own, shared["gate"] = self.gate_.to_parts()
            arrays |= {f"gate.{name}": array for name, array in own.items()}
            shared["pool"] = self.pool_.to_dict() if hasattr(self, "pool_") else None
        return arrays, {**shared, "experts": experts}

    @classmethod
    def from_parts(cls, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> ViewTrainedAttributor:
        """Rebuild from :meth:`to_parts`.

        Raises
        ------
        ValueError
            An array is not finite or has the wrong shape; other kinds of damage raise KeyError or TypeError.
        """
        blocks = {name: slice(int(start), int(stop)) for name, start, stop in values["blocks"]}
        new = cls(blocks, **values["settings"])
        new.experts_ = {}
        for number, state in enumerate(values["experts"]):
            prefix = f"view{number}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            if any(state[name] != values[name] for name in ("classes", "n_features", "blocks", "settings")):
                raise ValueError("its experts do not agree with one another")
            if not isinstance(state["view"], str) or state["view"] == UNFAMILIAR:
                raise ValueError(f"{state['view']!r} is no view")
            new.experts_[state["view"]] = FusedAttributor.from_parts(own, state)
        if len(new.experts_) != len(values["experts"]) or not new.experts_:
            raise ValueError("its views are not different, or there is none")
        new.classes_, new.n_features_in_ = new.home.classes_, new.home.n_features_in_
        if len(new.experts_) > 1:
            n = new.n_features_in_
            own = {name.removeprefix("gate."): array for name, array in arrays.items() if name.startswith("gate.")}
            new.gate_ = Gate.from_parts(own, values["gate"], new.home.named_blocks(n), n, len(new.experts_))
            if values["pool"] is not None:
                new.pool_ = UnfamiliarPool.from_dict(values["pool"], len(new.experts_))
        new.answer(np.zeros((1, new.n_features_in_)))
        return new


def _others(ids: NDArray[np.integer], rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for all rows outside `rows` that show an image of theirs: its place in `rows`, and the row itself."""
    place = np.full(int(ids.max()) + 1, -1, dtype=np.intp)
    place[ids[rows]] = np.arange(len(rows))
    outside = np.ones(len(ids), dtype=np.bool_)
    outside[rows] = False
    found = np.flatnonzero(outside & (place[ids] >= 0))
    return place[ids[found]], found


def _twins(X: Float, ids: NDArray[np.integer], rows: NDArray[np.intp]) -> tuple[Float, NDArray[np.intp]]:
    """Return the other pictures of the images in `rows`, and which of `rows` each belongs to."""
    places, found = _others(ids, rows)
    return X[found], places
