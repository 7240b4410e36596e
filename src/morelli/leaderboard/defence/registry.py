"""The registry of defences: what an operator can do so that images do not say who made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, ViewError
from morelli.views import parse_view

__all__ = ["CHANGES", "Apply", "Changes", "Defence", "get_defence", "list_defences", "register_defence"]

Pixels = NDArray[np.uint8]
Codes = NDArray[np.integer]
Apply = Callable[[Sequence[Pixels], Codes, np.random.Generator], list[Pixels]]

Changes = Literal["images", "container", "prompts", "choice"]
CHANGES: tuple[Changes, ...] = get_args(Changes)


@dataclass(frozen=True, slots=True)
class Defence:
    """One thing that an operator can do.

    Attributes
    ----------
    name : str
        Lower-case words joined by hyphens, or the canonical name of a view.
    summary : str
        One sentence.
    changes : {"images", "container", "prompts", "choice"}
        Pixels; how files are saved; which prompts are shown; which of several images of a model is shown.
    function : callable, optional
        ``function(images, models, rng)`` gives the images of one prompt as they are shown; where it is left out, and
        there is no view either, pixels stay as they are.
    view : str, optional
        The view that it is, where it changes every image by itself: then measured embeddings are cached.
    """

    name: str
    summary: str
    changes: Changes
    function: Apply | None = field(default=None, repr=False)
    view: str | None = None

    def __post_init__(self) -> None:
        if self.changes not in CHANGES:
            raise MorelliError(f"A defence changes one of {', '.join(CHANGES)}, not {self.changes!r}.")
        if (self.changes == "images") != (self.function is not None or self.view is not None):
            raise MorelliError(
                f"The defence {self.name} needs a function or a view if it changes images, else neither."
            )

    def apply(self, images: Sequence[Pixels], models: Codes, rng: np.random.Generator) -> list[Pixels]:
        """Return the images of one prompt, of all models, as this defence shows them.

        Parameters
        ----------
        images : sequence of ndarray of uint8, shape (height, width, 3)
            Each of its own size; never changed.
        models : ndarray of int, shape (n,)
            Who made each.
        rng : numpy.random.Generator
            All that is random comes from it: equal arguments give equal images.

        Returns
        -------
        list of ndarray
            As many, in their order. The same pixels where the defence is about containers, prompts or choices.

        Raises
        ------
        MorelliError
            There are not as many models as images.
        """
        if len(images) != len(models):
            raise MorelliError(
                f"A defence needs to know who made each image: {len(images)} images, {len(models)} models."
            )
        if self.view is not None:
            view = parse_view(self.view)
            return [view(pixels, int(rng.integers(1 << 63))) for pixels in images]
        return list(images) if self.function is None else self.function(images, np.asarray(models), rng)


_DEFENCES: dict[str, Defence] = {}


def register_defence(defence: Defence) -> Defence:
    """Add a defence to the registry; a second one of the same name is an error."""
    if defence.name in _DEFENCES:
        raise ValueError(f"a defence named {defence.name!r} is already registered")
    _DEFENCES[defence.name] = defence
    return defence


def list_defences() -> list[Defence]:
    """Return all registered defences in the order of their registration."""
    return list(_DEFENCES.values())


def get_defence(name: str) -> Defence:
    """Return the defence of a name; any view or chain of views is one too, such as ``jpeg:60`` or ``blur:1|webp:80``.

    Raises
    ------
    MorelliError
        There is neither a defence nor a view of this name.
    """
    if name in _DEFENCES:
        return _DEFENCES[name]
    try:
        view = parse_view(name)
    except ViewError as error:
        known = ", ".join(_DEFENCES)
        raise MorelliError(f'"{name}" is no defence ({known}) and no view: {error}') from error
    if view.name == "none":
        raise MorelliError('"none" is no defence: it changes nothing.')
    if view.batched:
        raise MorelliError(f"{view.name} runs a network, which defences do not; choose another view.")
    return Defence(view.name, f"Every image through the view {view.name}.", "images", view=view.name)
