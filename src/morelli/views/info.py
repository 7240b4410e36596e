"""What the registry knows of views: their parameters, ranges, severities and cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SEVERITIES", "Batch", "Parameter", "Pixels", "Value", "ViewInfo", "write_value"]

Pixels = npt.NDArray[np.uint8]
Value = int | float | str
Batch = Callable[..., list[Pixels]]

SEVERITIES = 5
"""How many severities a view has, if it has any."""

_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{0,18})?|\.[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a view: a number within bounds, one of a few words, or a name.

    Parameters
    ----------
    name : str
        As in the help, for example ``quality``.
    description : str
        One line, with the unit.
    low, high : float
        Bounds, both allowed; not used with `choices`.
    whole : bool
        Only whole numbers.
    choices : tuple of str
        The words allowed instead of a number.
    default : int, float, str or None
        What is meant when it is left out; None when it has to be given. It never appears in a canonical name.
    draw : bool
        It only tells random draws of one condition apart.
    identity : int, float or None
        The strength zero: with this value the view changes no pixel, whatever the other parameters are. None when there
        is no such value.
    odd : bool
        Only odd numbers.
    pattern : pattern, optional
        Any text that matches it as a whole, instead of a number.
    allowed : str
        What that is, in words.
    """

    name: str
    description: str
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    choices: tuple[str, ...] = ()
    default: Value | None = None
    draw: bool = False
    identity: int | float | None = None
    odd: bool = False
    pattern: re.Pattern[str] | None = None
    allowed: str = ""

    @property
    def range(self) -> str:
        """What is allowed, in words."""
        if self.pattern is not None:
            return self.allowed
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = "an odd " if self.odd else "a whole " if self.whole else "a "
        return f"{kind}number from {self.low:g} to {self.high:g}"

    def parse(self, text: str) -> Value:
        """Return the value that `text` writes, or raise ValueError."""
        if self.pattern is not None:
            if not self.pattern.fullmatch(text):
                raise ValueError(text)
            return text
        if self.choices:
            if text not in self.choices:
                raise ValueError(text)
            return text
        if not (_WHOLE if self.whole else _DECIMAL).fullmatch(text):
            raise ValueError(text)
        value = int(text) if self.whole else float(text)
        if not self.low <= value <= self.high or (self.odd and value % 2 != 1):
            raise ValueError(text)
        return value


@dataclass(frozen=True, slots=True)
class ViewInfo:
    """What the registry knows of one view.

    Parameters
    ----------
    name : str
        Without parameters.
    description : str
        One line.
    parameters : tuple of Parameter
        In the order in which they are written.
    group : str
        ``corruption`` (what happens to images on their way), ``journey`` (several of them, drawn at random) or
        ``structure`` (a probe that removes a kind of trace).
    seeded : bool
        The result depends on the seed.
    function : callable
        ``function(pixels, *values)``, or ``function(pixels, rng, *values)`` when seeded.
    severities : tuple of str
        Five texts of parameters, from weak to strong; empty where strength means nothing.
    typical : str or None
        Parameters for a contact sheet, where there are no severities.
    costly : bool
        It takes ten times as long as decoding a JPEG, or longer, and twice as long as reading its result from a
        `ViewStore`: see benchmarks/views.py.
    batch : callable or None
        ``batch(images, *values)``, or ``batch(images, rngs, *values)`` when seeded: the same as `function`, for a list
        of images at once. Views that have one are made once for a whole catalog, and kept.
    recipe : callable or None
        ``recipe(*values)``: a text that stands for all that the pixels depend on besides the name, as the weights of a
        network. It raises a `MorelliError` where the view cannot be made here.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    group: str
    seeded: bool
    function: Callable[..., Pixels]
    severities: tuple[str, ...] = ()
    typical: str | None = None
    costly: bool = False
    batch: Batch | None = None
    recipe: Callable[..., str] | None = None

    @property
    def signature(self) -> str:
        """How to write it, for example ``jpeg:QUALITY[,SUBSAMPLING]``."""
        text, optional = "", 0
        for parameter in self.parameters:
            optional += parameter.default is not None
            text += "[" * (parameter.default is not None) + ("," if text else ":") + parameter.name.upper()
        text += "]" * optional
        return self.name + text

    @property
    def example(self) -> str | None:
        """One use that shows what it does: the middle severity, or what was registered; None where nothing was.

        Views with a recipe have none: what they need may not be here.
        """
        if self.recipe is not None:
            return None
        if self.severities:
            return f"{self.name}:{self.severities[SEVERITIES // 2]}"
        if self.typical is not None:
            return f"{self.name}:{self.typical}"
        return self.name if all(parameter.default is not None for parameter in self.parameters) else None


def write_value(value: Value) -> str:
    """Write a value so that it parses to itself, and equal values alike."""
    # As short as it can be, and without an exponent, which the grammar does not have.
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
