from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.encoders.features import Features
from morelli.errors import MorelliError


def make(n: int = 5, failed: tuple[int, ...] = (3,), seed: int = 0, **changes: Any) -> Features:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 7)).astype(np.float32)
    within = rng.standard_normal((n, 2, 7)).astype(np.float32)
    error = np.full(n, None, dtype=object)
    for row in failed:
        x[row] = within[row] = np.nan
        error[row] = "it is broken"
    values: dict[str, Any] = {
        "X": x,
        "within": within,
        "n_contrasts": np.full(n, 2, dtype=np.int8),
        "blocks": {"colour": slice(0, 3), "layout": slice(3, 7)},
        "image_id": np.array([f"{seed}-{row}" for row in range(n)], dtype=object),
        "short_side": np.full(n, 256, dtype=np.int32),
        "jpeg_quality": np.full(n, np.nan, dtype=np.float32),
        "blur": np.full(n, 0.25, dtype=np.float32),
        "bucket": np.full(n, "small/clean", dtype=object),
        "error": error,
        "recipe_hash": "0123456789abcdef",
    }
    return Features(**{**values, **changes})


def test_rows_and_columns() -> None:
    features = make()
    assert len(features) == 5
    assert features.ok.tolist() == [True, True, True, False, True]
    assert repr(features) == "Features(5 images, 1 with errors, 7 features, view none)"
    np.testing.assert_array_equal(features.family("layout"), features.X[:, 3:])
    with pytest.raises(MorelliError, match=r"no family 'residual'; there are: colour, layout"):
        features.family("residual")


def test_take_by_rows_and_by_mask() -> None:
    features = make()
    taken = features.take([4, 0, 0])
    assert taken.image_id.tolist() == ["0-4", "0-0", "0-0"]
    np.testing.assert_array_equal(taken.within, features.within[[4, 0, 0]])
    good = features.take(features.ok)
    assert len(good) == 4 and good.ok.all() and good.blocks == features.blocks
    assert len(features.take([])) == 0


@pytest.mark.parametrize("rows", [[5], [-1], [0.5], [[0]], [True, False]])
def test_rows_that_are_not_there(rows: list[Any]) -> None:
    with pytest.raises(MorelliError):
        make().take(rows)


@given(st.integers(0, 6), st.data())
def test_concat_undoes_take(n: int, data: st.DataObject) -> None:
    features = make(n, failed=())
    cut = data.draw(st.integers(0, n))
    joined = Features.concat([features.take(np.arange(cut)), features.take(np.arange(cut, n))])
    for field in fields(Features):
        one, other = getattr(joined, field.name), getattr(features, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other


@pytest.mark.parametrize(
    "change",
    [
        {"recipe_hash": "fedcba9876543210"},
        {"view": "jpeg:75"},
        {"blocks": {"colour": slice(0, 4), "layout": slice(4, 7)}},
    ],
)
def test_what_differs_is_not_put_together(change: dict[str, Any]) -> None:
    with pytest.raises(MorelliError, match="cannot be put together"):
        Features.concat([make(), replace(make(), **change)])


def test_nothing_cannot_be_put_together() -> None:
    with pytest.raises(MorelliError, match="no features"):
        Features.concat([])


@pytest.mark.parametrize(
    "change",
    [
        {"X": np.zeros(7, dtype=np.float32)},
        {"X": np.zeros((5, 7))},
        {"within": np.zeros((5, 7), dtype=np.float32)},
        {"n_contrasts": np.zeros(5, dtype=np.int64)},
        {"image_id": np.array(["a", "b"], dtype=object)},
        {"blocks": {"colour": slice(0, 3)}},
        {"blocks": {"colour": slice(0, 3), "layout": slice(4, 7)}},
        {"blocks": {"colour": slice(0, 8)}},
        {"error": np.full(5, None, dtype=object)},
    ],
)
def test_parts_that_do_not_fit(change: dict[str, Any]) -> None:
    with pytest.raises(MorelliError):
        make(**change)
