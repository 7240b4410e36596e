"""Content credentials: signed, changed, stripped, transplanted, expired and malformed."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from morelli.errors import MorelliError
from morelli.provenance import LayerReport, Settings
from morelli.provenance.credentials import QUESTIONS, CredentialsLayer
from morelli.provenance.inspecting import inspect, inspect_file

from ._signing import (
    ALL_MEDIA,
    DAY,
    MEDIA,
    ExtendedKeyUsageOID,
    action,
    c2pa,
    claim,
    counting_server,
    identity,
    leaf,
    picture,
    root,
    sign,
    signed_and_manifest,
    time_stamps,
)

FOUR = tuple(QUESTIONS)
PARENT = {"title": "p.jpg", "relationship": "parentOf", "label": "p"}
OPENED = action("c2pa.opened", parameters={"ingredientIds": ["p"]})


@pytest.fixture(scope="module")
def examine(tmp_path_factory):
    """Return what reports on bytes, with the anchors of the roots that are named."""
    folder = tmp_path_factory.mktemp("assets")
    made: dict[tuple[str, ...], CredentialsLayer] = {}
    count = iter(range(10**6))

    def run(data: bytes, *anchors: str) -> LayerReport:
        if anchors not in made:
            path = folder / "anchors.pem"
            path.write_bytes(b"".join(root(name).pem for name in anchors))
            made[anchors] = CredentialsLayer(Settings(trust_anchors=path if anchors else None))
        file = folder / f"asset {next(count)} é"
        file.write_bytes(data)
        return inspect_file(file, {"credentials": made[anchors]}, Settings()).layers[0]

    yield run
    for layer in made.values():
        layer.reader.close()


def four(report: LayerReport) -> tuple[bool | None, ...]:
    return tuple(report.detail[name] for name in FOUR)


def standings(report: LayerReport) -> set[tuple[str, str]]:
    return {(fact.strength, fact.verification) for fact in report.facts}


def generator(report: LayerReport):
    (fact,) = [fact for fact in report.facts if fact.claim == "generator"]
    return fact


def pixels_changed(data: bytes, format: str) -> bytes:
    """Change coded pixels, and nothing of the manifest: where the last byte before it, or the last of all, is far."""
    changed = bytearray(data)
    at = {"JPEG": len(data) - 30, "PNG": data.rfind(b"IDAT") + 30, "WEBP": data.find(b"VP8 ") + 60}[format]
    changed[at] ^= 0x10
    return bytes(changed)


@pytest.mark.parametrize("format", MEDIA)
class TestFormats:
    def test_trusted(self, examine, format):
        report = examine(sign(picture(format), format), "root")
        assert report.status == "found"
        assert four(report) == (True, True, True, True)
        assert standings(report) == {("strong", "verified")}
        assert all(fact.detail["answers"] == dict(zip(FOUR, four(report), strict=True)) for fact in report.facts)
        assert generator(report).value == "FLUX.1 [dev]"
        assert "assertion.dataHash.match" in report.detail["codes"]["success"]

    def test_without_anchors_the_signer_is_not_checked(self, examine, format):
        report = examine(sign(picture(format), format))
        assert four(report) == (True, True, None, True)
        assert "Not checked" in report.detail["reasons"]["signer_trusted"]
        assert standings(report) == {("moderate", "unverified")}

    def test_another_root(self, examine, format):
        report = examine(sign(picture(format), format, by=leaf("forger")), "root")
        assert four(report) == (True, True, False, True)
        assert standings(report) == {("moderate", "unverified")}

    def test_pixels_changed(self, examine, format):
        report = examine(pixels_changed(sign(picture(format), format), format), "root")
        assert four(report) == (False, True, True, True)
        assert standings(report) == {("weak", "failed")}

    def test_bytes_appended(self, examine, format):
        report = examine(sign(picture(format), format) + b"more", "root")
        assert four(report)[:2] == (False, True)
        assert standings(report) == {("weak", "failed")}

    def test_what_is_claimed_was_changed(self, examine, format):
        data = sign(picture(format), format)
        report = examine(data.replace(b"FLUX.1 [dev]", b"FLUX.1 [pro]"), "root")
        assert four(report)[1] is False
        assert "assertion.hashedURI.mismatch" in report.detail["reasons"]["claim_signature_valid"]
        assert standings(report) == {("weak", "failed")}
        claimed = examine(data.replace(b"Test Studio", b"Best Studio"), "root")
        assert four(claimed)[1] is False
        assert "claimSignature.mismatch" in claimed.detail["codes"]["failure"]
        assert standings(claimed) == {("weak", "failed")}

    def test_stripped(self, examine, format):
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(sign(picture(format), format))) as image:
            image.save(buffer, format)
        assert examine(buffer.getvalue(), "root") == LayerReport("credentials", "none found")
        assert examine(picture(format), "root") == LayerReport("credentials", "none found")

    def test_cut_anywhere(self, examine, format):
        data = sign(picture(format), format)
        seen = set()
        for end in range(1, len(data) - 1, 257):
            report = examine(data[:end], "root")
            seen.add(report.status)
            if report.status == "found":
                assert four(report)[0] is False
                assert standings(report) == {("weak", "failed")}
            else:
                assert report.status == "none found" or report.reason
        assert "failed" in seen

    def test_bytes_flipped_anywhere(self, examine, format):
        data = sign(picture(format), format)
        honest = examine(data, "root").facts
        rng = np.random.default_rng(0)
        failed = 0
        for _ in range(60):
            changed = bytearray(data)
            changed[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
            report = examine(bytes(changed), "root")
            # Checksums of chunks and bytes that pad the signature are nobody's word; all else is covered.
            assert report.facts == honest or all(fact.verification != "verified" for fact in report.facts)
            failed += report.facts != honest
        assert failed > 30


@pytest.mark.parametrize("format", sorted(set(ALL_MEDIA) - set(MEDIA)))
def test_other_formats(examine, format):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    data = sign(picture(format), format)
    assert four(examine(data, "root")) == (True, True, True, True)
    changed = bytearray(data)
    changed[-20 if format == "AVIF" else data.find(picture(format)[-60:-20])] ^= 1
    assert all(fact.verification == "failed" for fact in examine(bytes(changed), "root").facts)


def test_metadata_added(examine):
    data = sign(picture("PNG"), "PNG")
    at = data.find(b"IDAT") - 4
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "another")
    text = io.BytesIO()
    Image.new("L", (1, 1)).save(text, "PNG", pnginfo=info)
    start = text.getvalue().find(b"tEXt") - 4
    chunk = text.getvalue()[start : start + 12 + struct.unpack(">I", text.getvalue()[start : start + 4])[0]]
    report = examine(data[:at] + chunk + data[at:], "root")
    assert four(report) == (False, True, True, True)


def test_transplanted(examine):
    """The manifest of one image in the file of another."""
    first, store = signed_and_manifest(picture("JPEG", 0))
    other = picture("JPEG", 3)
    start = first.find(b"\xff\xeb")
    length = 2 + struct.unpack(">H", first[start + 2 : start + 4])[0]
    assert store[:40] in first[start : start + length]
    report = examine(other[:20] + first[start : start + length] + other[20:], "root")
    assert four(report) == (False, True, True, True)
    assert standings(report) == {("weak", "failed")}


def test_expired(examine, tmp_path):
    """C2PA's library signs by valid certificates only: this one lasts for seconds, more of them on a busy machine."""
    authority = identity("an authority", root("stamps"), usage=ExtendedKeyUsageOID.TIME_STAMPING)
    picture()
    with time_stamps(tmp_path, authority) as url:
        for seconds in (2.5, 8, 25):
            short = identity("a short life", root("root"), begin=-DAY, end=dt.timedelta(seconds=seconds))
            try:
                plain = sign(picture(), by=short)
                stamped = sign(picture(), by=short, stamps=url) if shutil.which("openssl") else None
            except c2pa.C2paError as error:
                assert "not valid at time of signing" in str(error)
            else:
                break
    while dt.datetime.now(dt.UTC) <= short.certificate.not_valid_after_utc + dt.timedelta(seconds=1):
        time.sleep(0.1)
    report = examine(plain, "root")
    assert four(report) == (True, True, None, None)
    assert "expired" in report.detail["reasons"]["certificate_valid_at_signing"]
    # The library says this of expired certificates as well: the answer must not be read from it alone.
    assert "claimSignature.insideValidity" in report.detail["codes"]["success"]
    assert standings(report) == {("weak", "failed")}
    assert four(examine(plain)) == (True, True, None, None)
    if stamped is None:
        pytest.skip("time stamps need the openssl command")
    trusted = examine(stamped, "root", "stamps")
    assert four(trusted) == (True, True, True, True)
    assert standings(trusted) == {("strong", "verified")}
    assert trusted.detail["signer"]["time"].startswith(dt.datetime.now(dt.UTC).strftime("%Y-%m-"))
    assert four(examine(stamped, "root"))[3] is None, "nobody vouches for the clock"


class TestClaims:
    def test_capture(self, examine):
        report = examine(sign(picture(), manifest=claim(action(source="digitalCapture"), generator="A Camera")), "root")
        facts = {fact.claim: fact for fact in report.facts}
        assert facts["capture"].value == "digitalCapture"
        assert facts["tool"].value == "A Camera 1.0"

    def test_the_claim_generator_speaks_for_itself(self, examine):
        made = claim(action(source="trainedAlgorithmicMedia"), generator="FLUX.1 [dev]")
        facts = [f for f in examine(sign(picture(), manifest=made), "root").facts if f.claim == "generator"]
        assert [fact.source for fact in facts] == ["c2pa:claim_generator", "c2pa:actions/c2pa.created"]
        assert facts[0].model is not None

    def test_edits_and_composites(self, examine):
        made = claim(
            action(source="digitalCapture"),
            action("c2pa.edited", "compositeWithTrainedAlgorithmicMedia", "A Filler", when="2026-01-02T03:04:05Z"),
            action("c2pa.cropped"),
            action("c2pa.converted"),
        )
        report = examine(sign(picture(), manifest=made), "root")
        told = [(f.claim, f.value) for f in report.facts if f.source.startswith("c2pa:actions")]
        assert told == [
            ("capture", "digitalCapture"), ("generator", "A Filler"), ("edit", "c2pa.cropped"),
            ("tool", "c2pa.converted"),
        ]  # fmt: skip
        assert generator(report).detail["when"] == "2026-01-02T03:04:05Z"

    def test_signer(self, examine):
        (fact,) = [f for f in examine(sign(picture())).facts if f.source == "c2pa:signature"]
        assert fact.value == "a signer, Morelli tests"

    def test_ingredients(self, examine):
        parent = sign(picture())
        edited = claim(OPENED, action("c2pa.cropped"), generator="An Editor")
        whole = sign(picture("PNG", 1), "PNG", edited, ingredients=((PARENT, parent, "JPEG"),))
        report = examine(whole, "root")
        (ingredient,) = [fact for fact in report.facts if fact.claim == "ingredient"]
        assert (ingredient.value, ingredient.strength) == ("p.jpg", "strong")
        made = generator(report)
        assert made.value == "FLUX.1 [dev]"
        assert made.detail["of_ingredient"] == ["parentOf"]
        assert (made.strength, made.verification) == ("moderate", "verified"), "its file is not here"

    def test_rules_of_the_standard_are_no_forgery(self, examine):
        """An action that opens nothing breaks a rule; all is still as it was signed."""
        report = examine(sign(picture(), manifest=claim(action("c2pa.opened"))), "root")
        assert four(report) == (True, True, True, True)
        assert report.detail["breaches"] == ["assertion.action.ingredientMismatch"]
        assert standings(report) == {("weak", "failed")}

    def test_ingredient_that_was_tampered_with(self, examine):
        parent = sign(picture()) + b"more"
        whole = sign(picture("PNG"), "PNG", claim(OPENED), ingredients=((PARENT, parent, "JPEG"),))
        report = examine(whole, "root")
        assert four(report) == (True, True, True, True)
        assert (generator(report).strength, generator(report).verification) == ("weak", "failed")

    def test_generations_are_bounded(self, examine):
        data = sign(picture())
        for _ in range(10):
            data = sign(picture(), "JPEG", claim(OPENED), ingredients=((PARENT, data, "JPEG"),))
        report = examine(data, "root")
        assert report.detail["truncated"]
        assert max(len(f.detail.get("of_ingredient", [])) for f in report.facts) == 7


def test_many_actions_are_bounded(examine):
    made = claim(action(source="trainedAlgorithmicMedia"), *[action("c2pa.cropped", agent="x" * 1000)] * 400)
    report = examine(sign(picture(), manifest=made))
    assert report.detail["truncated"]
    assert len(report.facts) == 200
    assert max(len(fact.value) for fact in report.facts) == 300


class TestOffline:
    @pytest.mark.parametrize("format", MEDIA)
    def test_a_remote_manifest_is_told_and_not_fetched(self, examine, format):
        with counting_server() as (url, requests):
            data = sign(picture(format), format, remote=f"{url}secret.c2pa", embed=False)
            report = examine(data, "root")
            assert requests == []
        (fact,) = report.facts
        assert (fact.value, fact.strength, fact.verification) == (f"{url}secret.c2pa", "weak", "unverified")
        assert report.detail == {"embedded": False, "remote_manifest": fact.value}

    def test_the_server_would_have_counted(self):
        """Otherwise the tests beside this one could not fail."""
        import c2pa

        with counting_server() as (url, requests):
            data = sign(picture(), remote=f"{url}secret.c2pa", embed=False)
            with pytest.raises(c2pa.C2paError):
                c2pa.Reader("image/jpeg", io.BytesIO(data))
            assert requests

    def test_revocation_is_not_asked(self, examine):
        with counting_server() as (url, requests):
            by = identity("asks", root("root"), ocsp=f"{url}ocsp")
            report = examine(sign(picture(), by=by), "root")
            assert requests == []
        assert "signingCredential.ocsp.skipped" in report.detail["codes"]["informational"]


def test_formats_that_hold_none(examine):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "BMP")
    report = examine(buffer.getvalue())
    assert (report.status, report.facts) == ("not examined", ())
    assert "BMP" in report.reason
    assert examine(b"no image at all").status == "not examined"


def test_without_the_library(monkeypatch, tmp_path):
    monkeypatch.setattr("morelli.provenance.credentials.layer.library", lambda: None)
    (tmp_path / "a.jpg").write_bytes(sign(picture()))
    (found,) = inspect([tmp_path / "a.jpg"], layers=("credentials",))
    (report,) = found.layers
    assert report.status == "not examined"
    assert "pip install" in report.reason


class TestAnchors:
    def test_no_such_file(self, tmp_path):
        with pytest.raises(MorelliError, match="cannot be read"):
            CredentialsLayer(Settings(trust_anchors=tmp_path / "none.pem"))

    @pytest.mark.parametrize("content", [b"", b"not PEM", b"\xff\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
    def test_no_certificates(self, tmp_path, content):
        path = tmp_path / "anchors.pem"
        path.write_bytes(content)
        with pytest.raises(MorelliError, match="PEM"):
            CredentialsLayer(Settings(trust_anchors=path))

    def test_key_beside_the_certificate(self, examine, tmp_path: Path):
        path = tmp_path / "both.pem"
        path.write_bytes(b"# a comment\n" + root("root").pem)
        file = tmp_path / "a.jpg"
        file.write_bytes(sign(picture()))
        (found,) = inspect([file], Settings(trust_anchors=path), layers=("credentials",))
        assert found.layers[0].detail["signer_trusted"] is True
