from __future__ import annotations

import io
import json

from morelli.audit.versions import Usage, Used, count_verdicts

from ..ledger._made import made_verdict


def stream(*lines: object) -> io.BytesIO:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return io.BytesIO(b"".join(text + b"\n" for text in texts))


def test_verdicts_are_counted():
    found = count_verdicts(
        stream(
            made_verdict(1, "attributed"),
            made_verdict(2, "ambiguous"),
            made_verdict(3, "ambiguous", prediction_set=["flux-1", "kolors", "sdxl"]),
            made_verdict(4, "attributed", label="modèle π", prediction_set=["modèle π"]),
            made_verdict(5, "unknown"),
            made_verdict(6, "conflict"),
            made_verdict(7, "unreadable"),
        )
    )
    assert found == Usage({"flux-1": Used(3, 2, "sdxl"), "modèle π": Used(1, 0, None)}, 5, 1, 2, 0)


def test_lines_that_are_no_verdicts_are_counted_and_passed_over():
    lines = [b"junk", b"", b"[1]", b'{"decision": "attributed"}', b"\xff\xfe", b'{"kind": "pooled"}', b"9" * 9_000_000]
    found = count_verdicts(stream(*lines, made_verdict(1, "unknown"), made_verdict(2, "attributed", label=None)))
    assert (found.n, found.unknown, found.candidates, found.problems) == (1, 1, {}, 6)


def test_nothing():
    assert count_verdicts(io.BytesIO(b"")) == Usage({}, 0, 0, 0, 0)
