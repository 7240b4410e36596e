"""Image files that declare things, written as the programs write them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib

from PIL import Image, PngImagePlugin

from morelli.images import Limits
from morelli.images._containers import sniff
from morelli.provenance import Fact, ImageFile, LayerReport, Settings
from morelli.provenance.metadata import MetadataLayer

SDXL = "stabilityai_stable-diffusion-xl-base-1.0"
IMAGE = Image.effect_noise((48, 40), 30).convert("RGB")
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:xmp="http://ns.adobe.com/xap/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"
{attributes}>{body}</rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

A1111 = (
    "a cat, masterpiece\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, "
    "Size: 512x512, "
    "Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Version: v1.6.0"
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "euler",
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
}
COMFY_FLUX = {
    "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}},
    "2": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["3", 0]}},
    "3": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0]}},
}
WORKFLOW = {"links": [[1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "CONDITIONING"], [3, 7, 0, 3, 2, "CONDITIONING"]]}
INVOKE = {
    "positive_prompt": "a fox",
    "negative_prompt": "",
    "scheduler": "euler",
    "steps": 30,
    "cfg_scale": 7.5,
    "seed": 3,
    "app_version": "4.2.0",
    "model": {"model_name": "stable-diffusion-xl-base-1.0", "base_model": "sdxl"},
}
SD_METADATA = {
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc6cb27103417325",
    "image": {
        "prompt": [{"prompt": "a hill [tree]", "weight": 1}],
        "sampler": "k_lms",
        "steps": 50,
        "cfg_scale": 7.5,
        "seed": 9,
    },
}
DREAM = '"a dune [sand]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms'
NOVELAI = {
    "Software": "NovelAI",
    "Source": "Stable Diffusion 1D44365E",
    "Description": "a girl",
    "Title": "AI generated image",
    "Comment": json.dumps(
        {"steps": 28, "sampler": "k_euler", "seed": 5, "strength": 0.7, "noise": 0.2, "scale": 11, "uc": "bad"}
    ),
}
FOOOCUS = {
    "base_model": "sd_xl_base_1.0",
    "base_model_hash": "31e35c80fc",
    "sampler": "dpmpp_2m",
    "scheduler": "karras",
    "seed": "7",
    "steps": 30,
    "guidance_scale": 4,
    "sharpness": 2,
    "prompt": "a boat",
    "negative_prompt": "",
    "version": "Fooocus v2.3.0",
}


def xmp(body: str = "", attributes: str = "") -> bytes:
    return XMP.format(body=body, attributes=attributes).encode()


def png(texts: dict[str, str] | None = None, kind: str = "tEXt", **options: object) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        if kind == "iTXt":
            info.add_itxt(key, text, zip=True)
        else:
            info.add_text(key, text, zip=kind == "zTXt")
    return saved("PNG", pnginfo=info, **options)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(data: bytes, inserted: bytes) -> bytes:
    return data[:33] + inserted + data[33:]  # behind IHDR


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_segment(data: bytes, *inserted: bytes) -> bytes:
    return data[:2] + b"".join(inserted) + data[2:]


def exif(tags: dict[int, object], camera: dict[int, object] | None = None) -> Image.Exif:
    made = Image.Exif()
    made[0x0132] = "2026:01:02 03:04:05"  # Pillow takes a first directory without tags for none
    for tag, value in tags.items():
        made[tag] = value
    for tag, value in (camera or {}).items():
        made.get_ifd(0x8769)[tag] = value
    return made


def user_comment(text: str, order: str = "utf-16-be") -> bytes:
    return b"UNICODE\0" + text.encode(order)


def saved(format_name: str, image: Image.Image = IMAGE, **options: object) -> bytes:
    if format_name == "TIFF" and isinstance(made := options.get("exif"), Image.Exif):
        options["exif"] = Image.Exif()  # of those that were read, and no others, Pillow writes inner directories
        options["exif"].load(made.tobytes())
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def iim(*datasets: tuple[int, str]) -> bytes:
    return b"".join(
        bytes([0x1C, 2, number]) + struct.pack(">H", len(text.encode())) + text.encode() for number, text in datasets
    )


def photoshop(records: bytes, number: int = 0x0404) -> bytes:
    body = b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(records)) + records
    return body + b"\0" * (len(records) & 1)


def examine(data: bytes, settings: Settings | None = None) -> LayerReport:
    file = ImageFile("test image.png", data, hashlib.sha256(data).hexdigest(), sniff(data)[0], Limits())
    return MetadataLayer(settings or Settings()).examine(file)


def said(report: LayerReport, source: str = "", claim: str = "") -> list[Fact]:
    return [fact for fact in report.facts if fact.source.startswith(source) and claim in ("", fact.claim)]
