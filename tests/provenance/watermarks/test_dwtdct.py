"""Reading the scheme as the original does, and deciding as the original does not."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binom

from morelli.provenance.watermarks._dwtdct import Conversion, Votes, read_votes
from morelli.provenance.watermarks.dwtdct import FALSE_POSITIVE_RATE, DwtDctDetector, match_payload
from morelli.provenance.watermarks.known import KNOWN

from ._marks import embed, named, picture

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
DETECTOR = DwtDctDetector()


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


class TestAgainstTheOriginal:
    """Vectors that invisible-watermark 0.2.0 produced; see tools/watermark_vectors.py."""

    @pytest.fixture(params=VECTORS, ids=lambda vector: f"{vector['value']}/{vector['order']}")
    def vector(self, request):
        return request.param

    @pytest.fixture
    def pixels(self, vector):
        plain = picture(vector["seed"], *vector["size"])
        return {"plain": plain, "marked": embed(plain, named(vector["value"], vector["order"]))}

    @pytest.mark.parametrize("what", ["plain", "marked"])
    def test_pixels_are_the_same(self, vector, pixels, what):
        assert hashlib.sha256(pixels[what].tobytes()).hexdigest() == vector[what]["pixels_sha256"]

    @pytest.mark.parametrize("what", ["plain", "marked"])
    def test_votes_and_bits_are_the_same(self, vector, pixels, what):
        known = named(vector["value"], vector["order"])
        votes = read_votes(pixels[what], known.conversion, 10**6)
        theirs = np.unpackbits(np.frombuffer(bytes.fromhex(vector[what]["votes"]), np.uint8))[: votes.ones.size]
        assert (votes.ones.ravel() == theirs).all()
        length = len(known.bits)
        bits = [votes.ones.ravel()[phase::length].mean() * 255 > 127 for phase in range(length)]
        assert "".join(str(int(bit)) for bit in bits) == vector[what]["bits"]

    def test_what_the_original_reads_wrongly_is_found(self, vector, pixels):
        known = named(vector["value"], vector["order"])
        wrong = sum(a != b for a, b in zip(vector["marked"]["bits"], known.bits, strict=True))
        found = DETECTOR.detect(pixels["marked"])
        assert wrong > 0 and found.present
        assert found.detail["bits"] - found.detail["agree"] < wrong


class TestMarked:
    @pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known.value}/{known.conversion.order}")
    @pytest.mark.parametrize("size", [(256, 256), (300, 411), (257, 1031)])
    def test_is_found_and_named(self, known, size):
        found = DETECTOR.detect(embed(picture(11, *size), known))
        assert found.present and found.p_value <= FALSE_POSITIVE_RATE
        assert (found.value, found.payload) == (known.value, known.text or known.bits)
        assert found.detail["conversion"] == "/".join(known.conversion)
        assert found.detail["embedded_by"] == known.source

    def test_payloads_are_what_the_sources_say(self):
        assert [len(known.bits) for known in KNOWN] == [136, 32, 48, 48, 46]
        assert np.packbits(KNOWN[0].array).tobytes() == b"StableDiffusionV1"
        assert int(KNOWN[2].bits, 2) == 0xB3EC907BB19E
        # bin() drops the two leading zeros of FLUX's constant of 48 bits
        assert KNOWN[4].bits == bin(0b001010101111111010000111100111001111010100101110)[2:]

    def test_jpeg_of_high_quality_keeps_it(self):
        marked = embed(picture(1, 512, 512), named("Stable Diffusion XL"))
        assert DETECTOR.detect(jpeg(marked, 98)).present

    def test_it_is_fragile(self):
        marked = embed(picture(1, 512, 512), named("Stable Diffusion XL"))
        halved = np.asarray(Image.fromarray(marked).resize((256, 256), Image.Resampling.LANCZOS))
        for broken in (halved, marked[:, 8:], marked[3:], marked[::-1], jpeg(marked, 30)):
            assert not DETECTOR.detect(np.ascontiguousarray(broken)).present

    def test_rows_cut_off_below_do_not_matter(self):
        marked = embed(picture(1, 512, 512), named("FLUX"))
        assert DETECTOR.detect(marked[:300]).present

    def test_of_a_large_image_the_middle_is_read(self):
        known = named("FLUX")
        marked = embed(picture(2, 640, 512), known)
        found = DwtDctDetector(max_blocks=2048).detect(marked)
        assert found.present and found.detail["blocks"] <= 2048
        votes = read_votes(marked, known.conversion, 2048)
        assert votes.ones.shape == (32, 64) and votes.first == 24 * 64
        whole = read_votes(marked, known.conversion, 10**6)
        assert (whole.ones[24:56] == votes.ones).all()

    def test_one_payload_of_yours(self):
        known = named("FLUX")
        detector = DwtDctDetector([known], false_positive_rate=1e-9)
        assert detector.detect(embed(picture(4), known)).present
        assert not detector.detect(embed(picture(4), named("Stable Diffusion XL"))).present


class TestUnmarked:
    @pytest.mark.parametrize("seed", range(25))
    def test_noise(self, seed):
        noise = np.random.default_rng(seed).integers(0, 256, (264, 256 + 8 * seed, 3), dtype=np.uint8)
        assert DETECTOR.detect(noise).p_value > 1e-4

    @pytest.mark.parametrize("seed", range(25))
    def test_pictures(self, seed):
        assert DETECTOR.detect(picture(seed, 256 + seed, 320)).p_value > 1e-4

    @pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 90), (17, 180, 255)])
    def test_one_colour_says_nothing(self, colour):
        found = DETECTOR.detect(np.full((512, 512, 3), colour, np.uint8))
        assert not found.present and found.p_value == 1
        assert found.detail["blocks"] == found.detail["bits"] == 0

    def test_grey_says_nothing(self):
        grey = np.repeat(picture(1, 512, 512)[..., :1], 3, axis=2)
        found = DETECTOR.detect(grey)
        assert not found.present and found.detail["blocks"] == 0

    def test_an_image_with_a_period_of_its_own(self):
        # Blocks repeat every 8, as the bits of a text do. No arrangement of such a tile passes.
        rng = np.random.default_rng(0)
        for _ in range(40):
            tile = rng.integers(0, 256, (8, 64, 3), dtype=np.uint8)
            assert not DETECTOR.detect(np.tile(tile, (64, 8, 1))).present

    def test_agreeing_in_another_phase_too_is_no_mark(self):
        payload = np.tile([True, True, False, True, False, False, True, False], 17)
        ones = np.tile(payload, 40).reshape(-1, 136)
        p_value, detail = match_payload(Votes(ones, np.ones_like(ones), 0), payload)
        assert p_value < 1e-30 and detail["agree_in_other_phases"] == detail["agree"]

    @pytest.mark.parametrize("shape", [(1, 1), (7, 9), (255, 256), (2, 65536), (65536, 2), (7, 20000)])
    def test_too_small_to_hold_one(self, shape):
        found = DETECTOR.detect(np.zeros((*shape, 3), np.uint8))
        assert not found.present and found.p_value is None
        assert "256 by 256" in found.detail["note"]

    def test_one_row_of_blocks_is_enough_to_look(self):
        found = DETECTOR.detect(np.random.default_rng(0).integers(0, 256, (8, 9000, 3), dtype=np.uint8))
        assert not found.present and found.detail["blocks"] > 1000


class TestPValue:
    @given(st.integers(0, 2**32 - 1), st.sampled_from([8, 32, 46, 136]))
    @settings(max_examples=15, deadline=None)
    def test_is_exact_over_random_payloads_whatever_the_votes(self, seed, length):
        """The law that the docstring states, on votes that depend on each other as badly as possible."""
        rng = np.random.default_rng(seed)
        ones = np.repeat(np.repeat(rng.random((9, 11)) < rng.random(), 5, axis=0), 5, axis=1)
        votes = Votes(ones, rng.random(ones.shape) < 0.8, int(rng.integers(0, 1000)))
        draws = rng.random((600, length)) < 0.5
        results = [match_payload(votes, draw) for draw in draws]
        counted = results[0][1]["bits"]
        assert {detail["bits"] for _, detail in results} == {counted}
        agree = np.array([detail["agree"] for _, detail in results])
        expected = binom.sf(np.arange(counted + 1) - 1, counted, 0.5)
        observed = (agree[:, None] >= np.arange(counted + 1)).mean(axis=0)
        assert np.abs(observed - expected).max() < 0.14  # Dvoretzky, Kiefer, Wolfowitz at a level of 1e-10
        assert [p for p, _ in results] == pytest.approx(binom.sf(agree - 1, counted, 0.5))

    def test_is_uniform_on_noise(self):
        rng = np.random.default_rng(5)
        known = named("Stable Diffusion 1")
        noise = (rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(300))
        values = [match_payload(read_votes(one, known.conversion, 10**6), known.array)[0] for one in noise]
        assert 0.02 < np.mean(np.array(values) <= 0.1) < 0.18
        assert min(values) > 1e-5

    def test_counts_what_was_tried(self):
        pixels = picture(3)
        one = min(match_payload(read_votes(pixels, known.conversion, 10**6), known.array)[0] for known in KNOWN)
        assert DETECTOR.detect(pixels).p_value == pytest.approx(min(1.0, 5 * one))

    def test_flat_blocks_do_not_vote(self):
        votes = Votes(np.ones((4, 8), bool), np.zeros((4, 8), bool), 0)
        p_value, detail = match_payload(votes, np.ones(8, bool))
        assert p_value == 1 and detail["bits"] == 0

    def test_all_blocks_alike_say_nothing(self):
        votes = Votes(np.ones((16, 16), bool), np.ones((16, 16), bool), 0)
        assert match_payload(votes, np.ones(8, bool))[1]["bits"] <= 8
        assert match_payload(votes, np.tile([True, False], 4))[0] > 0.1

    def test_does_not_depend_on_memory_layout(self):
        marked = embed(picture(6), named("FLUX"))
        turned = np.asfortranarray(marked)
        turned.flags.writeable = False
        assert DETECTOR.detect(turned) == DETECTOR.detect(marked)

    def test_conversions_differ(self):
        pixels = picture(8)
        read = {
            Conversion(kind, order): read_votes(pixels, Conversion(kind, order), 10**6).ones.tobytes()
            for kind in ("uint8", "float32")
            for order in ("bgr", "rgb")
        }
        assert len(set(read.values())) == 4
