"""Names that files use for generators, and the models in catalogs that they stand for.

The table is a TOML file that people edit::

    format = 1
    extends = true                      # beside the shipped table, not instead of it

    [[alias]]
    model = "my-sdxl"                   # the name in your catalogs
    names = ["sd_xl_base_1.0", "acme-sdxl-v3*"]
    hashes = ["31e35c80fc"]             # of the checkpoint, as generators write them

Names compare without regard to case, width (Unicode NFKC), extension (``.safetensors``) and to which of space,
underscore, hyphen and slash is between words; ``*`` in a name stands for any characters. A name that is spelled out
beats one with ``*``, and of those the one that says more. A name that would stand for two models is an error.

An entry of a table that extends the shipped one beats what is shipped, and can give another name to a model that the
shipped table knows: ``names`` may hold that model's shipped name.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from morelli._text import printable
from morelli.errors import MorelliError
from morelli.provenance._patterns import matches, overlap

__all__ = ["FORMAT", "Aliases"]

FORMAT: Final = 1
"""Version of the layout of tables; files state it."""

_MAX_BYTES = 1024 * 1024
_MAX_NAME = 300
"""Characters that are looked at. Names of checkpoints are shorter, and prompts are no names."""
_MIN_HASH = 8
_MIN_PREFIX = 10
"""Digits from which on a hash stands for longer ones that begin so: AUTOMATIC1111 writes ten of a sha256."""
_EXTENSIONS = (".safetensors", ".ckpt", ".pth", ".pt", ".bin", ".gguf", ".sft", ".onnx")
_HEX = re.compile(r"[0-9a-f]{8,64}")
_BRACKETED = re.compile(r"(.*\S)\s*\[([0-9a-fA-F]{8,64})\]")
_BETWEEN_WORDS = re.compile(r"[\s_\-/\\]+")


@dataclass(frozen=True)
class Aliases:
    """Which model a name or a hash stands for. Make one by :meth:`load`.

    Attributes
    ----------
    exact : mapping of str to str
        Normalised names, and the model of each.
    patterns : tuple of (str, str)
        Normalised names with ``*``, and the model of each; those that say more come first.
    hashes : mapping of str to str
        Hashes in lower case, and the model of each.
    shipped : Aliases or None
        What is asked where this table knows nothing.
    """

    exact: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[str, str], ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    shipped: Aliases | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Aliases:
        """Read a table; the shipped one where no path is given.

        Raises
        ------
        MorelliError
            The file is not there, is no such table, or lets a name stand for two models. The sentence says where.
        """
        if path is None:
            return _shipped()
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise MorelliError(f"{path}: the table of aliases cannot be read ({error.strerror}).") from error
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "<bytes>") -> Aliases:
        """Read a table from the content of its file; see :meth:`load`."""
        table = _parse(data, name)
        made = _build(table["alias"], name)
        return replace(made, shipped=_shipped()) if table["extends"] else made

    def resolve(self, value: str | None) -> str | None:
        """Return the model that a name, a file name, a hash or ``name [hash]`` stands for, or None.

        Parameters
        ----------
        value : str or None
            As a file says it. A hash needs 8 digits or more; a shorter one stands for a longer one that begins so from
            10 digits on.

        Examples
        --------
        >>> aliases = Aliases.load()
        >>> aliases.resolve("models/SD_XL_base_1.0.safetensors"), aliases.resolve("a photo of a cat")
        ('stabilityai_stable-diffusion-xl-base-1.0', None)
        """
        if not value or len(value) > _MAX_NAME:
            return None
        parts = _BRACKETED.fullmatch(value.strip())
        spoken = (parts[2], parts[1]) if parts else (value,)  # a file can be renamed, its hash stays
        found = next((model for part in spoken if (model := self._find(part)) is not None), None)
        if self.shipped is None:
            return found
        if found is None and (found := self.shipped.resolve(value)) is not None:
            return self._find(found) or found  # the shipped name of a model may have another here
        return found

    def knowing(self, models: Iterable[str]) -> Aliases:
        """Return a table that knows, before all else, that models of a catalog are called what they are called.

        Names that normalise alike (``A b`` and ``a_b``) would be ambiguous and are left out.
        """
        names: dict[str, set[str]] = {}
        for model in models:
            names.setdefault(normalise(model), set()).add(model)
        return Aliases({name: min(same) for name, same in names.items() if len(same) == 1 and name}, shipped=self)

    def _find(self, value: str) -> str | None:
        for name in _spellings(value):
            if name in self.exact:
                return self.exact[name]
        digits = value.strip().lower().removeprefix("0x").removeprefix("sha256:")
        if _HEX.fullmatch(digits) and (model := self._find_hash(digits)) is not None:
            return model
        for name in _spellings(value):
            for pattern, model in self.patterns:
                if matches(pattern, name):
                    return model
        return None

    def _find_hash(self, digits: str) -> str | None:
        if digits in self.hashes:
            return self.hashes[digits]
        if len(digits) < _MIN_PREFIX:
            return None
        found = {
            model
            for known, model in self.hashes.items()
            if len(known) >= _MIN_PREFIX and (known.startswith(digits) or digits.startswith(known))
        }
        return found.pop() if len(found) == 1 else None


def normalise(name: str) -> str:
    """Return what names are compared by: NFKC, case folded, words joined by hyphens, without the file's extension.

    Examples
    --------
    >>> normalise("  SD_XL base 1.0.safetensors"), normalise("ＦＬＵＸ.1 [dev]")
    ('sd-xl-base-1.0', 'flux.1-[dev]')
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(c for c in text if c.isprintable() or c.isspace()).strip()
    for extension in _EXTENSIONS:
        text = text.removesuffix(extension)
    return _BETWEEN_WORDS.sub("-", text).strip("-")


def _spellings(value: str) -> list[str]:
    """Return the normalised name, and that of the file where the value may be a path."""
    last = re.split(r"[/\\]", value.strip())[-1]
    return list(dict.fromkeys(name for name in (normalise(value), normalise(last)) if name))


@cache
def _shipped() -> Aliases:
    file = files("morelli.provenance").joinpath("aliases.toml")
    return Aliases.from_bytes(file.read_bytes(), "aliases.toml")


def _parse(data: bytes, name: str) -> dict[str, Any]:
    """Return the content of a table with the right types, or say what is wrong with it."""
    if len(data) > _MAX_BYTES:
        raise MorelliError(f"{name}: a table of aliases has at most {_MAX_BYTES // 1024 // 1024} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MorelliError(f"{name}: the table of aliases is not UTF-8 (byte {error.start}).") from error
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MorelliError(f"{name}: the table of aliases is no TOML: {printable(str(error))[:200]}.") from error
    _refuse_unknown(table, {"format", "extends", "alias"}, name, "the table of aliases")
    if table.get("format") != FORMAT or isinstance(table["format"], bool):
        raise MorelliError(f'{name}: a table of aliases begins with "format = {FORMAT}".')
    if not isinstance(extends := table.get("extends", False), bool):
        raise MorelliError(f'{name}: "extends" is true or false.')
    entries = table.get("alias", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MorelliError(f'{name}: aliases are tables headed "[[alias]]".')
    return {"extends": extends, "alias": entries}


def _build(entries: list[dict[str, Any]], name: str) -> Aliases:
    exact: dict[str, str] = {}
    patterns: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{name}, alias {number}"
        _refuse_unknown(entry, {"model", "names", "hashes", "note"}, name, f"alias {number}")
        model = entry.get("model")
        if not isinstance(model, str) or not model.strip() or len(model) > _MAX_NAME:
            raise MorelliError(f'{where}: "model" is the name of a model.')
        for spoken in (model, *_strings(entry, "names", where)):
            key = normalise(spoken)
            if not key.replace("*", "").replace("-", ""):
                raise MorelliError(f"{where}: {printable(spoken)!r} would stand for everything or nothing.")
            _put(patterns if "*" in key else exact, key, model, name)
        for digits in _strings(entry, "hashes", where):
            key = digits.strip().lower()
            if not _HEX.fullmatch(key):
                raise MorelliError(
                    f"{where}: {printable(digits)[:80]!r} is no hash; it has {_MIN_HASH} to 64 hexadecimal digits."
                )
            _put(hashes, key, model, name)
    ordered = sorted(patterns, key=lambda pattern: (-len(pattern.replace("*", "")), pattern))
    _refuse_overlaps(ordered, patterns, name)
    _refuse_prefixes(hashes, name)
    return Aliases(exact, tuple((pattern, patterns[pattern]) for pattern in ordered), hashes)


def _put(table: dict[str, str], key: str, model: str, name: str) -> None:
    if table.setdefault(key, model) != model:
        raise MorelliError(
            f"{name}: {printable(key)[:80]!r} stands for two models, {printable(table[key])[:80]} and "
            f"{printable(model)[:80]}; remove one."
        )


def _refuse_overlaps(ordered: list[str], patterns: dict[str, str], name: str) -> None:
    """Refuse patterns of two models that say equally much and fit one name: nothing would tell which one counts."""
    groups: dict[int, list[str]] = {}
    for pattern in ordered:
        groups.setdefault(len(pattern.replace("*", "")), []).append(pattern)
    for group in groups.values():
        for i, first in enumerate(group):
            for second in group[i + 1 :]:
                if patterns[first] == patterns[second] or not _may_overlap(first, second):
                    continue
                if overlap(first, second):
                    raise MorelliError(
                        f"{name}: some names fit both {printable(first)[:80]!r} and {printable(second)[:80]!r}, which "
                        f"stand for two models, {printable(patterns[first])[:80]} and "
                        f"{printable(patterns[second])[:80]}; make one say more."
                    )


def _may_overlap(first: str, second: str) -> bool:
    """Compare what is before the first ``*``, which is quick and settles nearly all pairs."""
    a, b = first.partition("*")[0], second.partition("*")[0]
    return a.startswith(b) or b.startswith(a)


def _refuse_prefixes(hashes: dict[str, str], name: str) -> None:
    ordered = sorted(digits for digits in hashes if len(digits) >= _MIN_PREFIX)
    for i, first in enumerate(ordered):
        for second in ordered[i + 1 :]:
            if not second.startswith(first):
                break
            if hashes[first] != hashes[second]:
                raise MorelliError(
                    f"{name}: {first!r} is the beginning of {second!r}, and they stand for two models, "
                    f"{printable(hashes[first])[:80]} and {printable(hashes[second])[:80]}; remove one."
                )


def _strings(entry: dict[str, Any], key: str, where: str) -> list[str]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and len(value) <= _MAX_NAME for value in values):
        raise MorelliError(f'{where}: "{key}" is a list of texts of at most {_MAX_NAME} characters.')
    return values


def _refuse_unknown(table: Mapping[str, Any], known: set[str], name: str, what: str) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise MorelliError(f"{name}: {what} has {printable(unknown[0])[:80]!r}; there are {', '.join(sorted(known))}.")
