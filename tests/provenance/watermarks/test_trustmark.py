"""TrustMark by a stand-in with the API of trustmark 0.9; the code also by the package itself where it is installed.

What the network reads from images is not tested: its weights are not here.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import types
from math import comb

import numpy as np
import pytest

from morelli.errors import MissingExtraError, MorelliError
from morelli.provenance import Settings, inspect
from morelli.provenance.watermarks import make_detectors
from morelli.provenance.watermarks.trustmark import (
    FALSE_POSITIVE_RATE,
    TrustMarkDetector,
    _reader_of_words,
    chance_of_word,
)

from . import _trustmark
from ._marks import picture
from .test_layer import look, save

PAYLOAD = "1011001110001111000010101011100110101010" + "1" * 35


@pytest.fixture
def package(monkeypatch):
    module = types.ModuleType("trustmark")
    network, code = types.ModuleType("trustmark.trustmark"), types.ModuleType("trustmark.datalayer")
    network.TrustMark, network.MODEL_CHECKSUMS, code.DataLayer = _trustmark.TrustMark, {}, _trustmark.DataLayer
    for name, one in (("trustmark", module), ("trustmark.trustmark", network), ("trustmark.datalayer", code)):
        monkeypatch.setitem(sys.modules, name, one)
    monkeypatch.setattr(_trustmark.TrustMark, "fetched", [])
    return network


@pytest.fixture
def weights(package, tmp_path):
    return put_weights(package, tmp_path / "wéights here")


def put_weights(package, folder, content="good"):
    folder.mkdir()
    for name in ("trustmark_P.yaml", "decoder_P.ckpt"):
        (folder / name).write_text(content, encoding="utf-8")
        package.MODEL_CHECKSUMS[name] = hashlib.md5(content.encode()).hexdigest()
    return folder


def settings_of(folder, variant="P"):
    return Settings(options={"trustmark.weights": folder, "trustmark.variant": variant})


def packet_of(schema, payload=PAYLOAD, wrong=0):
    packet = _trustmark.DataLayer(100, encoding_mode=schema).encode_binary([payload])[0]
    packet[np.arange(wrong) * 31] = 1 - packet[np.arange(wrong) * 31]
    return packet


@pytest.fixture(params=["stand-in", "package"])
def code(request):
    if request.param == "stand-in":
        return _trustmark.DataLayer
    try:
        return importlib.import_module("trustmark.datalayer").DataLayer
    except Exception as error:  # torchvision raises RuntimeError where it does not fit torch
        pytest.skip(f"the package trustmark cannot be imported here ({type(error).__name__})")


class TestCode:
    @pytest.mark.parametrize("schema", range(4))
    @pytest.mark.parametrize("wrong", range(4))
    def test_words_are_read_and_corrections_counted(self, code, schema, wrong):
        bits = "".join(str(int(bit)) for bit in packet_of(schema, wrong=wrong))
        word = _reader_of_words(code)(bits)
        assert word == (PAYLOAD[: _trustmark.CAPACITY[schema]], schema, wrong)

    def test_all_four_bits_of_the_schema_count(self, code):
        packet = packet_of(3)
        packet[96] = 1
        assert code(100, verbose=False, encoding_mode=0).decode_bitstream(packet[None], MODE="binary")[0][1]
        assert _reader_of_words(code)("".join(str(int(bit)) for bit in packet)) is None

    def test_random_bits_that_the_package_believes_are_no_mark(self, code):
        """Schema 3 corrects 3 bits: one in 14 random words passes, and none of them is a finding."""
        rng = np.random.default_rng(1)
        read = _reader_of_words(code)
        plain = code(100, verbose=False, encoding_mode=0)
        believed, found = 0, 0
        for _ in range(1500):
            bits = (rng.random(100) < 0.5).astype(np.float32)
            bits[96:] = (0, 0, 1, 1)
            believed += plain.decode_bitstream(bits[None], MODE="binary")[0][1]
            word = read("".join(str(int(bit)) for bit in bits))
            found += word is not None and chance_of_word(word.schema, word.corrected) <= FALSE_POSITIVE_RATE
        assert 60 < believed < 150
        assert found == 0


class TestChance:
    def test_counts_words(self):
        assert chance_of_word(3, 0) == 4 / 2**25
        assert chance_of_word(1, 5) == 4 * sum(comb(96, i) for i in range(6)) / 2**39
        assert chance_of_word(3, 96) == 1

    @pytest.mark.parametrize(("schema", "most"), [(0, 8), (1, 2), (2, 1), (3, 0)])
    def test_what_each_schema_may_correct(self, schema, most):
        assert chance_of_word(schema, most) <= FALSE_POSITIVE_RATE < chance_of_word(schema, most + 1)


class TestDetector:
    def test_is_not_asked_for_by_default(self):
        made, asleep = make_detectors(Settings())
        assert "trustmark" not in made and "does not fetch" in asleep["trustmark"]

    def test_a_mark_is_found_and_says_no_generator(self, weights, tmp_path):
        path = save(tmp_path / "marked.png", _trustmark.mark(picture(1), packet_of(1, wrong=1)))
        (fact,) = look(path, settings_of(weights)).facts
        assert (fact.claim, fact.value, fact.model) == ("tool", "TrustMark", None)
        assert (fact.verification, fact.strength) == ("verified", "moderate")
        assert fact.detail["payload"] == PAYLOAD[:61]
        assert (fact.detail["schema"], fact.detail["corrected"], fact.detail["variant"]) == (1, 1, "P")

    def test_a_corrected_word_of_schema_3_is_none(self, weights, tmp_path):
        path = save(tmp_path / "marked.png", _trustmark.mark(picture(1), packet_of(3, wrong=2)))
        report = look(path, settings_of(weights))
        assert report.status == "none found"
        assert report.detail["looked"]["trustmark"]["p_value"] > 1e-4
        assert "too often" in report.detail["looked"]["trustmark"]["note"]

    def test_a_word_without_payload_is_none(self, weights):
        detector = make_detectors(settings_of(weights))[0]["trustmark"]
        assert not detector.detect(_trustmark.mark(picture(1), np.zeros(100))).present

    def test_a_network_that_always_reads_a_word_is_refused(self, package, weights, monkeypatch):
        bits = "".join(str(int(bit)) for bit in packet_of(0))
        monkeypatch.setattr(_trustmark.TrustMark, "decode", lambda *_, **__: (bits, True, -1))
        with pytest.raises(MorelliError, match="not to be believed"):
            make_detectors(settings_of(weights))

    @pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (600, 500)])
    def test_any_size(self, weights, shape):
        detector = make_detectors(settings_of(weights))[0]["trustmark"]
        assert isinstance(detector, TrustMarkDetector)
        assert not detector.detect(np.zeros((*shape, 3), np.uint8)).present

    def test_nothing_is_fetched(self, weights):
        make_detectors(settings_of(weights))
        assert _trustmark.TrustMark.fetched == []


class Broken(types.ModuleType):
    def __getattr__(self, name):
        raise RuntimeError("operator torchvision::nms does not exist")


@pytest.fixture
def without_package(monkeypatch):
    for name in ("trustmark", "trustmark.trustmark", "trustmark.datalayer"):
        monkeypatch.setitem(sys.modules, name, None)


class TestWeights:
    def test_without_the_package_it_names_the_extra(self, without_package, tmp_path):
        with pytest.raises(MissingExtraError, match=r"morelli\[trustmark\]"):
            make_detectors(settings_of(tmp_path))

    def test_a_package_that_is_broken_says_so(self, package, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "trustmark.datalayer", Broken("trustmark.datalayer"))
        with pytest.raises(MorelliError, match=r"cannot be imported .*operator torchvision::nms"):
            make_detectors(settings_of(tmp_path))

    def test_missing(self, package, tmp_path):
        with pytest.raises(MorelliError, match=r"trustmark_P\.yaml: weights of TrustMark cannot be read"):
            make_detectors(settings_of(tmp_path / "nowhere"))

    def test_not_the_published_ones(self, weights):
        (weights / "decoder_P.ckpt").write_text("mine", encoding="utf-8")
        with pytest.raises(MorelliError, match="not the weights"):
            make_detectors(settings_of(weights))

    def test_that_the_package_cannot_load(self, package, tmp_path):
        with pytest.raises(MorelliError, match="cannot load"):
            make_detectors(settings_of(put_weights(package, tmp_path / "weights", "damaged")))

    @pytest.mark.parametrize("variant", ["Z", "", "../Q", None, 3, ["Q"]])
    def test_of_no_variant(self, weights, variant):
        with pytest.raises(MorelliError, match="variant"):
            make_detectors(settings_of(weights, variant))

    def test_a_missing_extra_stops_before_any_image(self, without_package, tmp_path):
        with pytest.raises(MissingExtraError):
            list(inspect([tmp_path / "none.png"], settings_of(tmp_path)))
