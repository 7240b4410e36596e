"""The registry of views, the grammar of their names, and chains of them.

A view is written ``name``, ``name:parameter`` or ``name:parameter,parameter``; views chain from left to right with
``|``, as in ``resize:512|jpeg:85``. Every view has one canonical name, which stands for it in tables, caches and
bundles.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from morelli.errors import ViewError
from morelli.images import LoadedImage

__all__ = ["Parameter", "Pixels", "View", "ViewInfo", "list_views", "parse_view", "register_view"]

Pixels = npt.NDArray[np.uint8]
Value = int | float | str
_Function = TypeVar("_Function", bound=Callable[..., Pixels])

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{0,18})?|\.[0-9]{1,18}")

IDENTITY = "none"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a view: a number within bounds, or one of a few words.

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
    """

    name: str
    description: str
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    choices: tuple[str, ...] = ()
    default: Value | None = None
    draw: bool = False

    @property
    def range(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"

    def parse(self, text: str) -> Value:
        """Return the value that `text` writes, or raise ValueError."""
        if self.choices:
            if text not in self.choices:
                raise ValueError(text)
            return text
        if not (_WHOLE if self.whole else _DECIMAL).fullmatch(text):
            raise ValueError(text)
        value = int(text) if self.whole else float(text)
        if not self.low <= value <= self.high:
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
        ``corruption`` (what happens to images on their way) or ``structure`` (a probe that removes a kind of trace).
    seeded : bool
        The result depends on the seed.
    function : callable
        ``function(pixels, *values)``, or ``function(pixels, rng, *values)`` when seeded.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    group: str
    seeded: bool
    function: Callable[..., Pixels]

    @property
    def signature(self) -> str:
        """How to write it, for example ``jpeg:QUALITY[,SUBSAMPLING]``."""
        text = ""
        for parameter in self.parameters:
            part = (("," if text else ":") + parameter.name).upper()
            text += part if parameter.default is None else f"[{part}]"
        return self.name + text


_VIEWS: dict[str, ViewInfo] = {}


@dataclass(frozen=True, slots=True)
class _Step:
    """One view of a chain with its parameters; `turn` counts the earlier steps of the same view."""

    info: ViewInfo
    values: tuple[Value, ...]
    turn: int

    @property
    def name(self) -> str:
        """The canonical name: no defaults at the end, numbers as short as they can be."""
        return self._written(list(zip(self.info.parameters, self.values, strict=True)))

    @property
    def condition(self) -> str:
        """The name without what only tells random draws apart."""
        values = zip(self.info.parameters, self.values, strict=True)
        return self._written([(parameter, value) for parameter, value in values if not parameter.draw])

    def _written(self, values: list[tuple[Parameter, Value]]) -> str:
        while values and values[-1][0].default == values[-1][1]:
            values.pop()
        return self.info.name + ":" * bool(values) + ",".join(_write(value) for _, value in values)

    def run(self, pixels: Pixels, seed: int) -> Pixels:
        """Return the view of `pixels`, contiguous."""
        if not self.info.seeded:
            return np.ascontiguousarray(self.info.function(pixels, *self.values))
        # The parameters are left out on purpose: noise:5 and noise:10 of one image are then the same noise, stronger,
        # and a series of strengths has no noise of its own.
        rng = np.random.default_rng((seed, crc32(self.info.name.encode()), self.turn))
        return np.ascontiguousarray(self.info.function(pixels, rng, *self.values))


class View:
    """A chain of views, made by `parse_view`: a function from pixels and a seed to pixels.

    Two views are equal when their canonical names are.

    Parameters
    ----------
    steps : tuple
        Private to this module.

    Attributes
    ----------
    name : str
        The canonical name; ``none`` for the identity.
    condition : str
        The canonical name without the numbers of random draws: ``resaved:1`` and ``resaved:2`` show images in the one
        condition ``resaved``.
    seeded : bool
        Whether the result depends on the seed.
    """

    __slots__ = ("_steps", "condition", "name", "seeded")

    def __init__(self, steps: tuple[_Step, ...] = ()) -> None:
        self._steps = steps
        self.name = "|".join(step.name for step in steps) or IDENTITY
        self.condition = "|".join(step.condition for step in steps) or IDENTITY
        self.seeded = any(step.info.seeded for step in steps)

    def __call__(self, pixels: Pixels, seed: int = 0) -> Pixels:
        """Return the view of an image.

        Parameters
        ----------
        pixels : numpy.ndarray
            uint8, shape (height, width, 3), of at least one pixel. Never changed.
        seed : int
            Not negative. Equal pixels and seeds give equal results.

        Returns
        -------
        numpy.ndarray
            uint8, shape (height', width', 3), C-contiguous. Where a view changes nothing it may be `pixels` itself.

        Raises
        ------
        morelli.errors.ViewError
            The result would be too large.
        TypeError
            These are no such pixels.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise TypeError(f"a view takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
        pixels = np.ascontiguousarray(pixels)
        for step in self._steps:
            pixels = step.run(pixels, seed)
        return pixels

    def apply(self, image: LoadedImage) -> Pixels:
        """Return the view of a loaded image, with a seed from its hash: a function of the file's bytes alone."""
        return self(image.pixels, int(image.facts.sha256[:16], 16))

    def __eq__(self, other: object) -> bool:
        return self.name == other.name if isinstance(other, View) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"parse_view({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[str], View], tuple[str]]:
        return parse_view, (self.name,)


def register_view(
    name: str, description: str, *parameters: Parameter, group: str = "corruption", seeded: bool = False
) -> Callable[[_Function], _Function]:
    """Make a function a view (decorator).

    Parameters
    ----------
    name : str
        Lower-case words joined by hyphens.
    description : str
        One line, for help texts.
    *parameters : Parameter
        In the order in which the function takes them; those with a default last.
    group : str
        ``corruption`` or ``structure``.
    seeded : bool
        The function takes a `numpy.random.Generator` after the pixels.

    Returns
    -------
    callable
        The decorator; it returns the function unchanged.

    Raises
    ------
    ValueError
        The name is taken or malformed, or a parameter without a default follows one with a default.

    Examples
    --------
    >>> @register_view("example-negative", "The negative of the image")
    ... def negative(pixels):
    ...     return 255 - pixels
    >>> parse_view("example-negative")(np.zeros((1, 1, 3), dtype=np.uint8)).tolist()
    [[[255, 255, 255]]]
    >>> del _VIEWS["example-negative"]
    """
    if not _NAME.fullmatch(name) or name == IDENTITY:
        raise ValueError(f"{name!r} cannot be the name of a view: use lower-case words joined by hyphens")
    if name in _VIEWS:
        raise ValueError(f"there is already a view called {name}")
    required = [parameter.default is None for parameter in parameters]
    if required != sorted(required, reverse=True):
        raise ValueError(f"view {name}: parameters with a default come last")

    def register(function: _Function) -> _Function:
        _VIEWS[name] = ViewInfo(name, description, parameters, group, seeded, function)
        return function

    return register


def list_views() -> tuple[ViewInfo, ...]:
    """Return all registered views, sorted by group and name."""
    return tuple(sorted(_VIEWS.values(), key=lambda info: (info.group, info.name)))


def parse_view(text: str) -> View:
    """Return the view that a name stands for.

    Parameters
    ----------
    text : str
        For example ``jpeg:85``, ``resize:512|jpeg:85,4:4:4``; the empty text and ``none`` are the identity.

    Returns
    -------
    View
        Its `name` is the canonical form of `text`.

    Raises
    ------
    morelli.errors.ViewError
        There is no such view, or a parameter is missing, unknown or out of range; the message says what is allowed.

    Examples
    --------
    >>> parse_view("resize: 512 | none | jpeg:85,4:2:0").name
    'resize:512|jpeg:85'
    >>> parse_view("webp:0")
    Traceback (most recent call last):
        ...
    morelli.errors.ViewError: view "webp:0": quality is a whole number from 1 to 100, not "0" (webp:QUALITY)
    """
    steps: list[_Step] = []
    parts = [part.strip() for part in text.split("|")]
    if len(parts) > 1 and "" in parts:
        raise ViewError(f'view "{text}": there is an empty step beside a "|"')
    for part in parts:
        if part not in ("", IDENTITY):
            steps.append(_parse_step(part, steps))
    return View(tuple(steps))


def _parse_step(text: str, before: list[_Step]) -> _Step:
    """Return one step; `before` are the earlier ones of the chain."""
    name, colon, rest = (part.strip() for part in text.partition(":"))
    info = _VIEWS.get(name)
    if info is None:
        known = ", ".join(sorted([IDENTITY, *_VIEWS]))
        raise ViewError(f'there is no view "{name}"; known views: {known}')
    given = [value.strip() for value in rest.split(",")] if colon else []
    if len(given) > len(info.parameters):
        allowed = len(info.parameters)
        raise ViewError(f'view "{text}": it takes {allowed or "no"} parameter{"s" * (allowed != 1)} ({info.signature})')
    values: list[Value] = []
    for place, parameter in enumerate(info.parameters):
        if place >= len(given):
            if parameter.default is None:
                what = f"{parameter.name}, {parameter.range}"
                raise ViewError(f'view "{text}": it needs {what} ({info.signature})')
            values.append(parameter.default)
            continue
        try:
            values.append(parameter.parse(given[place]))
        except ValueError:
            detail = f'{parameter.name} is {parameter.range}, not "{given[place]}"'
            raise ViewError(f'view "{text}": {detail} ({info.signature})') from None
    return _Step(info, tuple(values), sum(step.info is info for step in before))


def _write(value: Value) -> str:
    """Write a value so that it parses to itself, and equal values alike."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
