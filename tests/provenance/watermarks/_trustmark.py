"""A stand-in for the package trustmark 0.9: the same API and the same code, but a network that reads the lowest bits.

The code is BCH over GF(2^7) with the polynomial 137, shortened to 96 bits, as in ``trustmark/datalayer.py``; this one
corrects three bits at most, which is all that schema 3 does.
"""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

CORRECTS = {0: 8, 1: 5, 2: 4, 3: 3}
CAPACITY = {0: 40, 1: 61, 2: 68, 3: 75}
MODEL_CHECKSUMS: dict[str, str] = {}


def _generator(corrects: int) -> int:
    """Return the product of the minimal polynomials of the odd powers of a primitive element, as bits."""
    powers = [1]
    for _ in range(126):
        doubled = powers[-1] << 1
        powers.append(doubled ^ 137 if doubled & 128 else doubled)
    logs = {power: i for i, power in enumerate(powers)}

    def times(a: int, b: int) -> int:
        return 0 if 0 in (a, b) else powers[(logs[a] + logs[b]) % 127]

    roots = {odd * 2**i % 127 for odd in range(1, 2 * corrects, 2) for i in range(7)}
    polynomial = [1]
    for root in roots:
        shifted, scaled = [0, *polynomial], [times(value, powers[root]) for value in polynomial] + [0]
        polynomial = [a ^ b for a, b in zip(shifted, scaled, strict=True)]
    return sum(bit << i for i, bit in enumerate(polynomial))


GENERATORS = {schema: _generator(corrects) for schema, corrects in CORRECTS.items()}


def _remainder(word: int, generator: int) -> int:
    while word.bit_length() >= generator.bit_length():
        word ^= generator << (word.bit_length() - generator.bit_length())
    return word


def _to_word(bits: str, schema: int) -> int:
    """Return what the code protects: the payload is filled with zeros to whole bytes, which are not sent."""
    capacity = CAPACITY[schema]
    return int(bits[:capacity] + "0" * (-capacity % 8) + bits[capacity:], 2)


@cache
def _errors(schema: int) -> dict[int, int]:
    """Return which bits are wrong, by the remainder that they leave."""
    places = [1 << place for place in range(96)]
    left = [_remainder(_to_word(f"{bit:096b}", schema), GENERATORS[schema]) for bit in places]
    errors = {0: 0}
    for count in range(1, 4):
        for chosen in itertools.combinations(zip(left, places, strict=True), count):
            remainder = wrong = 0
            for rest, bit in chosen:
                remainder, wrong = remainder ^ rest, wrong | bit
            errors.setdefault(remainder, wrong)
    return errors


class DataLayer:
    def __init__(self, payload_len, verbose=True, encoding_mode=0):
        assert payload_len == 100
        self.encoding_mode = encoding_mode

    def encode_binary(self, texts):
        return np.array([self._encode(text) for text in texts])

    def _encode(self, text):
        schema = self.encoding_mode
        check = 96 - CAPACITY[schema]
        text = text[: CAPACITY[schema]].ljust(CAPACITY[schema], "0")
        remainder = _remainder(_to_word(text + "0" * check, schema), GENERATORS[schema])
        return np.array([int(bit) for bit in f"{text}{remainder:0{check}b}{schema:04b}"], np.float32)

    def decode_bitstream(self, data, MODE="text"):
        assert MODE == "binary" and data.ndim == 2
        return [self._decode(packet) for packet in data]

    def _decode(self, packet):
        bits = "".join(str(int(bit)) for bit in packet)
        schema = int(bits[-2:], 2)  # as the original, which does not look at the other two
        wrong = _errors(schema).get(_remainder(_to_word(bits[:96], schema), GENERATORS[schema]))
        if wrong is not None:
            return f"{int(bits[:96], 2) ^ wrong:096b}"[: CAPACITY[schema]], True, schema
        return bits[: CAPACITY[schema]], False, schema


class TrustMark:
    fetched: ClassVar[list[str]] = []

    def __init__(self, use_ECC=True, verbose=True, secret_len=100, device="", model_type="Q", loadRemover=True):
        assert not use_ECC and device == "cpu"
        package = "/package/models/"
        self.decoder = self.load_model(
            f"{package}trustmark_{model_type}.yaml",
            f"{package}decoder_{model_type}.ckpt",
            device,
            secret_len,
            part="decoder",
        )
        self.encoder = self.load_model(
            f"{package}trustmark_{model_type}.yaml",
            f"{package}encoder_{model_type}.ckpt",
            device,
            secret_len,
            part="encoder",
        )

    def check_and_download(self, filename):
        self.fetched.append(filename)

    def load_model(self, config_path, weight_path, device, secret_len, part="all"):
        self.check_and_download(config_path)
        self.check_and_download(weight_path)
        text = Path(weight_path).read_text(encoding="utf-8")
        return None if text == "damaged" else text

    def decode(self, in_stego_image, MODE="text", DETECTFIRST=False, ROTATION=False):
        assert in_stego_image.mode == "RGB" and MODE == "binary"
        lowest = np.asarray(in_stego_image).ravel()[:100] & 1
        return "".join(str(bit) for bit in lowest).ljust(100, "0"), True, -1


def mark(pixels, packet):
    """Write 100 bits to where the stand-in reads them."""
    marked = pixels.copy()
    flat = marked.reshape(-1)
    flat[:100] = flat[:100] & 254 | packet.astype(np.uint8)
    return marked
