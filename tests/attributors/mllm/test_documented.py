"""What docs/mllm.md shows is what is read."""

from __future__ import annotations

import re
from pathlib import Path

from morelli.attributors.answers import NO_ANSWER
from morelli.attributors.mllm.evaluators import Evaluator, read_evaluators

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mllm.md").read_text(encoding="utf-8")


def shown(name: str, path: Path) -> list[Evaluator]:
    block = re.search(rf"<!-- {name} -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    path.write_text(block[1], encoding="utf-8")
    return read_evaluators(path)


def test_the_file_of_the_page_can_be_used_as_it_stands(tmp_path):
    """It names no folder that only its author has."""
    found = shown("endpoints file", tmp_path / "endpoints.toml")
    assert [(who.name, who.attributor) for who in found] == [("qwen", "mllm"), ("openai", "mllm")]


def test_the_table_of_a_model_in_the_process(tmp_path):
    (own,) = shown("own model", tmp_path / "own.toml")
    assert (own.name, own.attributor) == ("own", "mllm-local")


def test_every_outcome_is_documented():
    assert [word for word in NO_ANSWER if f"| `{word}` |" not in PAGE] == []
