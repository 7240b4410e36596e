from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders import Thumbnail
from morelli.encoders.pictures import unpack_pixels
from morelli.errors import MorelliError
from morelli.explain import occlude, occlude_thumbnail, paint, pixel_predictor

STRIPES = np.where(np.arange(64) % 4 < 2, 1.0, -1.0)


def stripy(pictures):
    """Judge by how strong stripes four pixels apart are in all of the picture: none, or stripes."""
    grey = pictures.astype(np.float64).mean(axis=3)
    high = grey - 0.5 * (np.roll(grey, 2, axis=2) + np.roll(grey, -2, axis=2))
    logit = 0.5 * (np.abs(high).mean(axis=(1, 2)) - 6)
    p = 1 / (1 + np.exp(-logit))
    return np.stack([1 - p, p], axis=1)


def picture(box=(32, 0, 64, 32), levels=12.0, seed=0):
    """Return 64 x 64 smooth pixels with stripes in a box."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(60, 180, 64), np.linspace(-20, 20, 64))
    grey = x + y + rng.normal(0, 1, (64, 64))
    left, top, right, bottom = box
    grey[top:bottom, left:right] += levels * STRIPES[left:right]
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)


@pytest.mark.parametrize("box", [(0, 0, 32, 32), (32, 0, 64, 32), (0, 32, 32, 64), (32, 32, 64, 64)])
def test_what_is_lost_lies_where_the_trace_was_planted(box):
    shown = occlude(stripy, picture(box), ["plain", "stripes"], candidate="stripes")
    assert shown.mass_inside(box) > 0.8
    assert shown.method == "occlusion"
    assert shown.whole == pytest.approx(np.log(stripy(picture(box)[None])[0, 1]))
    assert shown.families == {} and shown.unplaced == {}


def test_nothing_is_lost_by_a_network_that_does_not_look():
    shown = occlude(lambda pictures: np.full((len(pictures), 2), 0.5), picture(), ["a", "b"])
    assert (shown.values == 0).all()
    assert (shown.candidate, shown.noise, shown.strength) == ("a", 0.0, None)


def test_against_another_candidate_the_ratio_counts():
    shown = occlude(stripy, picture(), ["plain", "stripes"], candidate="stripes", against="plain")
    back = occlude(stripy, picture(), ["plain", "stripes"], candidate="plain", against="stripes")
    np.testing.assert_allclose(shown.values, -back.values)
    p = stripy(picture()[None])[0]
    assert shown.whole == pytest.approx(np.log(p[1] / p[0]))
    first = occlude(stripy, picture(), ["plain", "stripes"], against="stripes")
    assert first.candidate == "plain"


def test_squares_are_covered_by_what_was_asked_for():
    seen = []

    def watch(pictures):
        seen.extend(pictures)
        return np.full((len(pictures), 2), 0.5)

    pixels = picture((0, 0, 64, 64))
    shown = occlude(watch, pixels, ["a", "b"], side=16, fill="grey", batch=7)
    assert (shown.n_windows, shown.window, shown.values.shape) == (49, (16, 16), (8, 8))
    assert len(seen) == 50
    changed = [(one != pixels).any(axis=2) for one in seen[1:]]
    assert all(mask.sum() <= 256 for mask in changed)
    assert (seen[1][:16, :16] == 128).all()
    assert (seen[-1][48:, 48:] == 128).all()
    assert np.any(changed, axis=0).mean() > 0.9
    seen.clear()
    occlude(watch, pixels, ["a", "b"], side=16)
    covered, before = (one[8:24, 8:24, 0].astype(float) for one in (seen[9], pixels))
    assert abs(covered.mean() - before.mean()) < 3  # as light as it was
    assert np.abs(np.diff(covered, 2)).mean() < 0.1 * np.abs(np.diff(before, 2)).mean()


def test_progress_and_determinism():
    steps: list[tuple[int, int]] = []
    one = occlude(stripy, picture(), ["a", "b"], batch=10, progress=lambda *step: steps.append(step))
    assert steps[-1] == (49, 49) and len(steps) == 5
    assert one.to_dict() == occlude(stripy, picture(), ["a", "b"], batch=32).to_dict()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"candidate": "x"}, "'x' is no candidate; there are: a, b"),
        ({"side": 7}, "multiple of 2"),
        ({"fill": "red"}, "blur or grey, not by 'red'"),
        ({"candidate": "a", "against": "a"}, "against itself"),
    ],
)
def test_what_makes_no_sense(options, words):
    with pytest.raises(MorelliError, match=words):
        occlude(stripy, picture(), ["a", "b"], **options)


@pytest.mark.parametrize("answer", [np.ones(2), np.full((1, 2), np.nan), np.full((1, 3), 1 / 3), np.full((1, 2), -1)])
def test_what_is_no_probability(answer):
    with pytest.raises(MorelliError, match="gives 2 probabilities for each of 1 pictures"):
        occlude(lambda _: answer, picture(), ["a", "b"])


@pytest.mark.parametrize("shape", [(128, 128), (128, 256), (320, 128)])
def test_a_thumbnail_is_found_in_its_image(shape):
    """A bright square in the image is where the map says, whatever the centre crop left out."""
    height, width = shape
    short = min(shape)
    left, top = (width - short) // 2, (height - short) // 2
    box = (left + short // 2, top, left + short, top + short // 2)
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255

    def bright(pictures):
        p = 0.1 + 0.8 * pictures.mean(axis=(1, 2, 3)) / 255
        return np.stack([p, 1 - p], axis=1)

    shown = occlude_thumbnail(bright, image, ["bright", "dark"], 64, candidate="bright", fill="grey")
    grid = shown.grid
    assert (grid.height, grid.width) == shape
    assert grid.box == (left, top, left + short, top + short)
    # Grey is brighter than black: squares elsewhere count against the candidate.
    assert shown.mass_inside(box) > 0.95
    assert shown.window == (short // 4, short // 4)
    painted = paint(shown, image).astype(int)
    times = painted.shape[0] / height
    y, x = (round(times * (0.5 * (box[k] + box[k + 2]))) + 12 for k in (1, 0))  # beside the signs
    assert painted[y, x, 2] > painted[y, x, 0] + 30


def test_an_attributor_on_packed_thumbnails():
    class Packed:
        def predict_proba(self, X):
            assert X.dtype == np.float32
            return stripy(unpack_pixels(X))

    pixels = picture()
    row = Thumbnail(64).encode(pixels).stack()[:1]
    np.testing.assert_array_equal(unpack_pixels(row)[0], pixels)
    one = occlude(pixel_predictor(Packed()), pixels, ["plain", "stripes"])
    assert one.to_dict() == occlude(stripy, pixels, ["plain", "stripes"]).to_dict()


def test_a_network_that_was_trained():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            rng = np.random.default_rng(0)
            y = np.arange(48) % 2
            pictures = np.stack(
                [picture((0, 0, 64, 64) if label else (0, 0, 0, 0), rng.uniform(6, 14), i) for i, label in enumerate(y)]
            )
            network = torch.nn.Sequential(
                torch.nn.Conv2d(3, 8, 7, padding=3, padding_mode="reflect"),
                torch.nn.ReLU(),
                torch.nn.AdaptiveAvgPool2d(1),
                torch.nn.Flatten(),
                torch.nn.Linear(8, 2),
            )

            def seen(pictures):
                return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255 - 0.5

            optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
            for _ in range(80):
                loss = torch.nn.functional.cross_entropy(network(seen(pictures)), torch.from_numpy(y))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            assert loss.item() < 0.1

            def predict(pictures):
                with torch.no_grad():
                    return torch.softmax(network(seen(pictures)), dim=1).numpy()

            box = (0, 32, 32, 64)
            shown = occlude(predict, picture(box, seed=99), ["plain", "stripes"], candidate="stripes", against="plain")
            assert shown.mass_inside(box) > 0.8
    finally:
        torch.set_num_threads(threads)
