"""Tokenizers beside networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from morelli.errors import NetworkError
from morelli.networks.loading import require_libraries, told

__all__ = ["read_tokenizer"]


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder: ``tokenizer.json``, with what ``tokenizer_config.json`` says of it.

    Raises
    ------
    NetworkError
        It is not there, or cannot be read.
    MissingExtraError
        transformers is not installed.
    """
    (transformers,) = require_libraries("A tokenizer", "transformers")
    if not (folder / "tokenizer.json").is_file():
        raise NetworkError(f"{folder} lacks tokenizer.json, without which the network cannot read or write.")
    with told(folder, NetworkError, "cannot be loaded"):
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
