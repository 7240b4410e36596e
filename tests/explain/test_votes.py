from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from morelli.encoders import ForensicEncoder, JointEncoder
from morelli.encoders.pretrained.base import PretrainedEncoder
from morelli.encoders.pretrained.spec import Preprocessing, Sightings
from morelli.errors import ImageReadError, MorelliError, NotEnoughDataError
from morelli.explain import count_votes, explain
from morelli.explain.votes import _encode, _measure

from ._planted import KINDS, QUARTERS, plant, quarter


@pytest.mark.parametrize("place", list(QUARTERS))
def test_the_mass_lies_where_the_trace_was_planted(planted, unseen, place):
    shares = []
    for number, (one, other) in enumerate([("stripes", "noise"), ("noise", "blocks"), ("blocks", "stripes")]):
        image = quarter(unseen[number], one, other, QUARTERS[place], number)
        shown = explain(planted, image, candidate=one, against=other)
        shares.append(shown.mass_inside(QUARTERS[place]))
        # Asked the other way round, the same map speaks for the rest.
        back = explain(planted, image, candidate=other, against=one)
        np.testing.assert_allclose(back.values, -shown.values, atol=1e-9)
    assert np.mean(shares) > 0.8
    assert min(shares) > 0.6


def test_a_trace_that_is_everywhere_gives_a_flat_map(planted, unseen):
    for kind, other in zip(KINDS, KINDS[1:] + KINDS[:1], strict=True):
        shown = explain(planted, plant(unseen[0], kind, 5), candidate=kind, against=other)
        assert shown.whole > 0
        shares = [shown.mass_inside(box) for box in QUARTERS.values()]
        assert min(shares) > 0.1 and max(shares) < 0.4
        assert (shown.values > 0).mean() > 0.9
        assert shown.strength < 4


def test_the_map_divides_the_evidence_of_the_image(planted, unseen):
    image = plant(unseen[1], "noise", 1)
    answers = planted.attributor.answer(planted.encoder.encode(image).stack()[:1])
    shown = explain(planted, image)
    (row,) = answers.proba
    assert shown.candidate == planted.classes[int(row.argmax())]
    assert shown.against is None
    k = planted.classes.index(shown.candidate)
    says = {name: float(words[0, k]) for name, words in answers.evidence.items()}
    assert set(shown.families) == {"residual", "spectrum", "block-dct"}
    assert shown.unplaced == {"layout": pytest.approx(says["layout"])}
    for name, values in shown.families.items():
        assert values.mean() == pytest.approx(says[name])
    assert shown.values.mean() == pytest.approx(shown.whole) == pytest.approx(sum(says.values()) - says["layout"])
    np.testing.assert_allclose(shown.values, sum(shown.families.values()))


def test_some_families_only(planted, unseen):
    image = plant(unseen[1], "noise", 1)
    every = explain(planted, image, candidate="noise", against="blocks")
    some = explain(planted, image, candidate="noise", against="blocks", families=["residual", "layout"])
    assert (set(some.families), set(some.unplaced)) == ({"residual"}, {"layout"})
    np.testing.assert_allclose(some.values, every.of_family("residual").values)
    assert some.noise == every.noise_of["residual"]
    with pytest.raises(MorelliError, match="No region can be held to layout"):
        explain(planted, image, families=["layout"])
    with pytest.raises(MorelliError, match="No family is called 'colour' here; there are: residual, spectrum"):
        explain(planted, image, families=["colour"])


def test_votes_can_be_asked_again(planted, unseen):
    image = plant(unseen[2], "blocks", 1)
    votes = count_votes(planted, image)
    assert votes.ranking[0] == votes.map().candidate
    asked = votes.map(against=votes.ranking[0])
    assert (asked.candidate, asked.against) == (votes.ranking[1], votes.ranking[0])
    again = explain(planted, image, candidate=asked.candidate, against=asked.against)
    np.testing.assert_array_equal(asked.values, again.values)


def test_the_same_image_gives_the_same_map(planted, unseen, tmp_path):
    image = plant(unseen[2], "blocks", 1)
    path = tmp_path / "ein Bild ü.png"
    Image.fromarray(image).save(path)
    assert explain(planted, image).to_dict() == explain(planted, path).to_dict()


def test_who_is_no_candidate(planted, unseen):
    for names in ({"candidate": "dots"}, {"against": "dots"}):
        with pytest.raises(MorelliError, match=r"'dots' is no candidate; there are: blocks, noise, stripes\."):
            explain(planted, unseen[0], **names)
    with pytest.raises(MorelliError, match="cannot be held against itself"):
        explain(planted, unseen[0], candidate="noise", against="noise")


def test_images_that_cannot_be_explained(planted, unseen, tmp_path):
    with pytest.raises(NotEnoughDataError, match="60x256"):
        explain(planted, unseen[0][:, :60])
    with pytest.raises(ImageReadError):
        explain(planted, tmp_path / "none.png")
    with pytest.raises(MorelliError, match="64 pixels or more"):
        explain(planted, unseen[0], window=32)


def test_one_window_is_the_image(planted, unseen):
    shown = explain(planted, plant(unseen[0], "noise", 1)[:100, :80], candidate="noise")
    assert (shown.n_windows, shown.window, shown.values.shape) == (1, (100, 80), (1, 1))
    assert shown.noise is None and shown.strength is None
    assert shown.values[0, 0] == pytest.approx(shown.whole)
    assert shown.shift == pytest.approx(0, abs=1e-9)


def test_a_huge_image_is_bounded(planted, unseen):
    image = np.tile(plant(unseen[0], "noise", 1), (8, 12, 1))
    steps: list[tuple[int, int]] = []
    shown = explain(planted, image, candidate="noise", progress=lambda *step: steps.append(step))
    assert shown.n_windows == 77
    assert steps[0] == (1, 77) and steps[-1] == (77, 77)
    assert shown.grid.coverage == 1


def test_the_window_can_be_chosen(planted, unseen):
    shown = explain(planted, plant(unseen[0], "noise", 1), candidate="noise", window=64)
    assert (shown.window, shown.n_windows, shown.values.shape) == ((64, 64), 49, (8, 8))


class Farsighted(ForensicEncoder):
    """Refuses what is smaller than 200 pixels."""

    def encode(self, pixels):
        if min(pixels.shape[:2]) < 200:
            raise NotEnoughDataError("the image is too small")
        return super().encode(pixels)


def test_windows_that_are_too_small_for_the_encoder(planted, unseen):
    bundle = replace(planted, encoder=Farsighted(planted.encoder.families))
    with pytest.raises(NotEnoughDataError, match="Windows of 128x128 pixels are too small for the bundle's encoder"):
        explain(bundle, unseen[0])


class Looker(PretrainedEncoder):
    """A pretrained encoder without a network: what it sees is the mean of the middle of its input."""

    def __init__(self) -> None:
        super().__init__("looker", Sightings(crops=(2,), resized=(3,), grid=3))
        self.seen: list[str] = []

    @property
    def preprocessing(self):
        return Preprocessing(size=96, resample="bicubic", fit="crop", mean=(0, 0, 0), std=(1, 1, 1))

    def _measure(self, inputs, kind):
        self.seen += [kind] * len(inputs)
        return [{f"{kind}{2 if kind == 'crops' else 3}": np.full(2, one.mean(), np.float32)} for one in inputs]

    def _weights(self):
        return {}


def test_a_network_looks_once_at_a_window(unseen):
    looker = Looker()
    encoder = JointEncoder([ForensicEncoder(["colour", "layout"]), looker])
    looker.seen.clear()  # joining measured the self-test image
    row, placed = _measure(encoder, unseen[0])
    assert placed == {"colour", "looker/crops2"}
    assert looker.seen.count("crops") == 9
    assert row.shape == (1, encoder.dim)
    looker.seen.clear()
    window = unseen[0][:128, :128]
    vector = _encode(encoder, window)
    assert looker.seen.count("crops") == 1
    middle = window[16:112, 16:112].astype(np.float64).mean() / 255
    assert vector[encoder.blocks["looker/crops2"]] == pytest.approx(middle, abs=1e-6)
    looker.seen.clear()
    _encode(encoder, unseen[0][:224, :224])  # more than twice its crop: it looks at several
    assert looker.seen.count("crops") == 9
