"""Documentation under test: the reference is current, everything has help, and what is shown runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from morelli.attributors import Candidate, Lineage, PooledVerdict, Verdict
from morelli.cli._text import examples_of
from morelli.sample import sample_path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<mark><!-- run(, going on)? -->\n)?^```(?P<language>console|python)\n(?P<text>.*?)^```$"
    r"(\n\n<!-- printed -->\n```\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
"""A block for a shell or Python. With a mark it runs, in a folder of its own or in that of the block before, and its
output may be shown below it."""


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_cli_docs", ROOT / "tools" / "make_cli_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
COMMANDS = {" ".join(path): command for path, command in TOOL.commands()}
LEAVES = {words: command for words, command in COMMANDS.items() if not getattr(command, "commands", None)}


def blocks(page: Path, marked: bool) -> list[str]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [
        block["text"] for block in found if (block["mark"] is not None) == marked and block["language"] == "console"
    ]


def test_reference_is_current():
    assert TOOL.PAGE.read_text(encoding="utf-8") == TOOL.page(), "run python tools/make_cli_docs.py"


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_command_has_help(words):
    command = COMMANDS[words]
    assert command.help
    assert command.help.split("\n\n")[0].rstrip().endswith((".", "?")), "the first paragraph is one sentence"
    assert f" {words}\n" in TOOL.PAGE.read_text(encoding="utf-8")
    for parameter in command.params:
        assert parameter.help, f"{parameter.name} has no help"
        assert parameter.help.endswith("."), f"the help of {parameter.name} is no sentence"
        flag = getattr(parameter, "is_flag", False) or "completion" in parameter.name
        assert flag or parameter.metavar, f"{parameter.name} has no metavar"
        assert not parameter.secondary_opts, f"{parameter.name}: write the name of the flag out, or there is a --no-"


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_command_has_examples(words):
    examples = examples_of(LEAVES[words].help)
    assert examples
    assert all(words in example for example in examples)
    assert all(len(example) <= 100 for example in examples)


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of every call of morelli in some lines for a shell, without the word itself."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;")
        lexer.whitespace_split = True
        words = list(lexer)
        for start, word in enumerate(words):
            if word.rpartition("/")[2] == "morelli" and (start == 0 or words[start - 1] in ("|", "&&", ";")):
                end = next((i for i in range(start, len(words)) if words[i] in ("|", ">", "&&", ";")), len(words))
                yield words[start + 1 : end]


def parse(words: list[str]) -> None:
    """Let the command line parse words without running anything."""
    command: Any = COMMANDS["morelli"]
    path = ["morelli"]
    while words and words[0] in getattr(command, "commands", {}):
        path.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    assert not getattr(command, "commands", None) or "--" in words[0], f"there is no command {words[0]}"
    command.make_context(" ".join(path), list(words))


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_examples_of_help_are_valid(words):
    calls = [call for example in examples_of(LEAVES[words].help) for call in commands_in(example)]
    assert calls
    for call in calls:
        parse(call)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_pages_are_valid(page):
    for text in (*blocks(page, True), *blocks(page, False)):
        for call in commands_in(text):
            parse(call)


def examples(page: Path) -> list[list[re.Match[str]]]:
    """Return the blocks of a page that run, those together that run in one folder."""
    found: list[list[re.Match[str]]] = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["mark"] is not None and "going on" in block["mark"]:
            found[-1].append(block)
        elif block["mark"] is not None:
            found.append([block])
    return found


def test_some_examples_run():
    assert any(examples(page) for page in PAGES)


def run(text: str, folder: Path, language: str = "console") -> str:
    """Run a block as a reader would, in a folder with the sample; return what it prints."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MORELLI_CACHE": str(folder / "cache"),
    }
    interpreter = ["bash", "-euo", "pipefail"] if language == "console" else [sys.executable]
    result = subprocess.run(
        [*interpreter, "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, f"{text}\n{result.stderr}"
    return result.stdout


def shape(value: Any) -> Any:
    """Return what a value consists of, without the numbers: they differ a little between machines."""
    if isinstance(value, dict):
        return {key: shape(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


VERDICT_PAGE = ROOT / "docs" / "verdict.md"


def without_numbers(line: str) -> str:
    """Return a line without what differs a little between machines."""
    return re.sub(r"\d[\d.,]*", "0", line).strip()


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize(
    ("page", "texts"),
    [pytest.param(page, texts, id=f"{page.name}-{i}") for page in PAGES for i, texts in enumerate(examples(page))],
)
def test_examples_run(page, texts, tmp_path):
    (tmp_path / "sample").symlink_to(sample_path(), target_is_directory=True)
    for block in texts:
        printed = run(block["text"], tmp_path, block["language"])
        lines = {without_numbers(line) for line in printed.splitlines()}
        missing = [line for line in (block["printed"] or "").splitlines() if without_numbers(line) not in lines]
        assert not missing, printed
    if page != VERDICT_PAGE:
        return
    shown = re.search(r"<!-- example verdict -->\n```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    expected, verdict = json.loads(shown[1]), json.loads(printed[printed.index("\n{") :])
    assert shape(verdict) == shape(expected)
    for field in ("schema_version", "uri", "image_id", "decision", "label"):
        assert verdict[field] == expected[field]


def test_every_field_of_a_verdict_is_documented():
    text = VERDICT_PAGE.read_text(encoding="utf-8")
    fields = [field.name for field in dataclasses.fields(Verdict)]
    fields += [f"lineage.{field.name}" for field in dataclasses.fields(Lineage)]
    fields += [f"candidates[].{field.name}" for field in dataclasses.fields(Candidate)]
    assert [field for field in fields if f"| `{field}` |" not in text] == []


def test_every_field_of_a_pooled_verdict_is_documented():
    text = VERDICT_PAGE.read_text(encoding="utf-8").partition("## Several images together")[2]
    table = "\n".join(line.partition(" | ")[0] for line in text.partition("\n## ")[0].splitlines() if line[:1] == "|")
    assert [field.name for field in dataclasses.fields(PooledVerdict) if f"`{field.name}`" not in table] == []
