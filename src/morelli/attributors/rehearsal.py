"""What a fitted attributor answered about its own references while it did not know them.

Statements about a set of images need to know how answers scatter: how images of one candidate look to an attributor
that has not seen their prompts, and how images look whose model is none of the candidates. Both were found out while
the attributor was fitted: each reference was judged out of fold, and each once while its model was hidden from the
candidates. They are kept with the attributor, as answers; no image or feature can be got back from them.

References that share a prompt are no independent witnesses: whoever draws from a rehearsal draws prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.calibration import SoftmaxCalibrator
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.rejection import Hidden

__all__ = ["OUTLYING_SHARE", "Rehearsal", "joint_p", "leave_one_out_p", "rehearse"]

Float = NDArray[np.float64]

OUTLYING_SHARE: Final = 0.2
"""Share of the open-set level that is spent on images that are like no picture at all; the rest is for other models."""

_STORED: Final[Mapping[str, str]] = {
    "log_proba": "float32",
    "codes": "int32",
    "groups": "int32",
    "open_set_p": "float32",
    "hidden_log_proba": "float16",
    "hidden_codes": "int32",
    "hidden_groups": "int32",
    "hidden_open_set_p": "float32",
}
"""Precision in a file; answers about hidden models serve to learn a distribution, and thousandths suffice for that."""


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Answers about n references, and about m images whose models were hidden from the K candidates.

    Attributes
    ----------
    log_proba : ndarray, shape (n, K)
        Calibrated out-of-fold log-probabilities, each fold fused and calibrated by the others.
    codes : ndarray of int, shape (n,)
        True candidates.
    groups : ndarray of int, shape (n,)
        Prompts (or other groups), numbered from 0.
    open_set_p : ndarray, shape (n,)
        p-values of "made by one of the candidates", each among the other references; in (0, 1].
    hidden_log_proba : ndarray, shape (m, K)
        Of images while their model was hidden; NaN for every candidate that was hidden with it.
    hidden_codes, hidden_groups : ndarray of int, shape (m,)
        The hidden model that made each, and its prompt, numbered as in `groups`.
    hidden_open_set_p : ndarray, shape (m,)
        Among the references whose models were not hidden.
    """

    log_proba: Float
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    open_set_p: Float
    hidden_log_proba: Float
    hidden_codes: NDArray[np.int64]
    hidden_groups: NDArray[np.int64]
    hidden_open_set_p: Float

    def __post_init__(self) -> None:
        n, m, k = len(self.codes), len(self.hidden_codes), self.n_classes
        shapes = {
            "log_proba": (n, k),
            **dict.fromkeys(("codes", "groups", "open_set_p"), (n,)),
            "hidden_log_proba": (m, k),
            **dict.fromkeys(("hidden_codes", "hidden_groups", "hidden_open_set_p"), (m,)),
        }
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} of a rehearsal has shape {np.shape(getattr(self, name))} instead of {shape}")
        if not n or k < 2:
            raise ValueError(f"a rehearsal of {n} references and {k} candidates says nothing")
        for name in ("codes", "hidden_codes"):
            values = getattr(self, name)
            if len(values) and not (values.min() >= 0 and values.max() < k):
                raise ValueError(f"{name} of a rehearsal are not numbers of its {k} candidates")
        if min(self.groups.min(), self.hidden_groups.min(initial=0)) < 0:
            raise ValueError("groups of a rehearsal are not numbered from 0")
        for name in ("open_set_p", "hidden_open_set_p"):
            values = getattr(self, name)
            if not ((values > 0) & (values <= 1)).all():  # written so that NaN fails too
                raise ValueError(f"{name} of a rehearsal are no p-values")
        known = ~np.isnan(self.hidden_log_proba)
        if known[np.arange(m), self.hidden_codes].any() or (known.sum(axis=1) < 2).any():
            raise ValueError("a hidden model of a rehearsal was not hidden, or hardly any candidate was left")
        for proba in (np.exp(self.log_proba), np.where(known, np.exp(self.hidden_log_proba), 0.0)):
            if not (np.abs(proba.sum(axis=1) - 1) < 0.02).all():
                raise ValueError("log_proba of a rehearsal are no logarithms of probabilities")

    @property
    def n_classes(self) -> int:
        """How many candidates there are."""
        return int(np.shape(self.log_proba)[-1])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, in the precision of a file."""
        return {name: np.ascontiguousarray(getattr(self, name), dtype=kind) for name, kind in _STORED.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Rehearsal:
        """Rebuild from :meth:`to_arrays`; ValueError where something cannot be right, KeyError where it is missing."""
        made: dict[str, Any] = {}
        for name, kind in _STORED.items():
            if arrays[name].dtype != kind:
                raise ValueError(f"{name} of a rehearsal is {arrays[name].dtype} instead of {kind}")
            made[name] = arrays[name].astype(np.int64 if kind == "int32" else np.float64)
        return cls(**made)


def rehearse(
    log_proba: Float,
    codes: NDArray[np.integer],
    groups: NDArray[np.integer],
    open_set_p: Float,
    looks: Sequence[Hidden],
    kind: type[SoftmaxCalibrator],
) -> Rehearsal:
    """Put together what was answered about references, in the precision that is kept.

    Parameters
    ----------
    log_proba, codes, groups, open_set_p
        As in :class:`Rehearsal`.
    looks : sequence of Hidden
        What :func:`~morelli.attributors.rejection.fit_rejector` saw; those of hidden models are calibrated here, by
        the others' images in the same look.
    kind : type
        The calibrator of the attributor.
    """
    n_classes = log_proba.shape[1]
    words, rows, p = [], [], []
    for look in looks:
        known, hidden = np.flatnonzero(~look.of_hidden), np.flatnonzero(look.of_hidden)
        calibrator = kind().fit(look.words[known], np.searchsorted(look.known, codes[known]))
        own = np.full((len(hidden), n_classes), np.nan)
        own[:, look.known] = calibrator.transform(look.words[hidden])
        words.append(own)
        rows.append(hidden)
        unlike = OpenSetModel().fit(look.strangeness[known]).p_values(look.strangeness[hidden])
        if look.outlyingness is None:
            p.append(unlike)
        else:
            far = look.outlyingness
            p.append(joint_p(unlike, OpenSetModel().fit(far[known]).p_values(far[hidden])))
    order = np.concatenate(rows) if rows else np.zeros(0, dtype=np.intp)
    made = Rehearsal(
        log_proba,
        np.asarray(codes, dtype=np.int64),
        np.asarray(groups, dtype=np.int64),
        open_set_p,
        np.concatenate(words) if words else np.zeros((0, n_classes)),
        np.asarray(codes[order], dtype=np.int64),
        np.asarray(groups[order], dtype=np.int64),
        np.concatenate(p) if p else np.zeros(0),
    )
    return Rehearsal.from_arrays(made.to_arrays())  # what is read from a bundle is the same to the last bit


def joint_p(unlike: Float, outlying: Float) -> Float:
    """Return one p-value of two by Bonferroni with unequal shares, see :data:`OUTLYING_SHARE`."""
    return np.minimum(1, np.minimum(unlike / (1 - OUTLYING_SHARE), outlying / OUTLYING_SHARE))


def leave_one_out_p(scores: Float) -> Float:
    """Return for each score, shape (n,), its conformal p-value among the other n - 1; in (0, 1]."""
    ordered = np.sort(scores)
    return np.asarray((len(scores) - np.searchsorted(ordered, scores, side="left")) / len(scores), dtype=np.float64)
