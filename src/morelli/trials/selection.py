"""Which images take part: filters on any column, so many of each class, and never one prompt on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from morelli.catalog import Catalog
from morelli.errors import MorelliError

__all__ = ["EVERYTHING", "Selection", "leave_out_groups", "nested_rows"]

Rows = NDArray[np.int64]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows of a catalog.

    Parameters
    ----------
    where : mapping of str to a value or a list of values
        Columns and what they have to hold; None stands for null. A column of numbers takes them as text too, as they
        are written by :meth:`morelli.catalog.Catalog.text`.
    unless : mapping of str to a value or a list of values
        Columns and what they must not hold.
    per_class : int, optional
        At most so many rows of each class, taken prompt by prompt in one random order for all classes: fewer are
        always a part of more, and classes have images of the same prompts where they can.

    Raises
    ------
    MorelliError
        A value is of no type that a column has, or `per_class` is less than 1.

    Examples
    --------
    >>> Selection(where={"domain": "people"}, per_class=3).describe()
    'domain = people, 3 of each class'
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    unless: Mapping[str, Any] = field(default_factory=dict)
    per_class: int | None = None

    def __post_init__(self) -> None:
        for name in ("where", "unless"):
            values = getattr(self, name)
            object.__setattr__(self, name, {column: _listed(values[column]) for column in sorted(values)})
        if self.per_class is not None and self.per_class < 1:
            raise MorelliError(f"A selection takes at least one image of each class, not {self.per_class}.")

    def mask(self, catalog: Catalog) -> NDArray[np.bool_]:
        """Return which rows the filters keep, bool (n,).

        Raises
        ------
        MorelliError
            A column does not exist, or holds values of another type.
        """
        keep = np.ones(len(catalog), dtype=np.bool_)
        for column, values in self.where.items():
            keep &= _holds(catalog, column, values)
        for column, values in self.unless.items():
            keep &= ~_holds(catalog, column, values)
        return keep

    def describe(self) -> str:
        """Say in a few words what is selected."""
        parts = [f"{column} = {' or '.join(map(str, values))}" for column, values in self.where.items()]
        parts += [f"{column} not {' or '.join(map(str, values))}" for column, values in self.unless.items()]
        if self.per_class is not None:
            parts.append(f"{self.per_class} of each class")
        return ", ".join(parts) or "all images"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without what is not used."""
        plain: dict[str, Any] = {}
        if self.where:
            plain["where"] = {column: list(values) for column, values in self.where.items()}
        if self.unless:
            plain["unless"] = {column: list(values) for column, values in self.unless.items()}
        if self.per_class is not None:
            plain["per_class"] = self.per_class
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Selection:
        """Rebuild what `to_dict` gave, or what a file holds.

        Raises
        ------
        MorelliError
            A key is unknown or a value of the wrong kind.
        """
        if not isinstance(values, Mapping):
            raise MorelliError(f"A selection is a table of where, unless and per_class, not {values!r}.")
        foreign = sorted(str(name) for name in set(values) - {"where", "unless", "per_class"})
        if foreign:
            raise MorelliError(f"A selection has where, unless and per_class, not {', '.join(foreign)}.")
        filters = {}
        for name in ("where", "unless"):
            filters[name] = values.get(name, {})
            if not isinstance(filters[name], Mapping):
                raise MorelliError(f"{name} is a table of columns and values, not {filters[name]!r}.")
        count = values.get("per_class")
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise MorelliError(f"per_class is a whole number, not {count!r}.")
        return cls(per_class=count, **filters)


EVERYTHING = Selection()


def nested_rows(rows: Rows, labels: NDArray[np.object_], groups: Rows, count: int | None, seed: Sequence[int]) -> Rows:
    """Return at most `count` rows of each label, group by group in a random order.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        What may be taken.
    labels, groups : ndarray, shape (n,)
        Of all images.
    count : int or None
        None takes all.
    seed : sequence of int
        Decides the order of groups. Fewer rows are always a part of more.

    Returns
    -------
    ndarray of int64
        Sorted.
    """
    if count is None or not len(rows):
        return rows
    names, group = np.unique(groups[rows], return_inverse=True)
    turn = np.random.default_rng(list(seed)).permutation(len(names))[group]
    ordered = rows[np.argsort(turn, kind="stable")]
    own = labels[ordered].astype(str)
    return np.sort(np.concatenate([ordered[own == name][:count] for name in np.unique(own)]))


def leave_out_groups(train: Rows, test: Rows, groups: Rows) -> Rows:
    """Return the rows of `train` whose group has no row in `test`."""
    return train[~np.isin(groups[train], np.unique(groups[test]))]


def _listed(value: Any) -> tuple[Value, ...]:
    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    values = [item.item() if isinstance(item, np.generic) else item for item in values]
    foreign = [item for item in values if item is not None and not isinstance(item, str | int | float | bool)]
    if foreign:
        raise MorelliError(f"Columns hold words, numbers, true and false; {foreign[0]!r} is none of these.")
    return tuple(sorted(values, key=lambda item: (item is not None, str(item))))


def _holds(catalog: Catalog, column: str, values: Sequence[Value]) -> NDArray[np.bool_]:
    catalog.codes(column)  # refuses a column that there is not
    held = catalog.table[column]
    try:
        accepted = pa.array(list(values), type=held.type)
        if pa.types.is_integer(held.type) and accepted.to_pylist() != list(values):
            raise pa.ArrowInvalid("pyarrow cuts fractions off")
    except (pa.ArrowException, OverflowError) as error:
        # Values that came through `Catalog.text`, as the labels of trials do.
        text = catalog.text(column)
        if set(values) <= {*text, None}:
            return np.array([value in values for value in text], dtype=np.bool_)
        raise MorelliError(f"Column {column!r} holds {held.type} values; {list(values)!r} does not fit.") from error
    found: NDArray[np.bool_] = pc.is_in(held, value_set=accepted).to_numpy()
    return found
