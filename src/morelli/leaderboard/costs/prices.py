"""Prices of images by model, from a TOML table."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from morelli.errors import MorelliError

__all__ = ["EXAMPLE_PRICES", "Prices", "read_prices"]

EXAMPLE_PRICES: Final = Path(__file__).with_name("prices.toml")
"""An example that the package carries: our reconstruction of what the paper may have paid."""

_KEYS = frozenset({"currency", "note", "default", "prices"})
_MODEL_KEYS = frozenset({"price", "note"})


@dataclass(frozen=True, slots=True)
class Prices:
    """What one image by each model costs.

    Attributes
    ----------
    of : mapping of str to float
        Price per image, 0 or more; 0 is a model that costs nothing, such as open weights on one's own machine.
    currency : str
    default : float or None
        Price of models that are not listed; None: there is none, and asking for one is an error.
    note : str
        Where the prices come from.

    Raises
    ------
    MorelliError
        There is no price at all, or one is negative or no finite number.
    """

    of: Mapping[str, float]
    currency: str = "USD"
    default: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.of and self.default is None:
            raise MorelliError("There is no price: name a price for each model below [prices], or a default.")
        for name, value in self.of.items():
            _check(value, f'the price of "{name}"')
        if self.default is not None:
            _check(self.default, "the default price")

    def price(self, model: str) -> float:
        """Return the price of one image.

        Raises
        ------
        MorelliError
            The model has none, and there is no default.
        """
        found = self.of.get(model, self.default)
        if found is None:
            raise MorelliError(
                f'There is no price for the model "{model}", and no default. Add it below [prices] (0 if it costs '
                f"nothing); there are prices for: {', '.join(self.of)}."
            )
        return float(found)

    def cost(
        self, references: int | Mapping[str, int], models: Sequence[str] | None = None, judged: float = 1.0
    ) -> float:
        """Return the cost of naming one image.

        Sum over candidates of references times price, shared by the images that are judged with them: references are
        made for a prompt, and serve for all images that the leaderboard shows for it.

        Parameters
        ----------
        references : int or mapping of str to int
            For each candidate, or by candidate.
        models : sequence of str, optional
            Candidates; by default all that are listed (or all of `references`).
        judged : float, default 1
            Images that are judged for each prompt.

        Raises
        ------
        MorelliError
            A candidate has no price; a number of references is negative; `judged` is not positive.
        """
        if not (judged > 0 and math.isfinite(judged)):
            raise MorelliError(f"The number of images judged for each prompt is above 0, not {judged}.")
        if models is None:
            models = list(references) if isinstance(references, Mapping) else list(self.of)
        numbers = [references.get(name, 0) if isinstance(references, Mapping) else references for name in models]
        if any(k < 0 for k in numbers):
            raise MorelliError(f"Numbers of references are 0 or more, not {min(numbers)}.")
        return math.fsum(k * self.price(name) for k, name in zip(numbers, models, strict=True)) / judged


def read_prices(path: Path) -> Prices:
    """Read a table of prices.

    ::

        currency = "USD"           # optional
        note = "list prices of ..."  # optional
        default = 0.04             # optional: models that are not listed

        [prices]
        "model name" = 0.03
        "other model" = { price = 0.0, note = "open weights, own machine" }

    Raises
    ------
    MorelliError
        The file cannot be read, is no TOML, or holds what is no price; the sentence says which.
    """
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise MorelliError(f"{path}: the prices cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise MorelliError(f"{path}: TOML is UTF-8, and this file is not (byte {error.start}).") from error
    except tomllib.TOMLDecodeError as error:
        raise MorelliError(f"{path}: no TOML: {error}.") from error
    foreign = sorted(set(data) - _KEYS)
    if foreign:
        raise MorelliError(
            f"{path}: {', '.join(foreign)}: not known. Prices stand below [prices]; beside it there are currency, note "
            "and default."
        )
    table = data.get("prices", {})
    if not isinstance(table, dict):
        raise MorelliError(f"{path}: [prices] is a table of models, not {table!r}.")
    for name in ("currency", "note"):
        if not isinstance(data.get(name, ""), str):
            raise MorelliError(f"{path}: {name} is a text, not {data[name]!r}.")
    try:
        return Prices(
            of={name: _price_of(name, value) for name, value in table.items()},
            currency=data.get("currency", "USD"),
            default=None if "default" not in data else _number(data["default"], "the default price"),
            note=data.get("note", ""),
        )
    except MorelliError as error:
        raise MorelliError(f"{path}: {error}") from error


def _price_of(name: str, value: Any) -> float:
    if isinstance(value, dict):
        foreign = sorted(set(value) - _MODEL_KEYS)
        if foreign or "price" not in value:
            # A dot in a name that is not quoted makes tables of tables.
            raise MorelliError(
                f'"{name}" needs a price, as in "{name}" = 0.03 or {{ price = 0.03, note = "..." }}. A name with a dot '
                "stands in quotation marks."
            )
        value = value["price"]
    return _number(value, f'the price of "{name}"')


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MorelliError(f"{what} is a number, not {value!r}.")
    return float(value)


def _check(value: float, what: str) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise MorelliError(f"{what} is 0 or more, not {value:g}.")
