"""The table that every trial ends in: what was answered for each image, how surely, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from morelli._files import atomic_path
from morelli.errors import MorelliError

__all__ = ["DECISIONS", "Predictions"]

DECISIONS: Final = ("attributed", "ambiguous", "unknown", "conflict", "unanswered", "unreadable")
"""The words that `Predictions.decision` may hold, from the most to the least definite."""

_SCHEMA_VERSION: Final = 3
_METADATA_KEY: Final = b"morelli.predictions"
_SUM_TOLERANCE: Final = 1e-4
_OBJECTS: Final = ("image_id", "uri", "label", "decision", "judged_as", "error", "unanswered")
_FAMILY_FIELDS: Final = ("evidence", "family_proba", "without_family")

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
ObjectArray = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers of one attributor for n images among K candidates.

    An image that could not be read stays in the table: its `error` says why, its `decision` is ``unreadable`` and its
    numbers are NaN. An image that was read, and for which an attributor that has to be asked named no candidate, stays
    too: `unanswered` says why, its numbers are NaN, and it counts as not right. Lists are taken as arrays; arrays are
    kept without a copy and are read-only through this object.

    Parameters
    ----------
    classes : tuple of str, length K
        The candidates, unique.
    lineages : tuple of (str or None), length K
        Lineage of each candidate; None where it is not known.
    image_id, uri : object array, shape (n,)
        sha256 of the file, and where it was.
    label : object array, shape (n,)
        True label. A label outside `classes` is a model that is not a candidate; None is an image without a label.
    group : int array, shape (n,)
        Prompt cluster of each image: the unit of the bootstrap.
    proba : float array, shape (n, K)
        Calibrated probabilities among the candidates; rows sum to 1, or are all NaN where the image was unreadable or
        no candidate was named.
    prediction_set : bool array, shape (n, K)
        Conformal set; all False where the image was unreadable or no candidate was named.
    open_set_p : float array, shape (n,)
        p-value of "made by one of the candidates", in [0, 1]; NaN where there is none.
    decision : object array, shape (n,)
        One of `DECISIONS`; ``unreadable`` exactly where `error` is set. Where `unanswered` is set it is ``unknown``, if
        that was the answer, or ``unanswered``.
    evidence : dict of str to float array, shape (n, K)
        Per family, the log-likelihood ratio (nats) of each candidate, centred over the candidates and weighted as in
        the fusion. NaN rows where the family had nothing to say.
    family_proba : dict of str to float array, shape (n, K)
        The family's own posterior.
    without_family : dict of str to float array, shape (n, K)
        The fused posterior when that family is left out.
    error : object array, shape (n,)
        None where the image was read, else a sentence.
    judged_as : object array, shape (n,)
        Condition that each image was judged in by an attributor that tells several apart, or ``unfamiliar``; None where
        there is one, or the image was unreadable.
    prompt_known : bool
        Whether `group` comes from prompts. If False each group is only a near-duplicate cluster.
    unanswered : object array, shape (n,), optional
        Why no candidate was named, see `morelli.attributors.answers.NO_ANSWER`; None where one was, or the image was
        unreadable. By default all None: only attributors that have to be asked may stay without an answer.

    Raises
    ------
    MorelliError
        If a shape, a word or a probability is not as above. The sentence names the field and the first bad row.
    """

    classes: tuple[str, ...]
    lineages: tuple[str | None, ...]
    image_id: ObjectArray
    uri: ObjectArray
    label: ObjectArray
    group: IntArray
    proba: FloatArray
    prediction_set: BoolArray
    open_set_p: FloatArray
    decision: ObjectArray
    evidence: dict[str, FloatArray]
    family_proba: dict[str, FloatArray]
    without_family: dict[str, FloatArray]
    error: ObjectArray
    judged_as: ObjectArray
    prompt_known: bool
    unanswered: ObjectArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "classes", tuple(str(name) for name in self.classes))
        set_field(self, "lineages", tuple(self.lineages))
        set_field(self, "prompt_known", bool(self.prompt_known))
        n, k = len(self.image_id), len(self.classes)
        if self.unanswered is None:
            set_field(self, "unanswered", np.full(n, None, dtype=np.object_))
        if k == 0 or len(set(self.classes)) != k:
            raise MorelliError(f"Predictions need at least one candidate and no name twice, got {self.classes!r}.")
        if len(self.lineages) != k:
            raise MorelliError(
                f"Predictions: {len(self.lineages)} lineages for {k} candidates; give one (or None) each."
            )
        for name in _OBJECTS:
            set_field(self, name, _frozen(_objects(getattr(self, name)), name, (n,)))
        set_field(self, "group", _frozen(_integers(self.group), "group", (n,)))
        set_field(self, "proba", _frozen(np.asarray(self.proba, np.float64), "proba", (n, k)))
        set_field(self, "prediction_set", _frozen(np.asarray(self.prediction_set, np.bool_), "prediction_set", (n, k)))
        set_field(self, "open_set_p", _frozen(np.asarray(self.open_set_p, np.float64), "open_set_p", (n,)))
        for name in _FAMILY_FIELDS:
            blocks: Mapping[str, Any] = getattr(self, name)
            set_field(
                self,
                name,
                {
                    str(family): _frozen(np.asarray(block, np.float64), f"{name}[{family!r}]", (n, k))
                    for family, block in blocks.items()
                },
            )
        self._check_values()

    def _check_values(self) -> None:
        readable, answered = self.readable, self.answered
        silent = readable & ~answered
        unknown_words = ~np.isin(self.decision.astype(str), DECISIONS)
        _refuse(unknown_words, f"decision must be one of {', '.join(DECISIONS)}")
        _refuse((self.decision == "unreadable") == readable, 'decision is "unreadable" exactly where error is set')
        _refuse(
            silent & ~np.isin(self.decision.astype(str), ("unknown", "unanswered")),
            'decision is "unknown" or "unanswered" where unanswered is set',
        )
        _refuse(answered & (self.decision == "unanswered"), 'decision is "unanswered" only where unanswered is set')
        reasons = np.array([reason is not None for reason in self.unanswered], dtype=np.bool_)
        _refuse(~readable & reasons, "unanswered must be None where error is set")
        _refuse(~answered & ~np.isnan(self.proba).all(axis=1), "proba must be NaN where no candidate was named")
        _refuse(~answered & self.prediction_set.any(axis=1), "prediction_set must be empty where none was named")
        with np.errstate(invalid="ignore"):
            off = ~(np.abs(self.proba.sum(axis=1) - 1.0) <= _SUM_TOLERANCE) | (self.proba < 0.0).any(axis=1)
            outside = (self.open_set_p < 0.0) | (self.open_set_p > 1.0)
        _refuse(answered & off, "proba must be probabilities that sum to 1 where a candidate was named")
        _refuse(outside, "open_set_p must lie in [0, 1]")

    def __len__(self) -> int:
        return len(self.image_id)

    @cached_property
    def readable(self) -> BoolArray:
        """Whether each image was read, shape (n,)."""
        return np.array([error is None for error in self.error], dtype=np.bool_)

    @cached_property
    def answered(self) -> BoolArray:
        """Whether a candidate was named for each image, shape (n,)."""
        return self.readable & np.array([reason is None for reason in self.unanswered], dtype=np.bool_)

    @cached_property
    def y(self) -> IntArray:
        """Index of each true label in `classes`, shape (n,); -1 where it is not a candidate or there is no label."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([-1 if label is None else index.get(label, -1) for label in self.label], dtype=np.int64)

    @property
    def labelled(self) -> BoolArray:
        """Whether each image has a label, shape (n,)."""
        return np.array([label is not None for label in self.label], dtype=np.bool_)

    @property
    def known(self) -> BoolArray:
        """Readable images whose true label is a candidate, shape (n,): the rows that accuracy is about."""
        return self.readable & (self.y >= 0)

    @property
    def unknown(self) -> BoolArray:
        """Readable images whose true label is known but no candidate, shape (n,): the rows of the open-set test."""
        return self.readable & self.labelled & (self.y < 0)

    @cached_property
    def top(self) -> IntArray:
        """Index of the most probable candidate, shape (n,); the first of equals; -1 where none was named."""
        filled = np.where(np.isnan(self.proba), -1.0, self.proba)
        return np.where(self.answered, filled.argmax(axis=1), -1).astype(np.int64)

    @cached_property
    def confidence(self) -> FloatArray:
        """Probability of the most probable candidate, shape (n,); NaN where none was named."""
        filled = np.where(np.isnan(self.proba), -1.0, self.proba).max(axis=1)
        return np.asarray(np.where(self.answered, filled, np.nan), dtype=np.float64)

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families, in the order of `evidence`, then any that only have a posterior."""
        return tuple(dict.fromkeys((*self.evidence, *self.family_proba, *self.without_family)))

    def take(self, index: npt.ArrayLike) -> Predictions:
        """Return the rows at `index` (integers or a boolean mask), in that order."""
        rows = np.asarray(index)
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        values: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _FAMILY_FIELDS:
                values[field.name] = {family: block[rows] for family, block in value.items()}
            else:
                values[field.name] = value[rows] if isinstance(value, np.ndarray) else value
        return Predictions(**values)

    @classmethod
    def concat(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join the rows of several predictions, usually the folds of one trial.

        Parameters
        ----------
        parts : sequence of Predictions, at least one
            All with the same candidates, lineages and families, in the same order. `group` numbers must mean the same
            prompt cluster in all of them, as they do when they come from one catalog.

        Raises
        ------
        MorelliError
            If the parts do not fit each other.
        """
        if not parts:
            raise MorelliError("There are no predictions to join.")
        first = parts[0]
        for part in parts[1:]:
            if part.classes != first.classes or part.lineages != first.lineages:
                raise MorelliError(
                    "Predictions with different candidates cannot be joined; fit every fold on the same."
                )
            for name in _FAMILY_FIELDS:
                if tuple(getattr(part, name)) != tuple(getattr(first, name)):
                    raise MorelliError(f"Predictions with different families in {name} cannot be joined.")
        values: dict[str, Any] = {
            "classes": first.classes,
            "lineages": first.lineages,
            "prompt_known": all(part.prompt_known for part in parts),
        }
        for name in (*_OBJECTS, "group", "proba", "prediction_set", "open_set_p"):
            values[name] = np.concatenate([getattr(part, name) for part in parts])
        for name in _FAMILY_FIELDS:
            families = getattr(first, name)
            values[name] = {f: np.concatenate([getattr(part, name)[f] for part in parts]) for f in families}
        return cls(**values)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a Parquet file: one row per image, vectors as list columns, the rest as JSON in the schema's metadata.

        The columns ``answer`` and ``probability`` repeat the most probable candidate for people who open the file with
        DuckDB or polars; `read` ignores them.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        n, k = self.proba.shape
        top = [self.classes[i] if i >= 0 else None for i in self.top]
        columns: dict[str, Any] = {name: pa.array(list(getattr(self, name)), pa.string()) for name in _OBJECTS}
        columns["group"] = pa.array(self.group, pa.int64())
        columns["answer"] = pa.array(top, pa.string())
        columns["probability"] = pa.array(self.confidence, pa.float64())
        columns["open_set_p"] = pa.array(self.open_set_p, pa.float64())
        flat_set = pa.array(self.prediction_set.reshape(-1), pa.bool_())
        columns["proba"] = pa.FixedSizeListArray.from_arrays(pa.array(self.proba.reshape(-1)), k)
        columns["prediction_set"] = pa.FixedSizeListArray.from_arrays(flat_set, k)
        for name in _FAMILY_FIELDS:
            for family, block in getattr(self, name).items():
                columns[f"{name}/{family}"] = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), k)
        about = {
            "schema_version": _SCHEMA_VERSION,
            "classes": self.classes,
            "lineages": self.lineages,
            "families": {name: list(getattr(self, name)) for name in _FAMILY_FIELDS},
            "prompt_known": self.prompt_known,
            "rows": n,
        }
        encoded = json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
        table = pa.table(columns).replace_schema_metadata({_METADATA_KEY: encoded})
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Predictions:
        """Read what `write` wrote.

        Raises
        ------
        MorelliError
            If the file is missing, is not Parquet, or was not written by `write`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not Path(path).is_file():
            raise MorelliError(f"{path}: there is no such file; give the Parquet file that `morelli evaluate` wrote.")
        try:
            table = pq.read_table(path, partitioning=None)
        except (pa.ArrowInvalid, OSError) as problem:
            raise MorelliError(f"{path}: cannot be read as Parquet ({problem}).") from problem
        encoded = (table.schema.metadata or {}).get(_METADATA_KEY)
        if encoded is None:
            raise MorelliError(f"{path}: is Parquet, but holds no Morelli predictions.")
        try:
            return cls._from_table(table, json.loads(encoded))
        except (KeyError, TypeError, ValueError) as problem:
            raise MorelliError(f"{path}: its predictions are damaged or of another version ({problem}).") from problem

    @classmethod
    def _from_table(cls, table: Any, about: Mapping[str, Any]) -> Predictions:
        if about["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"schema version {about['schema_version']}, this Morelli reads {_SCHEMA_VERSION}")
        n, k = table.num_rows, len(about["classes"])

        def vectors(name: str) -> npt.NDArray[Any]:
            flat = table.column(name).combine_chunks().flatten()
            values: npt.NDArray[Any] = flat.to_numpy(zero_copy_only=False).reshape(n, k)
            return values

        values: dict[str, Any] = {name: _objects(table.column(name).to_pylist()) for name in _OBJECTS}
        values |= {name: table.column(name).to_numpy() for name in ("group", "open_set_p")}
        values |= {name: vectors(name) for name in ("proba", "prediction_set")}
        for name in _FAMILY_FIELDS:
            values[name] = {family: vectors(f"{name}/{family}") for family in about["families"][name]}
        return cls(
            classes=tuple(about["classes"]),
            lineages=tuple(about["lineages"]),
            prompt_known=about["prompt_known"],
            **values,
        )


def _objects(values: Any) -> ObjectArray:
    """Return a one-dimensional object array; numpy would make a string array, and None the string "None"."""
    if isinstance(values, np.ndarray) and values.dtype == np.object_:
        return values
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    array = np.empty(len(items), dtype=np.object_)
    array[:] = items
    return array


def _integers(values: Any) -> IntArray:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise MorelliError(f"Predictions: group must hold integers, got {array.dtype}.")
    return array.astype(np.int64, copy=False)


def _frozen(array: npt.NDArray[Any], name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Check a shape and return a read-only view, so that the caller's own array stays writable."""
    if array.shape != shape:
        raise MorelliError(f"Predictions: {name} has shape {array.shape}, expected {shape}.")
    view = array.view()
    view.flags.writeable = False
    return view


def _refuse(bad: npt.NDArray[Any], rule: str) -> None:
    if bad.any():
        raise MorelliError(f"Predictions: {rule}; row {int(np.argmax(bad))} breaks it ({int(bad.sum())} rows in all).")
