"""Random journeys, and the conditions that they belong to."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import ViewError
from morelli.views import Parameter, parse_view, register_view
from morelli.views.registry import _VIEWS

KINDS = pytest.mark.parametrize("kind", ["resaved", "shrunk"])
NUMBERS = range(1, 41)


def chains_of(monkeypatch, kind, picture, numbers=NUMBERS, seed=0):
    """Return the steps that each journey consists of, as the names of views."""
    import morelli.views.journeys as module

    names = []

    def spy(text):
        names.append(text)
        return parse_view(text)

    monkeypatch.setattr(module, "parse_view", spy)
    for number in numbers:
        parse_view(f"{kind}:{number}")(picture, seed)
    return [name.split("|") if name else [] for name in names]


@KINDS
def test_a_function_of_pixels_seed_and_number(kind, picture):
    results = {}
    for number in (1, 2, 3):
        for seed in (4, 5):
            results[number, seed] = parse_view(f"{kind}:{number}")(picture, seed)
    for (number, seed), result in reversed(results.items()):  # whatever was asked for before
        np.testing.assert_array_equal(parse_view(f"{kind}:{number}")(picture.copy(), seed), result)
    assert len({result.tobytes() for result in results.values()}) == 6


def test_kinds_do_not_share_their_journeys(picture, monkeypatch):
    resaved, shrunk = (chains_of(monkeypatch, kind, picture) for kind in ("resaved", "shrunk"))
    without = [[step for step in chain if not step.startswith(("scale", "screenshot"))] for chain in shrunk]
    assert sum(a == b for a, b in zip(resaved, without, strict=True)) < 10


@KINDS
@pytest.mark.parametrize("shape", [(80, 112), (31, 200), (57, 57)])
def test_sizes_stay_in_the_documented_ranges(kind, shape, picture):
    pixels = np.ascontiguousarray(np.resize(picture, (*shape, 3)))
    kept = []
    for number in NUMBERS:
        result = parse_view(f"{kind}:{number}")(pixels, 0)
        kept.append([result.shape[0] / shape[0], result.shape[1] / shape[1]])
    kept = np.array(kept)
    # Each step rounds to whole pixels.
    slack = 1.0 / np.array(shape)
    if kind == "resaved":
        assert (kept >= 0.5).all()  # a crop keeps at least half of each side
        assert (kept <= 1).all() and 0.5 < (kept == 1).all(axis=1).mean() < 0.95
    else:
        assert (kept >= 0.5 * 0.4 - slack).all()
        assert (kept <= 0.95 + slack).all()
    assert np.abs(kept[:, 0] - kept[:, 1]).max() <= 2 * slack.max()  # the shape stays


def test_steps_stay_in_the_documented_ranges(picture, monkeypatch):
    ranges = {
        "random-crop": (0.5, 0.95), "scale": (0.4, 0.95), "screenshot": (0.4, 0.95), "blur": (0.4, 1.2),
        "sharpen": (0.2, 1.0), "jpeg": (60, 95), "webp": (60, 95),
    }  # fmt: skip
    for kind in ("resaved", "shrunk"):
        chains = chains_of(monkeypatch, kind, picture, range(1, 121))
        seen = set()
        for chain in chains:
            names = [step.partition(":")[0] for step in chain]
            seen |= set(names)
            assert len([name for name in names if name in ("scale", "screenshot")]) == (kind == "shrunk")
            assert len([name for name in names if name in ("blur", "sharpen")]) <= 1
            for step in chain:
                name, _, values = step.partition(":")
                low, high = ranges[name]
                assert low <= float(values.split(",")[0]) <= high
        assert seen == ranges.keys() - ({"scale", "screenshot"} if kind == "resaved" else set())
        # Nine in ten end with a codec; the last of a hundred and twenty throws, within four standard errors.
        saved = np.mean([chain[-1].startswith(("jpeg", "webp")) for chain in chains])
        assert 0.79 < saved <= 1


@KINDS
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 300), (2000, 2)])
def test_small_and_long_images(kind, shape, picture):
    pixels = np.ascontiguousarray(np.resize(picture, (*shape, 3)))
    for number in range(1, 25):
        result = parse_view(f"{kind}:{number}")(pixels, 0)
        assert result.dtype == np.uint8 and result.flags.c_contiguous
        assert min(result.shape) >= 1 and result.shape[2] == 3
        assert (np.array(result.shape) <= pixels.shape).all()


@KINDS
def test_what_no_codec_holds_is_a_view_error(kind):
    pixels = np.zeros((1, 200_000, 3), dtype=np.uint8)
    refused = 0
    for number in range(1, 13):
        try:
            result = parse_view(f"{kind}:{number}")(pixels, 0)
        except ViewError as error:
            refused += 1
            assert "resize first" in str(error)
        else:
            assert result.shape[1] >= 200_000 * 0.5 * 0.4
    assert refused > 6


@KINDS
def test_no_image_stays_untouched(kind, picture, monkeypatch):
    chains = chains_of(monkeypatch, kind, picture, range(1, 121))
    assert len(chains) == 120 and all(chains)
    for number in range(1, 61):
        result = parse_view(f"{kind}:{number}")(picture, 3)
        assert result.shape != picture.shape or (result != picture).any()


@KINDS
def test_pixels_stay_as_they_are(kind, picture):
    pixels = picture.copy()
    pixels.flags.writeable = False
    for number in range(1, 9):
        parse_view(f"{kind}:{number}")(pixels, 1)
    np.testing.assert_array_equal(pixels, picture)


@pytest.mark.parametrize("text", ["resaved", "resaved:0", "resaved:1.5", "resaved:1000000", "resaved:1,2", "shrunk:-1"])
def test_numbers(text):
    with pytest.raises(ViewError, match=r"which of|number|parameter"):
        parse_view(text)
    assert parse_view("resaved:999999").name == "resaved:999999"


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("none", "none"),
        ("", "none"),
        ("jpeg:85", "jpeg:85"),
        ("jpeg:85,4:4:4", "jpeg:85,4:4:4"),
        ("screenshot", "screenshot"),
        ("resaved:7", "resaved"),
        ("shrunk:7", "shrunk"),
        ("scale:0.5|resaved:7", "scale:0.5|resaved"),
        ("resaved:1|noise:4|shrunk:2|jpeg:85", "resaved|noise:4|shrunk|jpeg:85"),
    ],
)
def test_conditions(name, condition):
    assert parse_view(name).condition == condition


def test_draws_of_one_condition_are_different_views():
    first, second = parse_view("resaved:1"), parse_view("resaved:2")
    assert first != second
    assert first.condition == second.condition != parse_view("shrunk:1").condition


def test_a_condition_is_written_as_a_name_is(monkeypatch):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    numbers = [Parameter(name, name, 1, 9, whole=True, draw=name == "draw") for name in ("a", "draw", "b")]
    word = Parameter("c", "c", choices=("x", "y"), default="x")

    @register_view("test-draw", "Nothing", *numbers, word, seeded=True)
    def same(pixels, rng, *values):
        return pixels

    view = parse_view("test-draw:1,2,3")
    assert (view.name, view.condition) == ("test-draw:1,2,3", "test-draw:1,3")
    assert parse_view("test-draw:1,5,3,x").condition == "test-draw:1,3"
    assert parse_view("test-draw:1,5,3,y").condition == "test-draw:1,3,y"
