from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from morelli.encoders.forensic import Family, Planes, get_family, list_families, register_family
from morelli.encoders.forensic import _registry as registry

FAMILIES = list_families()
REGIONAL = [family for family in FAMILIES if family.name != "layout"]

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def _promised(family: Family) -> tuple[str, int]:
    """Rows and features as the docstring gives them: "shape (regions, 466)"."""
    found = re.search(r"shape \((\w+), (\d+)\)", family.measure.__doc__ or "")
    assert found is not None
    return found[1], int(found[2])


def _noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _extremes() -> dict[str, NDArray[np.uint8]]:
    y, x = np.mgrid[:130, :200]
    flat = {"black": (0, 0, 0), "white": (255,) * 3, "grey": (128,) * 3, "red": (255, 0, 0), "odd": (13, 201, 77)}
    board = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=2)
    return {
        **{name: np.broadcast_to(np.array(rgb, dtype=np.uint8), (130, 200, 3)) for name, rgb in flat.items()},
        "checkerboard": board,
        "stripes": np.repeat((255 * (x % 2)).astype(np.uint8)[..., None], 3, axis=2),
        "colour checkerboard": np.where(board == 0, (255, 0, 0), (0, 255, 255)).astype(np.uint8),
        "blue checkerboard of 2": np.where(((x // 2 + y // 2) % 2)[..., None] == 0, (0, 0, 255), 0).astype(np.uint8),
        "one bright pixel": np.where(((x == 20) & (y == 20))[..., None], 255, np.zeros(3)).astype(np.uint8),
        "black and white noise": 255 * np.random.default_rng(1).integers(0, 2, (130, 200, 3), dtype=np.uint8),
        "ramp": np.repeat(np.clip(x + y - 20, 0, 255).astype(np.uint8)[..., None], 3, axis=2),
        "noise": _noise(130, 200),
    }


EXTREMES = _extremes()


@each_family
def test_family_says_what_it_is(family: Family) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", family.name)
    assert isinstance(family.version, int) and family.version >= 1
    # One sentence, as it is put into lists and reports.
    assert family.summary == family.summary.strip() and "\n" not in family.summary
    assert len(family.summary.split()) >= 4 and ". " not in family.summary
    assert get_family(family.name) is family


@each_family
@pytest.mark.parametrize("picture", list(EXTREMES))
def test_features_are_finite_whatever_the_picture(family: Family, picture: str) -> None:
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        features = family.measure(Planes(EXTREMES[picture]))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() < 1000


@each_family
@settings(max_examples=8, deadline=None)
@given(height=st.integers(64, 400), width=st.integers(64, 400))
@example(64, 64)
@example(64, 127)
@example(129, 65)
@example(128, 255)
@example(64, 4000)
def test_features_are_those_promised_at_any_size(family: Family, height: int, width: int) -> None:
    planes = Planes(_noise(height, width))
    rows, dim = _promised(family)
    features = family.measure(planes)
    assert features.shape == ((planes.regions if rows == "regions" else int(rows)), dim)
    assert features.dtype == np.float32 and np.isfinite(features).all()


@each_family
@pytest.mark.parametrize(("height", "width"), [(64, 64), (131, 197), (300, 421), (700, 520)])
def test_same_pixels_give_the_same_bits(family: Family, height: int, width: int) -> None:
    pixels = _noise(height, width)
    expected = family.measure(Planes(pixels)).tobytes()
    read_only = pixels.copy()
    read_only.flags.writeable = False
    planar = np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)
    # Every other pixel of a larger array, and one stored from right to left.
    apart = np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)[::2, ::2]
    mirrored = pixels[:, ::-1].copy()[:, ::-1]
    for other in (pixels, pixels.copy(), read_only, np.asfortranarray(pixels), planar, apart, mirrored):
        assert family.measure(Planes(other)).tobytes() == expected
    np.testing.assert_array_equal(pixels, _noise(height, width))


@each_family
def test_families_do_not_disturb_each_other(family: Family) -> None:
    """Planes are shared: in whichever order they are used, and however often, the numbers are the same."""
    pixels = _noise(200, 200)
    shared = Planes(pixels)
    for other in reversed(FAMILIES):
        other.measure(shared)
    assert family.measure(shared).tobytes() == family.measure(Planes(pixels)).tobytes()


@pytest.mark.parametrize("family", REGIONAL, ids=lambda family: family.name)
def test_a_region_does_not_see_the_others(family: Family) -> None:
    pixels = _noise(256, 256)
    before = family.measure(Planes(pixels))
    pixels[:128, 128:] //= 2
    after = family.measure(Planes(pixels))
    assert [row.tobytes() for row in before[[0, 2, 3]]] == [row.tobytes() for row in after[[0, 2, 3]]]
    assert not np.array_equal(before[1], after[1])


def test_names_are_unique_and_in_order_of_registration() -> None:
    names = [family.name for family in list_families()]
    assert len(set(names)) == len(names)
    assert list_families() == FAMILIES and list_families() is not list_families()


def test_registering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    def measure(planes: Planes) -> NDArray[np.float32]:
        return np.zeros((planes.regions, 1), dtype=np.float32)

    decorate = register_family("made-up", version=3, summary="nothing at all, of course")
    assert decorate(measure) is measure
    assert get_family("made-up") == list_families()[-1] == Family("made-up", 3, "nothing at all, of course", measure)
    with pytest.raises(ValueError, match="'made-up' is already registered"):
        register_family("made-up", version=4, summary="once more")(measure)
    assert get_family("made-up").version == 3


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError) as caught:
        get_family("astrology")
    assert "astrology" in str(caught.value)
    assert all(family.name in str(caught.value) for family in FAMILIES)
