"""What is hashed, and how: canonical JSON, commitments to content that may be removed, and links of the chain."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from morelli.errors import LedgerError

__all__ = ["MAX_CONTENT", "NOTHING", "canonical_json", "commitment_to", "is_intact", "link_hash", "new_salt"]

MAX_DEPTH: Final = 100
"""Objects and lists within each other: what Python's parser still reads hangs on the stack that it is called with."""

MAX_CONTENT: Final = 1 << 20
"""Bytes of the content of one entry. Readers hold a page of entries in memory, so that there has to be a limit."""

NOTHING: Final = "0" * 64
"""What the first entry names as the hash of the entry before it."""

_COMMITMENT: Final = b"morelli.ledger.content.1\n"
_LINK: Final = b"morelli.ledger.entry.1\n"


def canonical_json(values: Mapping[str, Any]) -> str:
    r"""Return `values` as the one text that is stored and hashed: keys sorted, no spaces, ASCII only.

    ASCII, because databases refuse what JSON can escape: NUL and the half surrogate pairs of file names that are not
    UTF-8. What was stored is hashed as it was stored, and never made from parsed values again, so that another
    version of Python that writes a number differently cannot break a chain.

    Raises
    ------
    LedgerError
        It is no JSON (NaN, an object of another type, nested too deeply), or too long.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": "caf\udce9"})
    '{"a":"caf\\udce9","b":1}'
    """
    if _deeper_than(MAX_DEPTH, values):
        raise LedgerError(f"This cannot be recorded: objects and lists lie more than {MAX_DEPTH} deep in each other.")
    try:
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise LedgerError(f"This cannot be recorded, because it is not JSON ({error}).") from error
    if len(text) > MAX_CONTENT:
        raise LedgerError(
            f"The content of an entry may have {MAX_CONTENT} bytes as JSON, this has {len(text)}. "
            "Attach large things as files."
        )
    return text


def _deeper_than(depth: int, values: Any) -> bool:
    """Say whether containers lie deeper in each other, level by level and not by recursion."""
    level = {id(values): values}
    for _ in range(depth):
        level = {  # what is there twice, or contains itself, is looked at once a level
            id(inner): inner
            for outer in level.values()
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list | tuple)
        }
        if not level:
            return False
    return True


def new_salt() -> str:
    """Return 32 random bytes as hexadecimal digits."""
    return secrets.token_hex(32)


def commitment_to(salt: str, content: str) -> str:
    """Return what the chain says of some content: SHA-256 over a secret salt and the content.

    A bare hash would outlive a redaction, and short content could be found again by hashing all that it may have been:
    one of forty models, a reason such as "looks fine", a path. With 32 random bytes in front, which are removed with
    the content, the hash that remains fits every content equally well. While both are there, neither can be exchanged
    without finding a collision of SHA-256.

    Parameters
    ----------
    salt : str
        64 hexadecimal digits; all salts are of one length, so that what belongs to the content is unambiguous.
    content : str
        Canonical JSON.
    """
    return hashlib.sha256(_COMMITMENT + bytes.fromhex(salt) + content.encode("utf-8", "surrogatepass")).hexdigest()


def is_intact(commitment: str, salt: str, content: str) -> bool:
    """Say whether stored content is what a commitment was made to."""
    try:
        return commitment_to(salt, content) == commitment
    except ValueError:  # the salt is no hexadecimal number any more
        return False


def link_hash(fields: Mapping[str, str | int | None]) -> str:
    """Return the hash of an entry: SHA-256 over all its fields but the hash itself, the previous hash among them."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(_LINK + text.encode()).hexdigest()
