"""What docs/mllm.md shows is what is read."""

from __future__ import annotations

import re
from pathlib import Path

from morelli.attributors.answers import NO_ANSWER
from morelli.attributors.mllm.evaluators import read_evaluators

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mllm.md").read_text(encoding="utf-8")


def test_the_file_of_the_page(tmp_path):
    block = re.search(r"<!-- endpoints file -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    (tmp_path / "endpoints.toml").write_text(block[1], encoding="utf-8")
    assert [who.name for who in read_evaluators(tmp_path / "endpoints.toml")] == ["qwen", "openai", "own"]


def test_every_outcome_is_documented():
    assert [word for word in NO_ANSWER if f"| `{word}` |" not in PAGE] == []
