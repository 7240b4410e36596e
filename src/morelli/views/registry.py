"""The registry of views, the grammar of their names, and chains of them.

A view is written ``name``, ``name:parameter`` or ``name:parameter,parameter``; views chain from left to right with
``|``, as in ``resize:512|jpeg:85``. ``name@3`` is the third of five severities, and stands for parameters. Every view
has one canonical name, which stands for it in tables, caches and bundles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import numpy as np

from morelli._plugins import load_plugins
from morelli.errors import ViewError
from morelli.images import LoadedImage
from morelli.views.info import SEVERITIES, Batch, Parameter, Pixels, Value, ViewInfo, write_value

__all__ = [
    "SEVERITIES",
    "Batch",
    "Parameter",
    "Pixels",
    "View",
    "ViewInfo",
    "list_views",
    "parse_view",
    "register_view",
    "severity_views",
]

_Function = TypeVar("_Function", bound=Callable[..., Pixels])

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

IDENTITY = "none"

_VIEWS: dict[str, ViewInfo] = {}

_KEYS: dict[str, str] = {}
"""Keys of views that another process has worked out, by name: see `morelli.views.shipping`."""


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
        return self.info.name + ":" * bool(values) + ",".join(write_value(value) for _, value in values)

    def run(self, pixels: Pixels, seed: int) -> Pixels:
        """Return the view of `pixels`, contiguous."""
        random = (self._rng(seed),) if self.info.seeded else ()
        return np.ascontiguousarray(self.info.function(pixels, *random, *self.values))

    def run_many(self, images: list[Pixels], seeds: Sequence[int]) -> list[Pixels]:
        """Return the views of several images, all at once where the view can do that."""
        if self.info.batch is None or not images:
            return [self.run(pixels, seed) for pixels, seed in zip(images, seeds, strict=True)]
        random = ([self._rng(seed) for seed in seeds],) if self.info.seeded else ()
        results = [np.ascontiguousarray(pixels) for pixels in self.info.batch(images, *random, *self.values)]
        if len(results) != len(images):
            raise TypeError(f"the batch function of view {self.info.name} made {len(results)} of {len(images)} images")
        return results

    def _rng(self, seed: int) -> np.random.Generator:
        # The parameters are left out on purpose: noise:5 and noise:10 of one image are then the same noise, stronger,
        # and a series of strengths has no noise of its own.
        return np.random.default_rng((seed, crc32(self.info.name.encode()), self.turn))


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
    costly : bool
        Whether one of its steps is worth keeping in a `ViewStore`, as all are that are made in batches.
    batched : bool
        Whether one of its steps makes many images at once, as networks do: see `morelli.views.materialise`.
    """

    __slots__ = ("_key", "_steps", "batched", "condition", "costly", "name", "seeded")

    def __init__(self, steps: tuple[_Step, ...] = ()) -> None:
        self._steps = steps
        self.name = "|".join(step.name for step in steps) or IDENTITY
        self.condition = "|".join(step.condition for step in steps) or IDENTITY
        self.seeded = any(step.info.seeded for step in steps)
        self.batched = any(step.info.batch is not None for step in steps)
        self.costly = self.batched or any(step.info.costly for step in steps)
        self._key: str | None = None

    @property
    def key(self) -> str:
        """What stands for the view in caches: its name, followed by the recipes of steps that have one.

        Raises
        ------
        MorelliError
            A step cannot be made here, for instance because the weights of its network are not.
        """
        if self._key is None:
            self._key = _KEYS.get(self.name)
        if self._key is None:
            recipes = [step.info.recipe(*step.values) for step in self._steps if step.info.recipe is not None]
            self._key = " ".join([self.name, *(f"[{recipe}]" for recipe in recipes)])
        return self._key

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
        pixels = _checked(pixels)
        for step in self._steps:
            pixels = step.run(pixels, seed)
        return pixels

    def many(self, images: Sequence[Pixels], seeds: Sequence[int]) -> list[Pixels]:
        """Return the views of several images, which a view that runs a network makes all at once.

        Parameters
        ----------
        images : sequence of numpy.ndarray
            As for a call, each of its own size. All of them are in memory at once: choose how many go together.
        seeds : sequence of int
            One for each image.

        Returns
        -------
        list of numpy.ndarray
            What a call gives for each; networks may round differently in batches.

        Raises
        ------
        morelli.errors.ViewError
            A result would be too large.
        TypeError
            These are no such pixels.
        ValueError
            There are not as many seeds as images.
        """
        if len(images) != len(seeds):
            raise ValueError(f"there are {len(images)} images and {len(seeds)} seeds")
        results = [_checked(pixels) for pixels in images]
        for step in self._steps:
            results = step.run_many(results, seeds)
        return results

    def apply(self, image: LoadedImage) -> Pixels:
        """Return the view of a loaded image, with a seed from its hash: a function of the file's bytes alone."""
        return self(image.pixels, self.seed_of(image))

    @staticmethod
    def seed_of(image: LoadedImage) -> int:
        """Return the seed that `apply` uses."""
        return int(image.facts.sha256[:16], 16)

    def __eq__(self, other: object) -> bool:
        return self.name == other.name if isinstance(other, View) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"parse_view({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[str], View], tuple[str]]:
        return parse_view, (self.name,)


def register_view(
    name: str,
    description: str,
    *parameters: Parameter,
    group: str = "corruption",
    seeded: bool = False,
    severities: Sequence[str] = (),
    typical: str | None = None,
    costly: bool = False,
    batch: Batch | None = None,
    recipe: Callable[..., str] | None = None,
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
        ``corruption``, ``journey`` or ``structure``.
    seeded : bool
        The function takes a `numpy.random.Generator` after the pixels.
    severities : sequence of str
        Parameters of the severities 1 to 5, each as it is written after the colon; none where strength means nothing.
    typical : str, optional
        Parameters of one typical use, for a contact sheet; not needed with severities, or with defaults for all.
    costly : bool
        The result is worth keeping: see `ViewInfo`.
    batch : callable, optional
        Makes the views of a list of images at once: see `ViewInfo`.
    recipe : callable, optional
        Says what the pixels depend on besides the name: see `ViewInfo`.

    Returns
    -------
    callable
        The decorator; it returns the function unchanged.

    Raises
    ------
    ValueError
        The name is taken or malformed, a parameter without a default follows one with a default, or the severities
        are not five or not what the parameters allow.

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

    if len(severities) not in (0, SEVERITIES):
        raise ValueError(f"view {name}: there are {SEVERITIES} severities or none, not {len(severities)}")

    def register(function: _Function) -> _Function:
        info = ViewInfo(
            name, description, parameters, group, seeded, function, tuple(severities), typical, costly, batch, recipe
        )
        for text in (*severities, *([] if typical is None else [typical])):
            try:
                _values_of(info, f"{name}:{text}", text)
            except ViewError as error:
                raise ValueError(str(error)) from None
        _VIEWS[name] = info
        return function

    return register


def list_views() -> tuple[ViewInfo, ...]:
    """Return all registered views, sorted by group and name."""
    load_plugins()
    return tuple(sorted(_VIEWS.values(), key=lambda info: (info.group, info.name)))


def severity_views(name: str) -> tuple[str, ...]:
    """Return the canonical names of the five severities of a view, from weak to strong.

    Parameters
    ----------
    name : str
        Without parameters.

    Raises
    ------
    morelli.errors.ViewError
        There is no such view, or it has no severities.

    Examples
    --------
    >>> severity_views("blur")
    ('blur:0.5', 'blur:1', 'blur:2', 'blur:4', 'blur:8')
    """
    return tuple(parse_view(f"{name}@{level}").name for level in range(1, SEVERITIES + 1))


def parse_view(text: str) -> View:
    """Return the view that a name stands for.

    Parameters
    ----------
    text : str
        For example ``jpeg:85``, ``resize:512|jpeg:85,4:4:4``, ``blur@3``; the empty text and ``none`` are the identity.

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
    >>> parse_view("blur@3").name
    'blur:2'
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
    head, colon, rest = (part.strip() for part in text.partition(":"))
    name, at, level = (part.strip() for part in head.partition("@"))
    if name not in _VIEWS:
        load_plugins()
    info = _VIEWS.get(name)
    if info is None:
        known = ", ".join(sorted([IDENTITY, *_VIEWS]))
        raise ViewError(f'there is no view "{name}"; known views: {known}')
    if at:
        levels = [str(number) for number in range(1, len(info.severities) + 1)]
        if not levels:
            raise ViewError(f'view "{text}": {name} has no severities; write {info.signature}')
        if level not in levels or colon:
            what = f"a severity is {name}@1 to {name}@{len(levels)}, and takes the place of parameters"
            raise ViewError(f'view "{text}": {what} ({info.signature})')
        colon, rest = ":", info.severities[int(level) - 1]
    values = _values_of(info, text, rest if colon else None)
    return _Step(info, values, sum(step.info is info for step in before))


def _values_of(info: ViewInfo, text: str, written: str | None) -> tuple[Value, ...]:
    """Return the values of the parameters that are written after a colon, None where there is no colon."""
    given = [] if written is None else [value.strip() for value in written.split(",")]
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
    return tuple(values)


def _checked(pixels: Pixels) -> Pixels:
    """Return pixels as every view may expect them, or raise TypeError."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise TypeError(f"a view takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels)
