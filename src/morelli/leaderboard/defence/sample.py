"""Which images play what part: the attacker's references, images that are shown, and those kept for the operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.catalog import Catalog
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["Sample", "deal_images"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Images of a few prompts, dealt to the attacker and to the leaderboard, several times over.

    Attributes
    ----------
    catalog : Catalog
    models, prompts : tuple of str
        Names.
    model, prompt : ndarray of int64, shape (rows of the catalog,)
        Codes into them; -1 for rows that take no part.
    references, shown, spare : tuple of ndarray of int64
        For each draw the rows that the attacker has, those that are judged, and those left to the operator.
    notes : tuple of str
        What was left out, and why.
    """

    catalog: Catalog
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    model: Codes
    prompt: Codes
    references: tuple[Codes, ...]
    shown: tuple[Codes, ...]
    spare: tuple[Codes, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> Codes:
        """All rows that have a part in some draw, ascending."""
        return np.unique(np.concatenate([*self.references, *self.shown, *self.spare]))


def deal_images(
    catalog: Catalog,
    *,
    label: str = "model",
    prompts: int | None = 12,
    references: int = 5,
    shown: int = 1,
    spare: int = 0,
    draws: int = 1,
    seed: int = 0,
) -> Sample:
    """Choose prompts, and deal their images.

    Prompts with the most models come first, in random order among those with equally many. Of every model of a prompt
    `shown` images are judged, then up to `spare` are kept for the operator and up to `references` given to the
    attacker; a model with fewer images has fewer references first, then none kept, and always one reference and one
    image to be judged. What has a single image of a prompt takes no part there. Every draw deals the images anew.

    Parameters
    ----------
    catalog : Catalog
        With `label`, and ``prompt_id`` or ``prompt``.
    label : str, default "model"
    prompts : int or None, default 12
        How many; all that there are with None.
    references, shown, spare : int
        Of each model for each prompt.
    draws : int, default 1
    seed : int

    Raises
    ------
    NotEnoughDataError
        No prompt has two images of two models each.
    MorelliError
        A number is below 1 (`spare`: below 0), or the column does not exist.
    """
    if min(references, shown, draws, 1 if prompts is None else prompts) < 1 or spare < 0:
        raise MorelliError("Numbers of prompts, references, shown images and draws start at 1, those kept at 0.")
    labels, ids, words = catalog.text(label), catalog.text("prompt_id"), catalog.text("prompt")
    named = ids if any(value is not None for value in ids) else words
    images, errors = catalog.column("image_id"), catalog.column("error")
    cells: dict[tuple[str, str], list[int]] = {}
    known: set[tuple[str, str, str]] = set()
    usable = 0
    for row, (image, error) in enumerate(zip(images, errors, strict=True)):
        if error is None and labels[row] is not None and named[row] is not None:
            key = (str(named[row]), str(labels[row]))
            usable += 1
            if (*key, str(image)) not in known:  # a file twice would be its own reference
                known.add((*key, str(image)))
                cells.setdefault(key, []).append(row)
    notes = []
    if usable < len(catalog):
        notes.append(f"{len(catalog) - usable} of {len(catalog)} images cannot be read or have no {label} or prompt.")
    if len(known) < usable:
        notes.append(f"{usable - len(known)} images repeat a file of the same {label} and prompt: left out.")
    single = sum(len(rows) == 1 for rows in cells.values())
    if single:
        notes.append(f"{single} times a {label} has a single image of a prompt, and takes no part there.")
    of_prompt: dict[str, list[str]] = {}
    for (prompt, maker), rows in sorted(cells.items()):
        if len(rows) >= 2:
            of_prompt.setdefault(prompt, []).append(maker)
    there = [prompt for prompt, models in of_prompt.items() if len(models) >= 2]
    if not there:
        raise NotEnoughDataError(
            f"No prompt has two images of two {label}s each, so that no attack can be judged: give each row a {label} "
            'and a "prompt_id" that is the same for all, and at least two images of each.'
        )
    rng = np.random.default_rng(seed)
    order = sorted(rng.permutation(len(there)).tolist(), key=lambda i: -len(of_prompt[there[i]]))
    chosen = sorted(there[i] for i in order[:prompts])
    if len(chosen) < len(there):
        notes.append(f"{len(chosen)} of {len(there)} prompts are used, those with the most {label}s first.")
    models = tuple(sorted({model for prompt in chosen for model in of_prompt[prompt]}))
    model, prompt_of = np.full(len(catalog), -1, dtype=np.int64), np.full(len(catalog), -1, dtype=np.int64)
    parts: dict[str, list[Codes]] = {"references": [], "shown": [], "spare": []}
    fewest = references
    for _ in range(draws):
        dealt: dict[str, list[int]] = {name: [] for name in parts}
        for place, prompt in enumerate(chosen):
            for name in of_prompt[prompt]:
                own = rng.permutation(cells[prompt, name])
                model[own], prompt_of[own] = models.index(name), place
                judged = min(shown, len(own) - 1)
                kept = min(spare, max(0, len(own) - judged - 1))
                dealt["shown"] += own[:judged].tolist()
                dealt["spare"] += own[judged : judged + kept].tolist()
                given = own[judged + kept : judged + kept + references].tolist()
                dealt["references"] += given
                fewest = min(fewest, len(given))
        for part, numbers in dealt.items():
            parts[part].append(np.array(sorted(numbers), dtype=np.int64))
    if fewest < references:
        notes.append(f"There are not {references} references everywhere: some {label}s have {fewest} for a prompt.")
    took_part = np.zeros(len(catalog), dtype=np.bool_)
    took_part[np.concatenate([np.concatenate(of) for of in parts.values()])] = True
    return Sample(
        catalog,
        models,
        tuple(chosen),
        np.where(took_part, model, -1),
        np.where(took_part, prompt_of, -1),
        tuple(parts["references"]),
        tuple(parts["shown"]),
        tuple(parts["spare"]),
        tuple(notes),
    )
