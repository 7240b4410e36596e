"""The parts of the layer of credentials that need no signed file: codes, stores that are garbage, the child process."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.provenance.credentials import Codes, StoreReader, answer, codes_of, read_store
from morelli.provenance.credentials.answers import harmless
from morelli.provenance.credentials.claims import MAX_FACTS
from morelli.provenance.credentials.reading import library_settings

GOOD = (
    "signingCredential.trusted",
    "claimSignature.insideValidity",
    "claimSignature.validated",
    "assertion.dataHash.match",
)
CODES = st.sampled_from([
    *GOOD, "signingCredential.untrusted", "signingCredential.expired", "signingCredential.invalid",
    "signingCredential.ocsp.revoked", "claimSignature.mismatch", "claimSignature.outsideValidity", "timeStamp.trusted",
    "timeStamp.validated", "timeStamp.outsideValidity", "assertion.dataHash.mismatch", "assertion.bmffHash.match",
    "assertion.hashedURI.mismatch", "claim.hardBindings.missing", "general.error", "a.code.of.the.future",
])  # fmt: skip


def four(codes: Codes, anchors: bool = True) -> tuple[bool | None, ...]:
    return tuple(answer(codes, anchors=anchors).to_dict().values())


class TestAnswers:
    @pytest.mark.parametrize(
        ("failure", "expected", "standing"),
        [
            ((), (True, True, True, True), ("strong", "verified")),
            (("assertion.dataHash.mismatch",), (False, True, True, True), ("weak", "failed")),
            (("assertion.bmffHash.mismatch",), (False, True, True, True), ("weak", "failed")),
            (("claim.hardBindings.missing",), (False, True, True, True), ("weak", "failed")),
            (("claimSignature.mismatch",), (True, False, True, True), ("weak", "failed")),
            (("assertion.hashedURI.mismatch",), (True, False, True, True), ("weak", "failed")),
            (("signingCredential.invalid",), (True, True, False, None), ("weak", "failed")),
            (("claimSignature.outsideValidity",), (True, True, True, False), ("weak", "failed")),
            (("timeStamp.outsideValidity",), (True, True, True, False), ("weak", "failed")),
            (("signingCredential.ocsp.revoked",), (True, True, True, False), ("weak", "failed")),
            (("signingCredential.expired",), (True, True, True, None), ("weak", "failed")),
            (("a.code.of.the.future",), (True, True, True, True), ("weak", "failed")),
        ],
    )
    def test_failures(self, failure, expected, standing):
        answers = answer(Codes(GOOD, (), failure), anchors=True)
        assert tuple(answers.to_dict().values()) == expected
        assert answers.standing == standing

    def test_untrusted(self):
        codes = Codes(GOOD[1:], (), ("signingCredential.untrusted",))
        assert four(codes) == (True, True, False, True)
        assert four(codes, anchors=False) == (True, True, None, True)

    def test_parts_that_are_not_covered(self):
        codes = Codes(GOOD, ("assertion.dataHash.additionalExclusionsPresent",))
        assert four(codes) == (None, True, True, True)
        assert answer(codes, anchors=True).standing == ("weak", "unverified")
        assert answer(codes, anchors=True, covered=True).standing == ("strong", "verified")

    @pytest.mark.parametrize(
        ("exclusions", "expected"),
        [
            ([{"start": 4, "length": 4}, {"start": 99, "length": 3206}], True),
            ([{"start": 4, "length": 400}, {"start": 999, "length": 3206}], False),
            ([{"xpath": "/uuid", "data": []}, {"xpath": "/ftyp"}, {"xpath": "/free"}], True),
            ([{"xpath": "/uuid"}, {"xpath": "/mdat"}], False),
            ([{"start": 4, "length": "4"}], False),
            ([3], False),
            (None, False),
        ],
    )
    def test_what_may_be_left_out(self, exclusions, expected):
        assert harmless(exclusions) is expected

    def test_nothing_was_checked(self):
        assert four(Codes()) == (None, None, None, None)
        assert answer(Codes(), anchors=True).standing == ("weak", "unverified")

    @given(st.lists(CODES), st.lists(CODES), st.lists(CODES), st.booleans())
    def test_strong_needs_everything(self, success, informational, failure, anchors):
        codes = codes_of({
            name: [{"code": code} for code in given]
            for name, given in (("success", success), ("informational", informational), ("failure", failure))
        })  # fmt: skip
        answers = answer(codes, anchors=anchors)
        strength, verification = answers.standing
        assert (strength == "strong") == (verification == "verified")
        if strength == "strong":
            assert anchors
            assert not failure
            assert {"claimSignature.validated", "signingCredential.trusted"} <= set(success)
        assert answers.reasons.keys() == answers.to_dict().keys()

    @pytest.mark.parametrize("results", [None, [], "x", {"success": "x", "failure": [1, {"code": 2}, {}]}])
    def test_results_that_are_none(self, results):
        assert codes_of(results).success == ()


WORDS = ["c2pa.actions.v2", "m", "parentOf"]
KEYS = [
    *("active_manifest", "manifests", "m", "assertions", "label", "data", "actions", "action", "ingredients", "code"),
    *("softwareAgent", "softwareAgentIndex", "softwareAgents", "claim_generator_info", "name", "version", "author"),
    *("signature_info", "validation_results", "activeManifest", "ingredientDeltas", "digitalSourceType", "failure"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=40,
)


class TestStores:
    @settings(max_examples=300, deadline=None)
    @given(JSON)
    def test_any_json_as_manifest(self, manifest):
        whole = {
            "assertions": [manifest, {"label": "c2pa.actions.v2", "data": manifest}],
            "ingredients": [manifest, {"active_manifest": "m"}],
            "claim_generator_info": [manifest],
            "signature_info": manifest,
        }
        store = {"active_manifest": "m", "manifests": {"m": whole}, "validation_results": manifest}
        read = read_store(store, lambda _: None, anchors=True)
        assert len(read.facts) <= MAX_FACTS
        assert all(fact.verification != "verified" for fact in read.facts)

    @settings(deadline=None)
    @given(JSON)
    def test_any_json_as_store(self, store):
        try:
            read_store(store, lambda _: None, anchors=False)
        except ValueError as error:
            assert "active manifest" in str(error)

    def test_ingredients_in_a_circle(self):
        manifest = {"ingredients": [{"active_manifest": "m"}, {"active_manifest": "n"}, {"title": "bare"}]}
        store = {"active_manifest": "m", "manifests": {"m": manifest, "n": manifest}}
        assert len(read_store(store, lambda _: None, anchors=True).facts) == 6

    def test_agents_by_index(self):
        created = [{"action": "c2pa.created", "softwareAgentIndex": index} for index in (1, 7)]
        data = {"softwareAgents": [{"name": "a"}, {"name": "b", "version": "2"}], "actions": created}
        manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": data}]}
        store = {"active_manifest": "m", "manifests": {"m": manifest}}
        facts = read_store(store, {"b": "known"}.get, anchors=True).facts
        assert [(fact.value, fact.model) for fact in facts] == [("b 2", "known"), ("c2pa.created", None)]

    def test_credit_and_metadata(self):
        assertions = [
            {"label": "stds.schema-org.CreativeWork", "data": {"author": [{"name": "A. Person"}, 3]}},
            {"label": "cawg.metadata", "data": {"Iptc4xmpExt:DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"}},
        ]  # fmt: skip
        store = {"active_manifest": "m", "manifests": {"m": {"assertions": assertions}}}
        facts = read_store(store, lambda _: None, anchors=True).facts
        assert [(fact.claim, fact.value) for fact in facts] == [
            ("credit", "A. Person"),
            ("generator", "trainedAlgorithmicMedia"),
        ]


def test_settings_leave_the_network_alone():
    for anchors in (None, "PEM"):
        made = library_settings(anchors)
        assert made["verify"]["remote_manifest_fetch"] is False
        assert made["verify"]["ocsp_fetch"] is False
        assert made["core"]["allowed_network_hosts"] == []


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


class TestChildProcess:
    @pytest.mark.parametrize(
        ("program", "error"),
        [
            ("import os; os.abort()", "Crash"),
            ("raise SystemExit(3)", "Crash"),
            ("import sys; sys.stdin.buffer.read(9); sys.stdout.write('x' * 4)", "Crash"),
            ("import sys; sys.stdout.buffer.write(bytes([255] * 8)); sys.stdout.flush(); input()", "Crash"),
            ("import sys; sys.stdout.buffer.write(bytes(7) + b'\\x03{]}'); sys.stdout.flush(); input()", "Crash"),
            ("import time; time.sleep(60)", "Timeout"),
        ],
    )
    def test_death_and_delay_are_answers(self, program, error):
        begin = time.monotonic()
        with StoreReader(seconds=1.5, command=python(program)) as reader:
            for _ in range(2):
                assert reader.read(b"x" * 200_000, "image/png")["error"] == error
        assert time.monotonic() - begin < 20

    def test_it_starts_again(self):
        pytest.importorskip("c2pa", reason="needs morelli[provenance]")
        with StoreReader() as reader:
            assert reader.read(b"", "image/png")["error"]
            assert reader._process is not None
            reader._process.kill()
            reader._process.wait()
            assert "error" in reader.read(b"\x89PNG\r\n\x1a\n", "image/png")
            assert reader.read(b"x", "video/none")["error"]

    def test_it_ends_with_its_owner(self):
        reader = StoreReader(command=python("input()"), seconds=0.5)
        reader.read(b"", "image/png")
        reader._running()
        process = reader._process
        assert process is not None
        del reader
        assert process.poll() is not None
