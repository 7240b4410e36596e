"""Make ``tests/provenance/watermarks/vectors.json`` by the original code.

    python tools/watermark_vectors.py imwatermark/maxDct.py

The argument is the file of that name from invisible-watermark 0.2.0. It ran with opencv-python-headless 5.0.0.93 and
PyWavelets 1.9.0 and with Morelli on the path. The original decodes one bit for each block if it is told that the
payload is as long as there are blocks, which gives the votes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

from morelli.provenance.watermarks.known import KNOWN

TESTS = Path(__file__).resolve().parents[1] / "tests" / "provenance" / "watermarks"
sys.path.insert(0, str(TESTS))
from _marks import picture  # noqa: E402

SIZES = ((256, 256), (256, 256), (256, 256), (256, 256), (261, 283))


def main(source: str) -> None:
    """Write the vectors that the original at `source` gives."""
    spec = importlib.util.spec_from_file_location("maxDct", source)
    original = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original)
    vectors = []
    for number, (known, size) in enumerate(zip(KNOWN, SIZES, strict=True)):
        plain = picture(number, *size)
        marked = encode(original, plain, known)
        blocks = (size[0] // 8) * (size[1] // 8)
        vector = {"value": known.value, "order": known.conversion.order, "seed": number, "size": size}
        for what, pixels in (("plain", plain), ("marked", marked)):
            given = hand_over(pixels, known)
            bits = original.EmbedMaxDct([], len(known.bits)).decode(given)
            vector[what] = {
                "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                "votes": np.packbits(original.EmbedMaxDct([], blocks).decode(given)).tobytes().hex(),
                "bits": "".join(str(int(bit)) for bit in bits),
            }
            print(known.value, known.conversion, what, int((bits == known.array).sum()), "of", len(bits))
        vectors.append(vector)
    (TESTS / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


def hand_over(pixels, known):
    """Return pixels as the program hands them to the library."""
    ordered = np.ascontiguousarray(pixels[..., ::-1] if known.conversion.order == "bgr" else pixels)
    return ordered.astype(np.float32) if known.conversion.kind == "float32" else ordered


def encode(original, pixels, known):
    """Return marked pixels in RGB, rounded as image files are."""
    bits = [int(bit) for bit in known.bits]
    marked = original.EmbedMaxDct(bits, len(bits)).encode(hand_over(pixels, known))
    marked = np.clip(np.round(marked), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(marked[..., ::-1] if known.conversion.order == "bgr" else marked)


if __name__ == "__main__":
    main(sys.argv[1])
