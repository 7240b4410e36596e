"""The board: embeddings of the images that models made for prompts. Every analysis of this desk takes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache, extract
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["Board", "measure_board"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Board:
    """Embedded images by model and prompt.

    Attributes
    ----------
    X : ndarray of float32, shape (n, d)
        Finite embeddings.
    model, prompt : ndarray of int64, shape (n,)
        Codes into `models` and `prompts`.
    models, prompts : tuple of str
        Names; a model or a prompt may have no image.
    texts : tuple of (str or None)
        What each prompt says, where it is known.
    domains : tuple of (str or None)
        Domain of each prompt.
    lineages : tuple of (str or None)
        Lineage of each model.
    blocks : mapping of str to slice
        The columns of each family of features; one block called ``embedding`` where nothing is said.
    rows : ndarray of int64, shape (n,)
        Rows of the catalog that the images come from; 0 to n - 1 where there is none.
    notes : tuple of str
        Sentences on what was left out, and why.

    Raises
    ------
    MorelliError
        Arrays do not fit together, a code is no index, or a value is not finite.
    """

    X: NDArray[np.float32]
    model: Codes
    prompt: Codes
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[str | None, ...] = ()
    domains: tuple[str | None, ...] = ()
    lineages: tuple[str | None, ...] = ()
    blocks: Mapping[str, slice] = field(default_factory=dict)
    rows: Codes = None  # type: ignore[assignment]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "X", np.asarray(self.X, dtype=np.float32))
        n = len(self.X)
        put(self, "model", np.asarray(self.model, dtype=np.int64))
        put(self, "prompt", np.asarray(self.prompt, dtype=np.int64))
        put(self, "rows", np.arange(n) if self.rows is None else np.asarray(self.rows, dtype=np.int64))
        for name, of in (("texts", self.prompts), ("domains", self.prompts), ("lineages", self.models)):
            put(self, name, tuple(getattr(self, name)) or (None,) * len(of))
            if len(getattr(self, name)) != len(of):
                raise MorelliError(
                    f"A board needs one of {name} for each of {len(of)}, not {len(getattr(self, name))}."
                )
        if not self.blocks:
            put(self, "blocks", {"embedding": slice(0, self.X.shape[-1])})
        if self.X.ndim != 2 or not self.model.shape == self.prompt.shape == self.rows.shape == (n,):
            raise MorelliError(
                f"A board needs embeddings (n, d) and a model and a prompt for each: shapes {self.X.shape}, "
                f"{self.model.shape}, {self.prompt.shape}."
            )
        for name, codes, of in (("model", self.model, self.models), ("prompt", self.prompt, self.prompts)):
            if n and (codes.min() < 0 or codes.max() >= len(of)):
                raise MorelliError(f"The codes of {name} are 0 to {len(of) - 1}, not {codes.min()} to {codes.max()}.")
        if not np.isfinite(self.X).all():
            raise MorelliError("Embeddings on a board are finite; leave out rows that are not, as Board.of does.")

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of(
        cls,
        X: ArrayLike,
        model: Sequence[str] | NDArray[np.object_],
        prompt: Sequence[str] | NDArray[np.object_],
        *,
        texts: Mapping[str, str] | None = None,
    ) -> Board:
        """Return a board of embeddings with names for models and prompts.

        Rows with a value that is not finite are left out, and a note says how many.

        Parameters
        ----------
        X : array-like, shape (n, d)
        model, prompt : sequence of str, length n
        texts : mapping of str to str, optional
            What a prompt says, by its name.

        Raises
        ------
        MorelliError
            The arguments do not fit together.
        """
        values = np.asarray(X, dtype=np.float32)
        if values.ndim != 2 or not len(values) == len(model) == len(prompt):
            raise MorelliError(
                f"A board needs embeddings (n, d) and a model and a prompt for each: shape {values.shape}, "
                f"{len(model)} models, {len(prompt)} prompts."
            )
        models, m = np.unique(np.asarray(model, dtype=str), return_inverse=True)
        prompts, p = np.unique(np.asarray(prompt, dtype=str), return_inverse=True)
        finite = np.isfinite(values).all(axis=1)
        notes = (
            () if finite.all() else (f"{int((~finite).sum())} of {len(values)} embeddings are not finite: left out.",)
        )
        rows = np.flatnonzero(finite)
        names = tuple(str(name) for name in prompts)
        return cls(
            values[rows],
            m[rows],
            p[rows],
            tuple(str(name) for name in models),
            names,
            texts=tuple((texts or {}).get(name) for name in names),
            rows=rows,
            notes=notes,
        )

    @cached_property
    def counts(self) -> Codes:
        """How many images each model has for each prompt, shape (prompts, models)."""
        shape = (len(self.prompts), len(self.models))
        return np.bincount(self.cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)

    @cached_property
    def cell(self) -> Codes:
        """Prompt and model as one number, ``prompt * len(models) + model``, shape (n,)."""
        return self.prompt * len(self.models) + self.model

    @cached_property
    def contested(self) -> NDArray[np.bool_]:
        """Prompts for which at least two models have images, shape (prompts,): elsewhere there is nothing to tell."""
        return np.asarray((self.counts > 0).sum(axis=1) >= 2)

    def take(self, index: ArrayLike) -> Board:
        """Return the images at `index` (integers or a mask), with all names kept."""
        at = np.asarray(index)
        at = at if at.size else at.astype(np.int64)  # an empty list is one of floats to numpy
        return replace(self, X=self.X[at], model=self.model[at], prompt=self.prompt[at], rows=self.rows[at])

    def only(self, models: Sequence[str]) -> Board:
        """Return the images of some models, which are then all that there are.

        Raises
        ------
        MorelliError
            A model is not on the board.
        """
        foreign = sorted(set(models) - set(self.models))
        if foreign:
            raise MorelliError(f"Not on the board: {', '.join(foreign)}; there are: {', '.join(self.models)}.")
        chosen = [i for i, name in enumerate(self.models) if name in set(models)]
        at = np.flatnonzero(np.isin(self.model, chosen))
        return replace(
            self,
            X=self.X[at],
            model=np.searchsorted(chosen, self.model[at]),
            prompt=self.prompt[at],
            rows=self.rows[at],
            models=tuple(self.models[i] for i in chosen),
            lineages=tuple(self.lineages[i] for i in chosen),
        )

    def columns(self, *families: str) -> Board:
        """Return the board with some families of features only.

        Raises
        ------
        MorelliError
            There is no such family.
        """
        foreign = sorted(set(families) - set(self.blocks))
        if foreign or not families:
            raise MorelliError(f"No family is called {', '.join(foreign)}; there are: {', '.join(self.blocks)}.")
        parts, blocks, start = [], {}, 0
        for name in families:
            parts.append(self.X[:, self.blocks[name]])
            blocks[name] = slice(start, start + parts[-1].shape[1])
            start = blocks[name].stop
        return replace(self, X=np.concatenate(parts, axis=1), blocks=blocks)


def measure_board(
    catalog: Catalog,
    encoder: Encoder,
    *,
    label: str = "model",
    view: str = "none",
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Embed the images of a catalog.

    Left out, with a note for each: images that cannot be read or measured, images without a label or a prompt, and
    repetitions of one file for one model and prompt, which would be recognised whatever the model.

    Parameters
    ----------
    catalog : Catalog
        With `label` and ``prompt_id`` (or ``prompt``, where no row has an id).
    encoder : Encoder
    label : str, default "model"
    view : str, default "none"
        What the images are seen through first.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.

    Raises
    ------
    NotEnoughDataError
        Fewer than two models, no prompts, or no prompt with two models.
    MorelliError
        The column does not exist.
    """
    labels = catalog.text(label)
    ids, words = catalog.text("prompt_id"), catalog.text("prompt")
    named = ids if any(value is not None for value in ids) else words
    features = extract(catalog, encoder, view=view, cache=cache, workers=workers, progress=progress)
    known = np.array([a is not None and b is not None for a, b in zip(labels, named, strict=True)], dtype=np.bool_)
    notes = []
    if not features.ok.all():
        notes.append(f"{int((~features.ok).sum())} of {len(catalog)} images cannot be read or measured: left out.")
    if not known.all():
        notes.append(f"{int((~known).sum())} of {len(catalog)} images have no {label} or no prompt: left out.")
    rows = np.flatnonzero(known & features.ok)
    first: dict[tuple[str, str, str], int] = {}
    for row in rows.tolist():
        first.setdefault((str(features.image_id[row]), str(labels[row]), str(named[row])), row)
    if len(first) < len(rows):
        notes.append(f"{len(rows) - len(first)} images repeat a file of the same model and prompt: left out.")
    rows = np.array(sorted(first.values()), dtype=np.int64)
    models, model = np.unique(labels[rows].astype(str), return_inverse=True)
    prompts, prompt = np.unique(named[rows].astype(str), return_inverse=True)
    if len(models) < 2:
        raise NotEnoughDataError(
            f"A leaderboard has two models or more; {len(models)} in this catalog has images with a prompt. Give each "
            'row a model, and a "prompt_id" or "prompt" that is the same for all models.'
        )
    board = Board(
        features.X[rows],
        model,
        prompt,
        tuple(str(name) for name in models),
        tuple(str(name) for name in prompts),
        texts=_one_each(words[rows], prompt, len(prompts)),
        domains=_one_each(catalog.text("domain")[rows], prompt, len(prompts)),
        lineages=_one_each(catalog.text("lineage")[rows], model, len(models)),
        blocks=dict(features.blocks),
        rows=rows,
        notes=tuple(notes),
    )
    if not board.contested.any():
        raise NotEnoughDataError(
            "No prompt has images of two models, so that there is nothing to tell apart: prompts must have the same "
            '"prompt_id" for all models.'
        )
    return board


def _one_each(values: NDArray[np.object_], codes: Codes, n: int) -> tuple[str | None, ...]:
    """Return for each code the first value that its rows have."""
    found: list[str | None] = [None] * n
    for value, code in zip(values, codes.tolist(), strict=True):
        if found[code] is None:
            found[code] = value
    return tuple(found)
