from __future__ import annotations

import io
import struct
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from morelli.errors import MorelliError
from morelli.provenance import Settings, inspect, list_layers
from morelli.provenance.metadata.blocks import MAX_BLOCK, READERS
from morelli.provenance.metadata.declarations import _table, source_type

from . import _files as f

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")


def test_the_layer_is_registered():
    assert "metadata" in list_layers()


@pytest.mark.parametrize("format_name", [*FORMATS, "GIF", "BMP"])
def test_silence_is_none_found(format_name):
    report = f.examine(f.saved(format_name))
    assert (report.status, report.facts) == ("none found", ())
    if find_spec("sd_parsers") is None:
        assert report.detail["parameters"].startswith("not parsed") and "pip install" in report.detail["parameters"]
    else:
        assert report.detail["parameters"] == "none found"


@pytest.mark.parametrize("format_name", FORMATS)
def test_exif_of_a_camera(format_name):
    made = f.exif(
        {
            0x010F: "Canon",
            0x0110: "Canon EOS R5",
            0x0131: "Adobe Lightroom 7.0",
            0x9C9D: "Zoë Müller".encode("utf-16-le"),
        },
        {0x9003: "2024:05:06 07:08:09", 0x829A: 0.005, 0xA434: "RF50mm F1.2 L"},
    )
    report = f.examine(f.saved(format_name, exif=made))
    (camera,) = f.said(report, claim="capture")
    assert camera.value == "Canon EOS R5"
    assert camera.detail["taken"] == "2024:05:06 07:08:09" and camera.detail["lens"] == "RF50mm F1.2 L"
    assert camera.detail["ExposureTime"] == pytest.approx(0.005)
    assert [fact.value for fact in f.said(report, claim="tool")] == ["Adobe Lightroom 7.0"]
    assert [fact.value for fact in f.said(report, claim="credit")] == ["Zoë Müller"]
    assert {fact.strength for fact in report.facts} == {"weak"}


@pytest.mark.parametrize("format_name", FORMATS)
def test_xmp_of_google(format_name):
    packet = f.xmp("<photoshop:Credit>Made with Google AI</photoshop:Credit>", f'e:DigitalSourceType="{f.TRAINED}"')
    options = {"tiffinfo": {0x02BC: packet}} if format_name == "TIFF" else {"xmp": packet}
    data = (
        f.png({"XML:com.adobe.xmp": packet.decode()}, "iTXt")
        if format_name == "PNG"
        else f.saved(format_name, **options)
    )
    report = f.examine(data)
    (source,) = f.said(report, "Iptc4xmpExt:DigitalSourceType")
    assert (source.claim, source.value, source.model) == ("generator", f.TRAINED, None)
    (credit,) = f.said(report, "photoshop:Credit")
    assert credit.claim == "generator" and credit.detail["says"] == "Google AI"


@pytest.mark.parametrize(
    "body",
    [
        f'<e:DigitalSourceType xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" r:resource="{f.TRAINED}"/>',
        f"<e:DigitalSourceType>{f.TRAINED}</e:DigitalSourceType>",
        "<e:DigitalSourceType>trainedAlgorithmicMedia</e:DigitalSourceType>",
    ],
)
def test_every_way_to_write_a_property(body):
    (fact,) = f.examine(f.saved("JPEG", xmp=f.xmp(body))).facts
    assert (fact.claim, fact.detail["says"]) == ("generator", "made by a trained model")


def test_history_creators_and_ingredients_of_xmp():
    body = """<xmp:CreatorTool>Adobe Photoshop 25.5 (Windows)</xmp:CreatorTool>
    <dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>
    <xmpMM:History><rdf:Seq>
      <rdf:li stEvt:action="created" stEvt:softwareAgent="Adobe Firefly 2.0" stEvt:when="2024-01-01T00:00:00Z"/>
      <rdf:li rdf:parseType="Resource"><stEvt:action>converted</stEvt:action>
      <stEvt:softwareAgent>GIMP 2.10</stEvt:softwareAgent>
      <stEvt:parameters>from PSD to JPEG</stEvt:parameters></rdf:li>
      <rdf:li><rdf:Description><stEvt:action>saved</stEvt:action></rdf:Description></rdf:li></rdf:Seq></xmpMM:History>
    <xmpMM:DerivedFrom stRef:documentID="xmp.did:123"/>"""
    report = f.examine(f.saved("JPEG", xmp=f.xmp(body)))
    assert [fact.value for fact in f.said(report, claim="credit")] == ["Ann", "Bob"]
    (made,) = f.said(report, "xmpMM:History", "generator")
    assert (made.value, made.model, made.detail["action"]) == ("Adobe Firefly 2.0", "adobe-firefly", "created")
    (edit,) = f.said(report, "xmpMM:History", "edit")
    assert edit.value == "converted by GIMP 2.10" and edit.detail["parameters"] == "from PSD to JPEG"
    assert [fact.value for fact in f.said(report, claim="ingredient")] == ["xmp.did:123"]


def test_iptc_names_the_system_that_was_used():
    body = (
        "<e:AISystemUsed>FLUX.1</e:AISystemUsed><e:AISystemVersionUsed>[dev]</e:AISystemVersionUsed>"
        "<e:AIPromptInformation>a heron</e:AIPromptInformation>"
    )
    (fact,) = f.examine(f.saved("WEBP", xmp=f.xmp(body))).facts
    assert fact.model == "black-forest-labs_FLUX.1-dev" and fact.detail["prompts"] == ["a heron"]


LABEL = '{"Label":"1","ContentProducer":"doubao","ProduceID":"x"}'


@pytest.mark.parametrize(
    "data",
    [
        f.saved("JPEG", xmp=f.xmp(f"<TC260:AIGC>{LABEL}</TC260:AIGC>")),
        f.png({"AIGC": LABEL}),
        f.saved("JPEG", exif=f.exif({}, {0x9286: b"ASCII\0\0\0" + ('{"AIGC":' + LABEL + "}").encode()})),
    ],
)
def test_the_label_that_china_prescribes(data):
    (fact,) = f.examine(data).facts
    assert fact.claim == "generator" and fact.detail["aigc"] == {"label": "generated", "producer": "doubao"}


def test_midjourney():
    words = "a fox --v 6 Job ID: 0a1b2c3d-1111-2222-3333-444455556666"
    for data in (f.png({"Description": words, "Author": "someone"}), f.saved("JPEG", exif=f.exif({0x010E: words}))):
        assert [fact.model for fact in f.said(f.examine(data), claim="generator")] == ["midjourney"]


def test_grok_needs_its_pair():
    signed = {0x010E: "Signature: " + "Ab3+" * 40, 0x013B: "0a1b2c3d-1111-2222-3333-444455556666"}
    report = f.examine(f.saved("JPEG", exif=f.exif(signed)))
    assert [fact.model for fact in f.said(report, claim="generator")] == ["grok-imagine"]
    alone = f.examine(f.saved("JPEG", exif=f.exif({0x010E: signed[0x010E]})))
    assert not f.said(alone, claim="generator")


def test_a_make_can_be_a_generator():
    (fact,) = f.examine(f.saved("JPEG", exif=f.exif({0x010F: "Ideogram AI"}))).facts
    assert (fact.claim, fact.model) == ("generator", "ideogram")


def test_captions_declare_nothing():
    words = "Made with Google AI? No: painted after a Midjourney picture, Adobe Firefly, sd_xl_base_1.0, OpenAI"
    packet = f.xmp(f"<dc:description><rdf:Alt><rdf:li>{words}</rdf:li></rdf:Alt></dc:description>")
    made = f.exif({0x010E: words, 0x9C9C: words.encode("utf-16-le")}, {0x9286: f.user_comment(words)})
    report = f.examine(f.with_segment(f.saved("JPEG", exif=made, xmp=packet), f.segment(0xFE, words.encode())))
    assert report.facts == ()


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le", "utf-16"])
def test_user_comments_in_either_byte_order(order):
    text = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Model: sd_xl_base_1.0"
    pytest.importorskip("sd_parsers")
    data = f.saved("JPEG", exif=f.exif({}, {0x9286: f.user_comment("猫\n" + text, order)}))
    (fact,) = f.said(f.examine(data), claim="generator")
    assert fact.model == f.SDXL and fact.detail["prompts"] == ["猫"]


def test_iptc_records_in_photoshop_resources():
    records = f.iim((65, "Adobe Photoshop"), (80, "Renée"), (110, "Made with Google AI"), (115, "Agency"))
    data = f.with_segment(
        f.saved("JPEG"), f.segment(0xED, b"Photoshop 3.0\0" + f.photoshop(b"\0\1", 0x03ED) + f.photoshop(records))
    )
    report = f.examine(data)
    assert {(fact.source, fact.claim) for fact in report.facts} == {
        ("iptc:OriginatingProgram", "tool"),
        ("iptc:By-line", "credit"),
        ("iptc:Credit", "generator"),
        ("iptc:Source", "credit"),
    }
    assert "Renée" in {fact.value for fact in report.facts}


def test_comments_segments_and_profiles():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format_name in FORMATS:
        assert "sRGB" in f.examine(f.saved(format_name, icc_profile=profile)).detail["icc"]
    data = f.with_segment(f.saved("JPEG"), f.segment(0xEC, b"Ducky\0\1"))
    report = f.examine(data)
    assert "APP12 Ducky" in report.detail["segments"]
    assert [fact.detail["says"] for fact in report.facts] == ["Adobe Photoshop, Save for Web"]


def test_extended_xmp_is_put_together():
    whole = f.xmp("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>" + "<!-- -->" * 20_000)
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">I", len(whole))
    parts = [
        f.segment(0xE1, head + struct.pack(">I", at) + whole[at : at + 60_000]) for at in range(0, len(whole), 60_000)
    ]
    assert len(parts) > 2
    (fact,) = f.examine(f.with_segment(f.saved("JPEG"), *reversed(parts))).facts
    assert fact.model == "adobe-firefly"
    assert f.examine(f.with_segment(f.saved("JPEG"), *parts[1:])).status == "failed"


@pytest.mark.parametrize("name", ["exif", "xmp", "iptc", "APP1"])
def test_profiles_as_imagemagick_writes_them(name):
    body = {
        "exif": b"Exif\0\0" + f.exif({0x0131: "GIMP"}).tobytes().removeprefix(b"Exif\0\0"),
        "APP1": b"Exif\0\0" + f.exif({0x0131: "GIMP"}).tobytes().removeprefix(b"Exif\0\0"),
        "xmp": f.xmp("<xmp:CreatorTool>GIMP</xmp:CreatorTool>"),
        "iptc": f.photoshop(f.iim((65, "GIMP"))),
    }[name]
    digits = body.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    report = f.examine(f.png({f"Raw profile type {name}": f"\n{name}\n{len(body):8}\n{lines}\n"}, "zTXt"))
    assert [fact.value for fact in report.facts] == ["GIMP"]
    wrong = f.png({f"Raw profile type {name}": f"\n{name}\n{len(body) + 1:8}\n{lines}\n"})
    assert f.examine(wrong).status == "failed"


# ---- what only looks like metadata ----

DECLARES = {
    "JPEG": f.saved("JPEG", xmp=f.xmp("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>")),
    "PNG": f.png({"Software": "Adobe Firefly"}),
    "WEBP": f.saved("WEBP", xmp=f.xmp("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>")),
    # A comment of a GIF declares by its parameters alone, which the extra reads.
    **(
        {"GIF": f.saved("GIF", comment="Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 5")}
        if find_spec("sd_parsers") is not None
        else {}
    ),
}


@pytest.mark.parametrize("format_name", [*FORMATS, "GIF"])
@pytest.mark.parametrize("appended", DECLARES)
def test_what_is_appended_is_no_fact(format_name, appended):
    assert f.examine(DECLARES[appended]).facts
    clean = f.saved(format_name)
    report = f.examine(
        clean + DECLARES[appended] + f.chunk(b"tEXt", b"Software\0Adobe Firefly") + f.segment(0xFE, b"Adobe Firefly")
    )
    assert report.facts == () and report.status == "none found"


def test_what_pixels_spell_is_no_fact():
    packet = f.xmp("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>", f'e:DigitalSourceType="{f.TRAINED}"')
    spelt = packet + f.chunk(b"tEXt", b"Software\0Adobe Firefly") + b"Made with Google AI"
    spelt += b"\0" * (-len(spelt) % 12)
    pixels = np.frombuffer(spelt, dtype=np.uint8).reshape(1, -1, 3)
    stored = zlib.compressobj(0)
    body = stored.compress(b"\0" + spelt) + stored.flush()
    header = struct.pack(">IIBBBBB", len(spelt) // 3, 1, 8, 2, 0, 0, 0)
    png = f.saved("PNG")[:8] + f.chunk(b"IHDR", header) + f.chunk(b"IDAT", body) + f.chunk(b"IEND", b"")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)
    bmp = f.saved("BMP", Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])))
    for data in (png, bmp, f.saved("TIFF", Image.fromarray(pixels))):
        assert b"Made with Google AI" in data
        assert f.examine(data).facts == ()


# ---- what is malformed or hostile ----


def test_bombs_are_bounded():
    bomb = zlib.compress(b"A" * (20 * MAX_BLOCK))
    for body in (
        f.chunk(b"zTXt", b"parameters\0\0" + bomb),
        f.chunk(b"iTXt", b"parameters\0\1\0\0\0" + bomb),
        f.chunk(b"iCCP", b"p\0\0" + bomb),
    ):
        report = f.examine(f.with_chunk(f.saved("PNG"), body))
        assert report.status == "failed" and "larger" in str(report.reason)


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares"),
        (b"<a><b></a>", "well-formed"),
        (b"<a>" * 100 + b"</a>" * 100, "elements"),
        (b"<a>" + b"<b/>" * 30_000 + b"</a>", "elements"),
        (b"<a " + b" ".join(b'x%d="1"' % i for i in range(30_000)) + b"/>", "elements"),
        (b"\xff\xfe" + "<a/>".encode("utf-16-be"), "well-formed"),
        (b'<?xml version="1.0" encoding="nowhere"?><a/>', "encoding"),
        (b"\0" * 100, "well-formed"),
    ],
)
def test_xmp_that_is_none(packet, said):
    report = f.examine(f.saved("WEBP", xmp=packet))
    assert report.status == "failed" and said in str(report.reason)


def test_xmp_in_utf_16():
    packet = f.xmp("<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>").decode().encode("utf-16")
    assert f.examine(f.saved("WEBP", xmp=packet)).facts[0].model == "adobe-firefly"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (f.png({"Software": "x" * 50})[:60], "cut off"),
        (DECLARES["JPEG"][:100], "cut off"),
        (DECLARES["WEBP"][:100], "cut off"),
        (f.saved("GIF", comment="hello")[:30], "cut off"),
        (f.png({"Software": "GIMP"}).replace(b"GIMP", b"GIMQ"), "checksum of a tEXt chunk"),
        (f.with_chunk(f.saved("PNG"), f.chunk(b"iTXt", b"Software\0")), "iTXt chunk is cut off"),
        (f.with_chunk(f.saved("PNG"), f.chunk(b"zTXt", b"Software\0\0junk")), "cannot be decompressed"),
        (f.with_segment(f.saved("JPEG"), f.segment(0xE1, b"Exif\0\0MM")), "no header"),
        (f.with_segment(f.saved("JPEG"), f.segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")), "outside"),
        (f.with_segment(f.saved("JPEG"), f.segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\1\0\2")), "cut off"),
        (f.with_segment(f.saved("JPEG"), f.segment(0xED, b"Photoshop 3.0\0" + b"junk" * 9)), "damaged"),
        (
            f.with_segment(
                f.saved("JPEG"), f.segment(0xED, b"Photoshop 3.0\0" + f.photoshop(f.iim((110, "a" * 50)))[:40])
            ),
            "cut off",
        ),
        (
            f.with_segment(
                f.saved("JPEG"), f.segment(0xED, b"Photoshop 3.0\0" + f.photoshop(b"\x1c\2\x6e\xff\xff\0\0\0"))
            ),
            "damaged",
        ),
    ],
)
def test_malformed_metadata_are_told(data, said):
    report = f.examine(data)
    assert report.status == "failed" and said in " ".join(report.detail["problems"])


def test_what_is_malformed_hides_nothing_else():
    data = f.with_chunk(f.png({"Software": "GIMP"}), f.chunk(b"zTXt", b"Comment\0\0junk"))
    report = f.examine(data)
    assert report.status == "found" and report.detail["problems"]


def test_a_flood_of_facts_is_bounded():
    body = "<dc:creator><rdf:Seq>" + "".join(f"<rdf:li>{i}</rdf:li>" for i in range(3000)) + "</rdf:Seq></dc:creator>"
    report = f.examine(f.saved("WEBP", xmp=f.xmp(body)))
    assert len(report.facts) == 200 and "more than 200" in report.detail["problems"][0]
    assert (
        len(f.examine(f.saved("WEBP", xmp=f.xmp("<dc:creator>" + "x" * 90_000 + "</dc:creator>"))).facts[0].value)
        <= 500
    )


def test_other_files_are_not_examined():
    assert f.examine(b"plain text, sd_xl_base_1.0").status == "not examined"


VICTIMS = [
    *DECLARES.values(),
    f.saved(
        "AVIF",
        xmp=f.xmp("<xmp:CreatorTool>x</xmp:CreatorTool>"),
        exif=f.exif({0x0131: "x"}, {0x9286: f.user_comment("y")}),
    ),
    f.saved("TIFF", exif=f.exif({0x0131: "x"}, {0x9286: f.user_comment("y")})),
    f.with_segment(f.saved("JPEG"), f.segment(0xED, b"Photoshop 3.0\0" + f.photoshop(f.iim((110, "z"))))),
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(VICTIMS), st.integers(0), st.binary(min_size=1, max_size=6), st.integers(0))
def test_damaged_files_raise_nothing(victim, at, patch, cut):
    at %= len(victim)
    damaged = victim[:at] + patch + victim[at + len(patch) :]
    report = f.examine(damaged[: max(64, len(damaged) - cut % len(damaged))] if cut % 3 == 0 else damaged)
    assert report.status in ("found", "none found", "failed", "not examined")
    for fact in report.facts:
        fact.value.encode()


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=300))
def test_junk_in_any_format_raises_nothing(format_name, junk):
    heads = {
        "JPEG": b"\xff\xd8\xff\xe1",
        "PNG": b"\x89PNG\r\n\x1a\n",
        "WEBP": b"RIFF\xff\xff\0\0WEBP",
        "GIF": b"GIF89a",
        "TIFF": b"II*\0",
        "AVIF": b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\1\0meta",
        "HEIF": b"\0\0\0\x14ftypheic\0\0\0\0heic",
    }
    f.examine(heads.get(format_name, b"BM") + junk)


# ---- tables and settings ----


def test_every_declaration_has_a_source_and_applies_to_a_field_that_is_read():
    assert all(found.source for pairs in _table().by_field.values() for _, found in pairs)
    assert all(":" in field for field in _table().by_field)
    assert source_type("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture").claim == "capture"
    assert source_type("http://example.org/other") is None


def test_own_aliases_name_own_models(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text('format = 1\n[[alias]]\nmodel = "acme-7"\nnames = ["acme studio*"]\n')
    report = f.examine(f.png({"Software": "ACME Studio 7.1"}), Settings(aliases=path))
    assert [(fact.claim, fact.model) for fact in report.facts] == [("generator", "acme-7")]
    path.write_text("format = 9")
    with pytest.raises(MorelliError, match="format = 1"):
        f.examine(f.png(), Settings(aliases=path))


def test_inspecting_files(tmp_path):
    path = tmp_path / "an image é.png"
    path.write_bytes(f.png({"Software": "Adobe Firefly"}))
    (found,) = inspect([path], layers=("metadata",))
    assert [fact.model for fact in found.facts] == ["adobe-firefly"]
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.verify()
