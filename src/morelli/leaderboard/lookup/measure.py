"""What it costs the attacker not to know the prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.prompts.texts import TextEmbedder, make_text_embedder
from morelli.catalog import Catalog
from morelli.errors import MorelliError
from morelli.leaderboard._drawing import Draw, clip_references, draw_references
from morelli.leaderboard._resampled import PromptBootstrap, bounded, sums_by_prompt
from morelli.leaderboard.board import Board
from morelli.leaderboard.lookup.conditions import CONDITIONS, KNOWN, Situation, Worded
from morelli.leaderboard.lookup.paraphrase import LEVELS, paraphrase

__all__ = ["LookupResult", "measure_lookup", "paraphrases_of"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LookupResult:
    """Accuracy under each condition.

    Attributes
    ----------
    conditions : tuple of str
        C names that could be measured, ``known`` first.
    references : tuple of int
        K numbers of references for each prompt and model.
    accuracy : ndarray, shape (C, K, 3)
        Share of images whose model is named, low and high.
    loss : ndarray, shape (C, K, 3)
        What is lost against the known prompt on the same images, by the paired bootstrap over prompts.
    retrieval : ndarray, shape (C, K, 3)
        Share of images whose prompt is found; NaN where it is given or left out.
    chance : ndarray, shape (C, K)
        Of a guess among the models of the prompt that was looked at (of all cells, where all are searched).
    constant : float
        Share of the judged images by the commonest model: what always naming it scores.
    n : ndarray of int64, shape (C, K)
        Images judged, over all draws.
    n_prompts : int
        Prompts judged.
    n_stored : int
        Prompts in the store, among which the right one is found by chance.
    n_draws, seed : int
    embedder : str
        Of texts.
    notes : tuple of str
    """

    conditions: tuple[str, ...]
    references: tuple[int, ...]
    accuracy: Float
    loss: Float
    retrieval: Float
    chance: Float
    constant: float
    n: NDArray[np.int64]
    n_prompts: int
    n_stored: int
    n_draws: int
    seed: int
    embedder: str
    notes: tuple[str, ...] = field(default=())


def measure_lookup(
    board: Board,
    *,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    draws: int = 10,
    embedder: str = "words",
    paraphrases: Mapping[str, str] | None = None,
    seed: int = 0,
    n_boot: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> LookupResult:
    """Measure the attack when the prompt is known, unknown, paraphrased, or not among those with references.

    The store holds references for all prompts for which two models or more have images. In each draw one image of each
    prompt and model is judged, and never is among the references. Paraphrases are drawn anew in each draw.

    Parameters
    ----------
    board : Board
        Texts of prompts are in `board.texts`; without them, conditions on texts are left out with a note.
    references : sequence of int
    draws : int
    embedder : str, default "words"
        Of texts, see :func:`morelli.attributors.prompts.texts.make_text_embedder`.
    paraphrases : mapping of str to str, optional
        Prompts in other words by the prompt's name on the board, instead of only those that are simulated.
    seed : int
    n_boot : int
    progress : callable, optional
        ``progress(done, total)``, in draws.

    Raises
    ------
    NotEnoughDataError
        No image can be judged.
    MorelliError
        Numbers or names make no sense.
    """
    foreign = sorted(set(paraphrases or {}) - set(board.prompts))
    if foreign:
        raise MorelliError(f"Paraphrases are given for prompts that are not on the board: {', '.join(foreign[:3])}.")
    ks, notes = clip_references(board, references)
    words = _Texts.of(board, embedder, paraphrases or {})
    tallies = [{name: _Tally(len(board.prompts)) for name in CONDITIONS} for _ in ks]
    judged = np.zeros(len(board.models))
    same = _same_text(board)
    for number, draw in enumerate(draw_references(board, draws, seed)):
        judged += np.bincount(board.model[draw.judged], minlength=len(board.models))
        others = {} if words is None else words.in_other_words(seed + number)
        for (centroids, _), tally in zip(draw.centroids(board, ks), tallies, strict=True):
            situation = _situation(board, draw, centroids, same, words, others)
            baseline = CONDITIONS[KNOWN].look(situation)
            assert baseline is not None
            for name, condition in CONDITIONS.items():
                looked = baseline if name == KNOWN else condition.look(situation)
                if looked is not None:
                    found = situation.same[situation.prompt, np.maximum(looked.found, 0)] & (looked.found >= 0)
                    columns = np.stack(
                        [looked.asked, looked.right, baseline.right, found, looked.chance], axis=1
                    ) * looked.asked[:, None]  # fmt: skip
                    tally[name].sums += sums_by_prompt(columns, situation.prompt, len(board.prompts))
        if progress is not None:
            progress(number + 1, draws)
    used = np.flatnonzero(tallies[0][KNOWN].sums[:, 0])
    names = tuple(name for name in CONDITIONS if tallies[0][name].sums[:, 0].any())
    boot = PromptBootstrap(len(used), n_boot, seed)
    # By condition, number of references and prompt: asked, right, right with the prompt known, found, chance.
    sums = np.stack([[tally[name].sums[used] for tally in tallies] for name in names])
    asked, right, baseline_right, found, chance = np.moveaxis(sums, -1, 0)
    retrieval = _shares(boot, found, asked)
    retrieval[[not CONDITIONS[name].retrieves for name in names]] = np.nan
    total = asked.sum(axis=-1)
    return LookupResult(
        conditions=names,
        references=ks,
        accuracy=_shares(boot, right, asked),
        loss=_shares(boot, baseline_right - right, asked, signed=True),
        retrieval=retrieval,
        chance=chance.sum(axis=-1) / total,
        constant=float(judged.max() / judged.sum()),
        n=total.astype(np.int64),
        n_prompts=len(used),
        n_stored=int(board.contested.sum()),
        n_draws=draws,
        seed=seed,
        embedder=embedder,
        notes=(*board.notes, *notes, *_text_notes(board, words)),
    )


def paraphrases_of(catalog: Catalog, board: Board, column: str = "paraphrase") -> dict[str, str]:
    """Return what a column of the catalog says each prompt of a board is in other words: the first that its rows have.

    Raises
    ------
    CatalogError
        There is no such column.
    """
    values = catalog.text(column)
    found: dict[str, str] = {}
    for row, code in zip(board.rows.tolist(), board.prompt.tolist(), strict=True):
        if values[row] is not None and str(values[row]).strip():
            found.setdefault(board.prompts[code], str(values[row]))
    return found


class _Tally:
    """Sums by prompt of what one condition gave."""

    def __init__(self, n_prompts: int) -> None:
        self.sums = np.zeros((n_prompts, 5))


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """Texts of prompts, as they are and in other words."""

    texts: tuple[str, ...]
    embedder: TextEmbedder
    own: Worded
    given: Worded | None

    @classmethod
    def of(cls, board: Board, name: str, paraphrases: Mapping[str, str]) -> _Texts | None:
        embedder = make_text_embedder(name)  # refuses a name that there is not, also on boards without texts
        texts = tuple((text or "").strip() for text in board.texts)
        # A text for one prompt only finds nothing but this one.
        if sum(bool(text) for text in texts) < 2:
            return None
        embedder = embedder.fit([text for text in texts if text])
        given = _worded(embedder, [paraphrases.get(prompt, "") for prompt in board.prompts]) if paraphrases else None
        return cls(texts, embedder, _worded(embedder, texts), given)

    def in_other_words(self, seed: int) -> dict[str, Worded]:
        found = {
            f"paraphrased-{level}": _worded(
                self.embedder, [paraphrase(text, level, seed) if text else "" for text in self.texts]
            )
            for level in LEVELS
        }
        return found if self.given is None else found | {"paraphrased-given": self.given}


def _worded(embedder: TextEmbedder, texts: Sequence[str]) -> Worded:
    return Worded(embedder.transform(texts), np.array([bool(text.strip()) for text in texts], dtype=np.bool_))


def _situation(
    board: Board,
    draw: Draw,
    centroids: Float,
    same: NDArray[np.bool_],
    words: _Texts | None,
    others: Mapping[str, Worded],
) -> Situation:
    return Situation(
        X=board.X[draw.judged],
        prompt=board.prompt[draw.judged],
        model=board.model[draw.judged],
        centroids=np.where(board.contested[:, None, None], centroids, np.nan),
        same=same,
        texts=None if words is None else words.own,
        others=others,
    )


def _same_text(board: Board) -> NDArray[np.bool_]:
    """Return which prompts say the same, up to case and blanks; a prompt without a text is like itself only."""
    keys = [" ".join(text.casefold().split()) if text else f"\0{i}" for i, text in enumerate(board.texts)]
    first: dict[str, int] = {}
    codes = np.array([first.setdefault(key, i) for i, key in enumerate(keys)])
    return np.asarray(codes[:, None] == codes[None])


def _shares(boot: PromptBootstrap, sums: Float, sizes: Float, signed: bool = False) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sums.sum(axis=-1) / sizes.sum(axis=-1)
    interval = boot.interval(boot.ratios(sums, sizes))
    n = (sizes > 0).sum(axis=-1)
    if signed:
        interval[n < 2] = np.nan
    else:
        interval = bounded(value, interval, n)
    return np.concatenate([value[..., None], interval], axis=-1)


def _text_notes(board: Board, words: _Texts | None) -> tuple[str, ...]:
    if words is None:
        return ("The catalog says of fewer than two prompts what they say: nothing is looked up by text.",)
    silent = sum(not text for text in words.texts)
    if not silent:
        return ()
    return (f"{silent} of {len(board.prompts)} prompts have no text: their images are not judged where texts decide.",)
