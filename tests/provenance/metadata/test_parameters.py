from __future__ import annotations

import json
import sys
import time

import pytest

from morelli.provenance.metadata import parameters

from . import _files as f

pytest.importorskip("sd_parsers")

TEXTS = {
    "AUTOMATIC1111": ({"parameters": f.A1111}, "sd_xl_base_1.0", f.SDXL, "a cat, masterpiece"),
    "ComfyUI": (
        {"prompt": json.dumps(f.COMFY), "workflow": json.dumps(f.WORKFLOW)},
        "v1-5-pruned-emaonly.safetensors",
        "stable-diffusion-v1-5_stable-diffusion-v1-5",
        "a castle",
    ),
    "InvokeAI": ({"invokeai_metadata": json.dumps(f.INVOKE)}, "stable-diffusion-xl-base-1.0", f.SDXL, "a fox"),
    "InvokeAI ": (
        {"sd-metadata": json.dumps(f.SD_METADATA)},
        "stable-diffusion-1.5",
        "stable-diffusion-v1-5_stable-diffusion-v1-5",
        "a hill",
    ),
    "NovelAI": (f.NOVELAI, "Stable Diffusion", None, "a girl"),
    "Fooocus": ({"parameters": json.dumps(f.FOOOCUS)}, "sd_xl_base_1.0", f.SDXL, "a boat"),
}


def check(report, tool: str, value: str, model: str | None, prompt: str) -> None:
    facts = [fact for fact in f.said(report, claim="generator") if "prompts" in fact.detail]
    assert [(fact.value, fact.model) for fact in facts] == [(value, model)]
    assert facts[0].detail["prompts"] == [prompt]
    assert facts[0].strength == "weak" and facts[0].verification == "unverified"
    assert any(fact.value.startswith(tool.strip()) for fact in f.said(report, claim="tool"))
    assert report.detail["parameters"] == "parsed"
    json.dumps(report.facts[0].detail, allow_nan=False)


@pytest.mark.parametrize("tool", TEXTS)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_png_of_each_program(tool, kind):
    texts, *expected = TEXTS[tool]
    check(f.examine(f.png(texts, kind)), tool, *expected)


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("tool", TEXTS)
def test_user_comment_of_each_program(tool, format_name):
    texts, *expected = TEXTS[tool]
    text = texts["parameters"] if "parameters" in texts else json.dumps(texts)
    made = f.exif({}, {0x9286: f.user_comment(text)})
    check(f.examine(f.saved(format_name, exif=made)), tool, *expected)


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP"])
def test_fooocus_writes_into_the_first_directory(format_name):
    made = f.exif({0x9286: json.dumps(f.FOOOCUS), 0x0131: "Fooocus v2.3.0", 0x927C: "fooocus"})
    report = f.examine(f.saved(format_name, exif=made))
    check(report, *("Fooocus", *TEXTS["Fooocus"][1:]))
    assert f.said(report, "exif:Software", "generator")


def test_comfyui_writes_graphs_into_the_tags_of_cameras():
    made = f.exif({0x0110: "prompt:" + json.dumps(f.COMFY), 0x010F: "workflow:" + json.dumps(f.WORKFLOW)})
    report = f.examine(f.saved("WEBP", exif=made))
    check(report, *("ComfyUI", *TEXTS["ComfyUI"][1:]))
    assert not f.said(report, claim="capture")


def test_comfyui_without_a_drawing_and_with_nodes_that_reach_no_sampler():
    report = f.examine(f.png({"prompt": json.dumps(f.COMFY)}))
    check(report, *("ComfyUI", *TEXTS["ComfyUI"][1:]))
    flux = f.examine(f.png({"prompt": json.dumps(f.COMFY_FLUX)}))
    assert [fact.model for fact in f.said(flux, claim="generator")] == ["black-forest-labs_FLUX.1-dev"]


def test_dream_names_no_model():
    report = f.examine(f.png({"Dream": f.DREAM}))
    (fact,) = f.said(report, claim="generator")
    assert fact.model is None and "not named" in fact.value
    assert fact.detail["prompts"] == ["a dune"] and fact.detail["negative_prompts"] == ["sand"]


def test_gif_comment_of_automatic1111():
    check(f.examine(f.saved("GIF", comment=f.A1111)), *("AUTOMATIC1111", *TEXTS["AUTOMATIC1111"][1:]))


def test_sdnext_says_what_it_is():
    report = f.examine(f.png({"parameters": f.A1111 + ", App: SD.Next"}))
    assert [fact.value for fact in f.said(report, claim="tool")] == ["SD.Next"]


def test_a_hash_beats_a_name():
    text = f.A1111.replace("sd_xl_base_1.0", "flux1-schnell")
    (fact,) = f.said(f.examine(f.png({"parameters": text})), claim="generator")
    assert fact.model == f.SDXL and "schnell" in fact.detail["note"]


def test_images_in_turn_are_not_mistaken_for_each_other():
    """sd-parsers keeps the last user comment by id(): its own reading would tell it of the next image as well."""
    for number in range(20):
        text = f.A1111.replace("965400086", str(number))
        report = f.examine(f.saved("JPEG", exif=f.exif({}, {0x9286: f.user_comment(text)})))
        (fact,) = f.said(report, claim="generator")
        assert fact.detail["samplers"][0]["settings"]["seed"] == str(number)


def chain(nodes: int, samplers: int) -> dict[str, object]:
    graph: dict[str, object] = {
        str(i): {"class_type": "CLIPTextEncode", "inputs": {"model": [str(i + 1), 0], "conditioning": [str(i + 1), 0]}}
        for i in range(nodes)
    }
    for i in range(samplers):
        links = {name: ["0", 0] for name in ("model", "positive", "negative")}
        graph[f"s{i}"] = {"class_type": "KSampler", "inputs": {"sampler_name": "x", "steps": 1, "cfg": 1, **links}}
    return graph


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": json.dumps(chain(1900, 16)), "workflow": "{}"},
        {"prompt": json.dumps(chain(20_000, 2000)), "workflow": "{}"},
        {"prompt": "[" * 100_000, "workflow": "[" * 100_000},
        {"prompt": '{"a":' * 50_000, "workflow": "{}"},
        {
            "prompt": json.dumps({"1": {"class_type": 1, "inputs": []}, "2": "x", "3": None}),
            "workflow": json.dumps({"links": 3}),
        },
        {
            "prompt": json.dumps(
                {"1": {"class_type": "A", "inputs": {"model": ["1", 0], "sampler_name": [], "steps": {}, "cfg": None}}}
            )
        },
        {"parameters": "Steps: 1, Sampler: x, Seed: 1, CFG scale: 2, Model: " + "m" * 200_000},
        {"parameters": "Steps: 1, " * 20_000},
        {"parameters": "\n" * 200_000},
        {
            "parameters": json.dumps(
                {"base_model": None, "base_model_hash": None, "sampler": 1, "prompt": 2, "negative_prompt": []}
            )
        },
        {
            "parameters": json.dumps(
                {"base_model": {}, "base_model_hash": [], "sampler": {}, "prompt": {}, "negative_prompt": 1}
            )
        },
        {"parameters": "1" * 5000},
        {"Dream": '"x"' + " " * 8000},
        {"Dream": '"' + "[" * 8000},
        {"invokeai_metadata": json.dumps({"scheduler": "x", "model": "y", "positive_prompt": 5})},
        {"invokeai_metadata": "[]"},
        {"sd-metadata": json.dumps({"image": [], "model_weights": 1})},
        {"sd-metadata": json.dumps({"image": {"sampler": "x", "prompt": [1, None]}})},
        {"Comment": "{}", "Description": "x", "Source": "A " * 90},
        {"Comment": "null", "Description": "x", "Source": "y"},
        {"parameters": f.A1111.replace("965400086", "\ud800\0\x1b[31m")},
        {"parameters": f.A1111.replace("20", "9" * 4000)},
        {"prompt": '{"1": {"class_type": "UNETLoader", "inputs": {"unet_name": "\\ud83d", "x": NaN, "y": 1e999}}}'},
    ],
    ids=range(23),
)
def test_hostile_parameters_end_soon_and_raise_nothing(texts):
    start = time.process_time()
    problems: list[str] = []
    found = list(parameters.parse_parameters(texts, problems))
    for each in found:
        json.dumps(each.detail, allow_nan=False).encode()
        assert len(json.dumps(each.detail)) < 2_000_000
    f.examine(f.png({key: text.encode("utf-8", "replace").decode() for key, text in texts.items()}, "iTXt"))
    assert time.process_time() - start < 10


def test_graphs_beyond_the_bounds_are_told():
    report = f.examine(f.png({"prompt": json.dumps(chain(3000, 1))}, "zTXt"))
    assert report.status == "failed" and "3001 nodes" in str(report.reason)


def test_without_the_parsers_the_rest_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "sd_parsers", None)
    monkeypatch.setattr(parameters, "find_spec", lambda name: None)
    monkeypatch.setattr("morelli.provenance.metadata.layer.can_parse", parameters.can_parse)
    report = f.examine(f.png({"parameters": f.A1111, "Software": "GIMP 2.10"}))
    assert report.status == "found" and [fact.value for fact in report.facts] == ["GIMP 2.10"]
    assert 'pip install "morelli[provenance]"' in report.detail["parameters"]
