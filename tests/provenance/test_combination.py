"""Declarations beside the pixels' answer: which outcome, and what it does to the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.attributors import Candidate, Verdict
from morelli.attributors.verdict import Lineage
from morelli.provenance import CLAIMS, OUTCOMES, STRENGTHS, VERIFICATIONS, Fact, LayerReport, Provenance, combine
from morelli.provenance.combination import EXCLUDED, OF_EVEN_SHARE, declarations, pixel_decision, pixels_only

CLASSES = ("a-1", "a-2", "b", "photo")
LINEAGES = {"a-1": "A", "a-2": "A", "b": None, "photo": None, "a-9": "A", "c-1": "C", "c-2": "C"}
ID = "0" * 64


def verdict(probabilities: tuple[float, ...], decision: str | None = None, level: float = 0.1) -> Verdict:
    """Return an answer whose prediction set holds what has at least `level`."""
    ranked = sorted(zip(probabilities, CLASSES, strict=True), reverse=True)
    members = tuple(name for p, name in ranked if p >= level)
    return Verdict(
        "x.png",
        ID,
        decision or ("attributed" if len(members) == 1 else "ambiguous"),
        label=ranked[0][1],
        probability=ranked[0][0],
        lineage=Lineage("A", 0.9, True),
        candidates=tuple(Candidate(name, p, 0.0) for p, name in ranked),
        prediction_set=members,
        open_set_p=0.5,
    )


IS_A1 = verdict((0.97, 0.015, 0.01, 0.005))
A_OR_B = verdict((0.5, 0.05, 0.4, 0.05))
NONE = verdict((0.97, 0.015, 0.01, 0.005), "unknown")
UNREADABLE = Verdict("x.png", ID, "unreadable", error="no image")


def says(model: str | None, layer: str = "metadata", source: str = "png:parameters", **more: object) -> LayerReport:
    fact = Fact(layer, source, str(more.pop("claim", "generator")), model or "something", model, **more)  # type: ignore[arg-type]
    return LayerReport(layer, "found", (fact,))


def given_(*layers: LayerReport) -> Provenance:
    return Provenance("x.png", ID, layers)


def outcome(of: Verdict, *layers: LayerReport, **more: object) -> str:
    done = combine(of, given_(*layers), lineages=LINEAGES, **more)  # type: ignore[arg-type]
    assert done.provenance["reason"].endswith(".")
    return str(done.provenance["outcome"])


class TestOneDeclaration:
    @pytest.mark.parametrize(
        ("of", "model", "expected"),
        [
            (IS_A1, "a-1", "agreement"),
            (A_OR_B, "b", "agreement"),
            (IS_A1, "a-2", "lineage agreement"),
            (IS_A1, "b", "conflict"),
            (IS_A1, "c-1", "not testable"),
            (IS_A1, "a-9", "lineage agreement"),
            (A_OR_B, "photo", "unconfirmed"),
            (NONE, "a-1", "unconfirmed"),
            (NONE, "b", "conflict"),
            (NONE, "c-1", "not testable"),
            (NONE, "a-9", "not testable"),
            (IS_A1, None, "not testable"),
            (UNREADABLE, "b", "not testable"),
        ],
    )
    def test_outcomes(self, of, model, expected):
        assert outcome(of, says(model)) == expected

    def test_silence(self):
        none = LayerReport("metadata", "none found")
        tool = LayerReport("credentials", "found", (Fact("credentials", "c2pa:x", "tool", "An Editor"),))
        assert outcome(IS_A1) == outcome(IS_A1, none) == outcome(IS_A1, none, tool) == "silence"

    def test_silence_tells_what_was_not_examined(self):
        broken = LayerReport("credentials", "failed", reason="Cut off.")
        done = combine(IS_A1, given_(broken))
        assert "credentials: failed. Cut off." in done.provenance["reason"]

    def test_how_certain_the_pixels_must_be(self):
        limit = OF_EVEN_SHARE / len(CLASSES)
        near = verdict((0.9, 0.04, limit, 0.04))
        assert outcome(near, says("b")) == "unconfirmed"
        assert outcome(verdict((0.9, 0.04, limit - 1e-6, 0.04)), says("b")) == "conflict"
        many = (*CLASSES, *(f"m{i}" for i in range(20)))
        assert outcome(verdict((0.9, 0.04, EXCLUDED, 0.04)), says("b"), classes=many) == "unconfirmed"
        assert outcome(verdict((0.9, 0.04, EXCLUDED - 1e-6, 0.04)), says("b"), classes=many) == "conflict"
        assert outcome(near, says("b"), excluded=0.05) == "conflict"

    def test_without_lineages_sisters_are_strangers(self):
        assert combine(IS_A1, given_(says("a-2"))).provenance["outcome"] == "conflict"

    def test_names_as_the_catalog_has_them(self):
        """A value that names a candidate means it, whatever the table of aliases makes of it."""
        layer = LayerReport("metadata", "found", (Fact("metadata", "png:x", "generator", "A_1", "another-name"),))
        (one,) = declarations(given_(layer), CLASSES)
        assert one.model == "a-1"


class TestLineages:
    def family(self, value: str) -> LayerReport:
        return LayerReport("watermark", "found", (Fact("watermark", "watermark:x", "generator", value),))

    @pytest.mark.parametrize(
        ("of", "expected"), [(IS_A1, "conflict"), (verdict((0.02, 0.02, 0.93, 0.03)), "lineage agreement")]
    )
    def test_a_watermark_names_a_lineage(self, of, expected):
        known = {"a-1": "A", "a-2": "A", "b": "StableDiffusionXL", "photo": None}
        done = combine(of, given_(self.family("Stable Diffusion XL")), lineages=known)
        assert done.provenance["outcome"] == expected
        assert done.provenance["declared"][0]["lineage"] == "StableDiffusionXL"

    def test_unknown_to_the_pixels(self):
        assert outcome(NONE, self.family("A")) == "unconfirmed"
        assert outcome(IS_A1, self.family("C")) == "not testable"
        assert outcome(IS_A1, self.family("Z")) == "not testable"

    def test_beside_a_model(self):
        assert outcome(IS_A1, self.family("A"), says("a-2")) == "lineage agreement"
        assert outcome(IS_A1, self.family("C"), says("a-1")) == "conflict"

    def test_a_registry_that_contradicts_itself(self):
        facts = tuple(
            Fact("lineage", "registry:sha256", "generator", n, n, detail={"conflict": True}) for n in ("a-1", "b")
        )
        assert outcome(IS_A1, LayerReport("lineage", "found", facts)) == "conflict"


class TestParts:
    @pytest.mark.parametrize(
        "detail",
        [
            {"digital_source_type": "compositeWithTrainedAlgorithmicMedia"},
            {"of_ingredient": ["componentOf"]},
            {"of_ingredient": ["parentOf", "inputTo"]},
        ],
    )
    def test_a_part_is_not_the_whole(self, detail):
        assert outcome(IS_A1, says("b", "credentials", "c2pa:actions", detail=detail)) == "not testable"
        assert outcome(IS_A1, says("a-1", "credentials", "c2pa:actions", detail=detail)) == "agreement"

    def test_a_parent_is(self):
        assert outcome(IS_A1, says("b", "credentials", "c2pa:x", detail={"of_ingredient": ["parentOf"]})) == "conflict"

    def test_a_filled_photograph_contradicts_nothing(self):
        facts = (
            Fact("credentials", "c2pa:actions/c2pa.created", "capture", "digitalCapture"),
            Fact(
                "credentials", "c2pa:actions/c2pa.edited", "generator", "A Filler",
                detail={"digital_source_type": "compositeWithTrainedAlgorithmicMedia"},
            ),
        )  # fmt: skip
        assert outcome(IS_A1, LayerReport("credentials", "found", facts)) == "not testable"


class TestCaptures:
    def test_without_a_candidate_for_photographs(self):
        assert outcome(IS_A1, says(None, claim="capture")) == "not testable"

    @pytest.mark.parametrize(("of", "expected"), [(IS_A1, "conflict"), (A_OR_B, "unconfirmed")])
    def test_with_one(self, of, expected):
        assert outcome(of, says(None, claim="capture"), photographs=("photo",)) == expected

    def test_agreement(self):
        taken = verdict((0.01, 0.01, 0.01, 0.97))
        assert outcome(taken, says(None, claim="capture"), photographs=("photo",)) == "agreement"

    def test_a_camera_and_a_generator(self):
        camera = says(None, source="exif:Make/Model", claim="capture")
        assert outcome(IS_A1, camera, says("a-1", "credentials")) == "conflict"
        dated = says(None, source="exif:DateTimeOriginal", claim="capture")
        assert outcome(IS_A1, dated, says("a-1", "credentials")) == "agreement"


class TestContradictions:
    def test_two_sources(self):
        assert outcome(IS_A1, says("a-1", "credentials"), says("b")) == "conflict"
        assert outcome(IS_A1, says("c-1", "credentials"), says("b", "watermark")) == "conflict"

    def test_sisters_do_not_contradict_each_other(self):
        assert outcome(IS_A1, says("a-1", "credentials"), says("a-2")) == "agreement"
        assert outcome(IS_A1, says("c-1", "credentials"), says("c-2")) == "not testable"

    def test_versions_of_a_name(self):
        assert outcome(IS_A1, says("Midjourney", "credentials"), says("midjourney v6")) == "not testable"
        assert outcome(IS_A1, says("Midjourney", "credentials"), says("midjourneyish")) == "conflict"

    def test_several_models_of_one_workflow(self):
        facts = tuple(Fact("metadata", "png:prompt", "generator", name, name) for name in ("b", "a-1"))
        assert outcome(IS_A1, LayerReport("metadata", "found", facts)) == "agreement"

    @pytest.mark.parametrize("answer", ["asset_hash_matches", "claim_signature_valid"])
    def test_a_broken_seal(self, answer):
        fact = Fact("credentials", "c2pa:actions", "generator", "a-1", "a-1", "weak", "failed")
        assert outcome(IS_A1, LayerReport("credentials", "found", (fact,), detail={answer: False})) == "conflict"
        assert outcome(IS_A1, LayerReport("credentials", "found", (fact,), detail={answer: None})) == "agreement"

    @pytest.mark.parametrize("answer", ["signer_trusted", "certificate_valid_at_signing"])
    def test_a_stranger_or_an_old_certificate_contradict_nothing(self, answer):
        fact = Fact("credentials", "c2pa:actions", "generator", "a-1", "a-1")
        assert outcome(IS_A1, LayerReport("credentials", "found", (fact,), detail={answer: False})) == "agreement"


class TestVerdicts:
    def test_only_decision_and_provenance_change(self):
        done = combine(IS_A1, given_(says("b")), lineages=LINEAGES)
        assert done.decision == "conflict"
        assert done.provenance["pixels"] == "attributed"
        assert replace(done, decision="attributed", provenance={}) == IS_A1
        assert pixels_only(done) == IS_A1
        assert pixel_decision(done.decision, done.provenance) == "attributed" != done.decision
        for nothing in (None, {}, {"layers": []}):
            assert pixel_decision("conflict", nothing) == "conflict"
        assert "b" in done.provenance["reason"]
        assert "a-1" in done.provenance["reason"]

    def test_twice_is_once(self):
        once = combine(IS_A1, given_(says("b")), lineages=LINEAGES)
        assert combine(once, given_(says("b")), lineages=LINEAGES) == once
        assert combine(once, given_(says("a-1")), lineages=LINEAGES).decision == "attributed"

    def test_json(self):
        done = combine(IS_A1, given_(says("b")), lineages=LINEAGES)
        assert Verdict.from_dict(done.to_dict()) == done
        assert done.provenance["layers"] == given_(says("b")).to_dict()["layers"]

    def test_unreadable_stays(self):
        done = combine(UNREADABLE, given_(says("b", "credentials"), says("c-1")), lineages=LINEAGES)
        assert (done.decision, done.provenance["outcome"]) == ("unreadable", "conflict")

    def test_another_file(self):
        with pytest.raises(ValueError, match="different files"):
            combine(IS_A1, Provenance("x.png", "1" * 64))

    def test_a_file_that_could_not_be_read(self):
        done = combine(UNREADABLE, Provenance("x.png", None, error="gone"))
        assert done.provenance["outcome"] == "silence"
        assert "gone" in done.provenance["reason"]


FACTS = st.builds(
    Fact,
    layer=st.sampled_from(["credentials", "metadata", "watermark", "lineage"]),
    source=st.sampled_from(["x:y", "exif:DateTimeOriginal"]),
    claim=st.sampled_from(list(CLAIMS)),
    value=st.sampled_from([*CLASSES, "", "*", "x" * 400, "compositeSynthetic"]),
    model=st.sampled_from([None, *LINEAGES]),
    strength=st.sampled_from(STRENGTHS),
    verification=st.sampled_from(list(VERIFICATIONS)),
    detail=st.sampled_from([{}, {"of_ingredient": ["componentOf"]}, {"digital_source_type": None}]),
)


@given(st.lists(FACTS, max_size=5), st.sampled_from([IS_A1, A_OR_B, NONE, UNREADABLE]), st.booleans())
def test_laws(facts, of, photographs):
    layers = [
        LayerReport(name, "found", own)
        for name in ("credentials", "metadata")
        if (own := tuple(fact for fact in facts if fact.layer == name))
    ]
    done = combine(of, given_(*layers), lineages=LINEAGES, photographs=("photo",) if photographs else ())
    told = done.provenance["outcome"]
    assert told in OUTCOMES
    assert (done.decision == "conflict") == (told == "conflict" and of is not UNREADABLE)
    makers = [f for layer in layers for f in layer.facts if f.claim in ("generator", "capture")]
    assert (told == "silence") == (not makers)
    assert len(done.provenance["declared"]) == len(makers)
    reversed_ = combine(of, given_(*reversed(layers)), lineages=LINEAGES, photographs=("photo",) if photographs else ())
    assert reversed_.provenance["outcome"] == told, "the order of layers decides nothing"
