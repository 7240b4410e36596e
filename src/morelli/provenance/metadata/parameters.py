"""Parameters that generators write into files, read by sd-parsers.

The parsers are given texts that were taken out of the container before, and not the file: so they see nothing beyond
the bounds, work for every container, and a cache of theirs that mistakes one image for another (by ``id()``, for EXIF)
is never asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

from morelli.provenance.metadata.blocks import clean

__all__ = ["MISSING", "Parameters", "can_parse", "parse_parameters", "spread"]

MISSING: Final = 'not parsed: parameters of generators need the "provenance" extra: pip install "morelli[provenance]"'

_KEYS: Final = {
    "parameters": 256 * 1024,
    "prompt": 4 * 1024 * 1024,
    "workflow": 4 * 1024 * 1024,
    "sd-metadata": 1024 * 1024,
    "invokeai_metadata": 1024 * 1024,
    "invokeai_graph": 4 * 1024 * 1024,
    "Dream": 8 * 1024,  # its parser takes time by the square of the length
    "Comment": 256 * 1024,
    "Description": 256 * 1024,
    "Source": 200,
    "Software": 200,
    "Title": 1000,
}
"""What the parsers look at, and how long it may be."""

_MAX_NODES, _MAX_LINKS, _MAX_SAMPLERS = 2000, 6000, 16
"""Bounds on graphs of ComfyUI: each of its samplers walks through the graph three times."""

_MAX_MODELS = 10
_MAX_PROMPT = 8000
_MAX_STRING, _MAX_ITEMS, _MAX_DEPTH = 500, 60, 4
_LOADED_BY = ("ckpt_name", "unet_name", "base_ckpt_name", "diffusion_model_name")


@dataclass(frozen=True)
class Parameters:
    """What one program wrote about the making of an image.

    Attributes
    ----------
    tool : str
        The program.
    models : tuple of (str or None, str or None)
        Name and hash of each checkpoint.
    detail : dict
        JSON-able: prompts, samplers and their settings, and what else there is; bounded.
    """

    tool: str
    models: tuple[tuple[str | None, str | None], ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)


def can_parse() -> bool:
    """Say whether sd-parsers is installed."""
    return find_spec("sd_parsers") is not None


def spread(text: str) -> dict[str, str]:
    """Return a text as parameters: under the key that most programs use, and by its own keys where it is JSON."""
    found = {"parameters": text}
    if text.lstrip()[:1] == "{" and len(text) <= _KEYS["workflow"]:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return found
        for key in _KEYS.keys() & values.keys():
            value = values[key]
            found[key] = value if isinstance(value, str) else json.dumps(value)
    return found


def parse_parameters(texts: Mapping[str, str], problems: list[str]) -> Iterator[Parameters]:
    """Yield what each parser that understands them makes of texts by keyword; what fails is added to `problems`."""
    from sd_parsers.exceptions import ParserError
    from sd_parsers.parsers import MANAGED_PARSERS

    given: dict[str, Any] = {}
    for key in _KEYS.keys() & texts.keys():
        if len(texts[key]) <= _KEYS[key]:
            given[key] = texts[key]
        else:
            problems.append(f"the parameters under {key!r} are longer than what is parsed")
    if not given:
        return
    graph = _graph(given, problems)
    for make in MANAGED_PARSERS:
        made: Any = make()  # type: ignore[abstract]
        name = str(made.generator.value)
        if name == "ComfyUI" and graph is None:
            continue
        try:
            info = made.parse({**given, **(graph or {})} if name == "ComfyUI" else dict(given))
            result = _result(name, info)
        except ParserError:
            continue  # these are no parameters of that program
        except Exception as error:  # strangers' data in a parser that foresees little of what it can be
            problems.append(f"the parameters are none that {name} writes ({type(error).__name__})")
            continue
        if name == "ComfyUI" and graph is not None:
            result = _with_loaded(result, graph["prompt"])
        yield result


def _graph(given: dict[str, Any], problems: list[str]) -> dict[str, Any] | None:
    """Return ComfyUI's graph within bounds, with the links between nodes that were run, or None."""
    if "prompt" not in given:
        return None
    try:
        prompt = json.loads(given["prompt"])
    except (ValueError, RecursionError):
        return None  # many programs call a text so
    if not isinstance(prompt, dict):
        return None
    nodes = {
        str(key): node
        for key, node in prompt.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and isinstance(node.get("class_type"), str)
    }
    links = [
        [None, str(value[0]), value[1], key, None, "CLIP" if name == "clip" else name.upper()]
        for key, node in nodes.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)
    ]
    samplers = sum("sampler_name" in node["inputs"] for node in nodes.values())
    if len(nodes) > _MAX_NODES or len(links) > _MAX_LINKS or samplers > _MAX_SAMPLERS:
        problems.append(
            f"the graph of ComfyUI has {len(nodes)} nodes, {len(links)} links and {samplers} samplers, more than "
            "what is parsed"
        )
        return None
    # The workflow is a drawing of the graph and can differ from what was run; the links are those that were run.
    return {"prompt": nodes, "workflow": {"links": links}} if nodes else None


def _with_loaded(result: Parameters, nodes: dict[str, Any]) -> Parameters:
    """Add checkpoints that are loaded by nodes from which sd-parsers reaches no sampler, such as those for FLUX."""
    loaded = [
        clean(value, _MAX_STRING)
        for node in nodes.values()
        for key, value in node["inputs"].items()
        if key in _LOADED_BY and isinstance(value, str)
    ]
    known = {name for name, _ in result.models}
    more = tuple((name, None) for name in dict.fromkeys(loaded) if name and name not in known)
    return Parameters(result.tool, (*result.models, *more)[:_MAX_MODELS], result.detail)


def _result(name: str, info: Any) -> Parameters:
    models: dict[tuple[str | None, str | None], None] = {}
    samplers = []
    for sampler in info.samplers[:_MAX_SAMPLERS]:
        if sampler.model is not None:
            models[(_text(sampler.model.name), _text(sampler.model.hash))] = None
        samplers.append({"name": _bounded(sampler.name), "settings": _bounded(sampler.parameters)})
    metadata = _bounded(info.metadata)
    detail = {
        "parser": f"sd-parsers {_version()}",
        "prompts": [_prompt(prompt) for prompt in info.prompts[:_MAX_ITEMS]],
        "negative_prompts": [_prompt(prompt) for prompt in info.negative_prompts[:_MAX_ITEMS]],
        "samplers": samplers,
        "metadata": metadata,
    }
    return Parameters(_tool(name, metadata), tuple(models)[:_MAX_MODELS], detail)


def _tool(name: str, metadata: Any) -> str:
    """Name the program: what writes the parameters of AUTOMATIC1111 is often another, which may say so."""
    if not isinstance(metadata, dict):
        return name
    own = metadata.get("App") or metadata.get("app")
    if name == "AUTOMATIC1111" and isinstance(own, str):
        return clean(own, 80)
    number = next((metadata[key] for key in ("Version", "version", "app_version") if key in metadata), None)
    return clean(f"{name} {number}", 80) if isinstance(number, str) else name


def _prompt(prompt: Any) -> str:
    return clean(str(prompt.value), _MAX_PROMPT)


def _text(value: Any) -> str | None:
    return (clean(value, _MAX_STRING) or None) if isinstance(value, str) else None


def _bounded(value: Any, depth: int = 0) -> Any:
    """Return what JSON can hold of a value, within bounds."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else "a number of more than 64 bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return clean(value, _MAX_STRING)
    if depth < _MAX_DEPTH and isinstance(value, dict):
        pairs = list(value.items())[:_MAX_ITEMS]
        return {clean(str(key), 100): _bounded(each, depth + 1) for key, each in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return [_bounded(each, depth + 1) for each in list(value)[:_MAX_ITEMS]]
    return "..."


def _version() -> str:
    try:
        return version("sd-parsers")
    except PackageNotFoundError:  # imported from a folder
        return "of unknown version"
