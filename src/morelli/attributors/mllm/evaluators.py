"""Evaluators by name: a file that says who is asked, where, and for how much."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from morelli.attributors.mllm.account import Prices
from morelli.attributors.mllm.asking import Asker, RemoteAsker
from morelli.attributors.mllm.local import LocalAsker
from morelli.attributors.mllm.settings import AskSettings, Endpoint, LocalModel, split_settings
from morelli.errors import MorelliError

__all__ = ["Evaluator", "one_evaluator", "read_evaluators"]

_MAX_BYTES: Final = 1 << 20
_KINDS: Final[Mapping[str, type[Endpoint] | type[LocalModel]]] = {"mllm": Endpoint, "mllm-local": LocalModel}


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Somebody to be asked.

    Attributes
    ----------
    name : str
        How results call it.
    who : Endpoint or LocalModel
    asked : AskSettings
        How images and candidates are shown.
    """

    name: str
    who: Endpoint | LocalModel
    asked: AskSettings

    @property
    def attributor(self) -> str:
        """Name of the registered attributor that asks it."""
        return next(name for name, kind in _KINDS.items() if isinstance(self.who, kind))

    @property
    def prices(self) -> Prices | None:
        """What it costs; None where it runs here."""
        if isinstance(self.who, LocalModel):
            return None
        return Prices(self.who.price_in, self.who.price_out, self.who.price_image)

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return all settings as an attributor takes them; `changes` replace some of how things are shown."""
        parts = (self.who, replace(self.asked, **changes))
        return {field.name: getattr(part, field.name) for part in parts for field in fields(part)}

    def asker(self) -> Asker:
        """Return what asks it."""
        if isinstance(self.who, LocalModel):
            return LocalAsker(self.who, self.asked)
        return RemoteAsker(self.who, self.asked)


def one_evaluator(name: str, settings: Mapping[str, Any]) -> Evaluator:
    """Make an evaluator of the settings of `Endpoint` or `LocalModel`, and of `AskSettings`.

    Parameters
    ----------
    name : str
    settings : mapping
        ``attributor`` says which of the two it is: ``mllm``, which it is by default, or ``mllm-local``. `shots` is left
        to whoever asks.

    Raises
    ------
    MorelliError
        A setting is unknown or makes no sense.
    """
    what = f'The evaluator "{name}"'
    own = dict(settings)
    attributor = own.pop("attributor", "mllm")
    if attributor not in _KINDS:
        raise MorelliError(f"{what}: attributor is one of {', '.join(_KINDS)}, not {attributor!r}.")
    if "shots" in own:
        raise MorelliError(f"{what} has no setting shots: the study says how many exemplars are shown.")
    who, asked = split_settings(_KINDS[attributor], own, what)
    return Evaluator(name, who, asked)


def read_evaluators(path: str | os.PathLike[str]) -> list[Evaluator]:
    """Read a TOML or JSON file that holds a table of settings for each evaluator.

    Raises
    ------
    MorelliError
        The file cannot be read, is no such table, or a setting makes no sense.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MorelliError(f"{path} is too large to be a file of evaluators.")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise MorelliError(f"{path} is neither TOML nor, by the ending .json, JSON ({error}).") from error
    if not isinstance(found, dict) or not found or not all(isinstance(value, dict) for value in found.values()):
        raise MorelliError(f"{path} holds a table for each evaluator, as in [my-model] and, below it, model = ...")
    return [one_evaluator(str(name), settings) for name, settings in found.items()]
