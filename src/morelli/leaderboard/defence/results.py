"""What a defence is worth: never without an attacker who knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import Attacker, ranks_of_truth
from morelli.leaderboard.board import Board
from morelli.trials.metrics import cluster_bootstrap_difference, cluster_bootstrap_interval

__all__ = ["DefenceResult", "Encounter", "ImageQuality", "Score", "judge_defence"]

Bool = NDArray[np.bool_]
Codes = NDArray[np.int64]
Float = NDArray[np.floating]

UNAWARE = "does not know the defence"


@dataclass(frozen=True, slots=True, eq=False)
class Encounter:
    """What an attacker has, and the images to be named.

    Attributes
    ----------
    references : Board
    X : ndarray, shape (n, d)
        Embeddings of the images, by the encoder of the references.
    model, prompt : ndarray of int, shape (n,)
        The truth, and the prompts: codes into the names of the board.
    """

    references: Board
    X: Float
    model: Codes
    prompt: Codes


@dataclass(frozen=True, slots=True)
class Score:
    """One attacker's accuracy (top-1).

    Attributes
    ----------
    attacker : str
    knows : bool
        Whether this attacker knows the defence, and acts on it.
    accuracy : float
        In [0, 1].
    low, high : float
        95% interval by bootstrap over prompts; NaN with one prompt.
    n, n_prompts : int
        Images judged, and prompts that they are for.
    """

    attacker: str
    knows: bool
    accuracy: float
    low: float
    high: float
    n: int
    n_prompts: int


@dataclass(frozen=True, slots=True, eq=False)
class ImageQuality:
    """What a defence did to the images that are shown, one value for each; NaN where a defence changes their size.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Of the catalog.
    psnr : ndarray of float
        In decibels; infinite where nothing changed.
    ssim, gmsd : ndarray of float
        See `morelli.leaderboard.defence.ssim` and `gmsd`.
    feature_distance : ndarray of float
        1 - cosine of the embeddings before and after, in [0, 2], in the attack's encoder.
    largest : ndarray of float
        Largest change of a channel, 0 to 255.
    """

    rows: Codes
    psnr: Float
    ssim: Float
    gmsd: Float
    feature_distance: Float
    largest: Float

    def summary(self) -> dict[str, float | None]:
        """Return the median of `psnr`, the means of the others and the maximum of `largest`; None where undefined."""
        values = {
            "psnr": float(np.median(self.psnr)),
            "ssim": float(self.ssim.mean()),
            "gmsd": float(self.gmsd.mean()),
            "feature_distance": float(self.feature_distance.mean()),
            "largest": float(self.largest.max()),
        }
        return {name: value if np.isfinite(value) else None for name, value in values.items()}


@dataclass(frozen=True, slots=True, eq=False)
class DefenceResult:
    """What a defence is worth against attackers who do not know it, and against those who do.

    Attributes
    ----------
    name, summary, changes : str
        As for `Defence`.
    chance : float
        What guessing scores on the defended images.
    before : Score
        Undefended images.
    unaware : Score
        Defended images, and an attacker who does not know of it.
    adaptive : tuple of Score
        Attackers who know the defence; there is always one or more.
    best : Score
        The best of all, the unaware among them, since whoever knows a defence may ignore it: chosen on one half of the
        prompts and judged on the other, both ways; and the unaware one where that does not come out higher.
    optimistic : Score
        The best of all as judged on the prompts that it is chosen on, which flatters the attacker.
    drop : (float, float, float) or None
        Accuracy before minus that of `best`, and its 95% interval, paired by images; None where other images are
        judged.
    quality : ImageQuality or None
        None where no pixel changes.
    notes : tuple of str
    details : mapping
        What else belongs to the defence, such as whether the attack's encoder was held out.

    Raises
    ------
    MorelliError
        There is no attacker who knows the defence: such a result is refused.
    """

    name: str
    summary: str
    changes: str
    chance: float
    before: Score
    unaware: Score
    adaptive: tuple[Score, ...]
    best: Score
    optimistic: Score
    drop: tuple[float, float, float] | None = None
    quality: ImageQuality | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.adaptive or not all(score.knows for score in self.adaptive) or self.unaware.knows:
            raise MorelliError(
                f"The defence {self.name} was not judged by an attacker who knows it: a defence is never reported "
                "against one who does not know it alone."
            )
        if self.best.accuracy > self.optimistic.accuracy + 1e-12:
            raise MorelliError(f"The best attack on {self.name} cannot be better than the optimistic one.")


def judge_defence(
    name: str,
    before: Sequence[Encounter],
    unaware: Sequence[Encounter],
    adaptive: Mapping[str, Sequence[Encounter]],
    attacker: Attacker,
    *,
    summary: str = "",
    changes: str = "images",
    quality: ImageQuality | None = None,
    notes: Sequence[str] = (),
    details: Mapping[str, str] | None = None,
    seed: int = 0,
    n_boot: int = 2000,
) -> DefenceResult:
    """Judge a defence by an attack.

    Parameters
    ----------
    name, summary, changes : str
    before : sequence of Encounter
        Undefended images, one for each draw of references.
    unaware : sequence of Encounter
        Defended images and the references of one who does not know.
    adaptive : mapping of str to sequence of Encounter
        By what the attacker does about it; the same images, in the same order, as in `unaware`.
    attacker : Attacker
    quality, notes, details
        For the result.
    seed : int
        Of the halves of the prompts, and of the bootstrap.
    n_boot : int, default 2000

    Raises
    ------
    MorelliError
        There is no adaptive attacker, or they judge other images.
    NotEnoughDataError
        There is no image to judge.
    """
    if not adaptive:
        raise MorelliError(
            f"The defence {name} has to be judged by an attacker who knows it too: a defence is never reported against "
            "one who does not know it alone."
        )
    if not unaware or not sum(len(encounter.X) for encounter in unaware):
        raise NotEnoughDataError(f"The defence {name} leaves no image to be judged.")
    prompt = np.concatenate([encounter.prompt for encounter in unaware])
    truth = np.concatenate([encounter.model for encounter in unaware])
    hits = {UNAWARE: _hits(unaware, attacker)}
    for what, encounters in adaptive.items():
        same = np.array_equal(np.concatenate([e.prompt for e in encounters]), prompt) and np.array_equal(
            np.concatenate([e.model for e in encounters]), truth
        )
        if not same:
            raise MorelliError(f'The attacker who "{what}" has to judge the images that the unaware one judges.')
        hits[what] = _hits(encounters, attacker)
    names, matrix = list(hits), np.array(list(hits.values()))

    def score(of: str, right: Bool, groups: Codes, knows: bool) -> Score:
        low, high = cluster_bootstrap_interval(right, groups, n_boot=n_boot, seed=seed)
        return Score(of, knows, float(right.mean()), low, high, len(right), len(np.unique(groups)))

    shares = matrix.mean(axis=1)
    top = names[int(shares.argmax())]
    right, chosen = _cross_chosen(matrix, prompt, seed)
    if right.mean() < shares[0]:
        # A choice on few prompts can be a poor one, and must not make a defence look better than it is to one who does
        # not even know it.
        right, chosen = matrix[0], [0]
    picked = " or ".join(dict.fromkeys(names[i] for i in chosen))
    first = _hits(before, attacker)
    earlier = np.concatenate([encounter.prompt for encounter in before])
    drop = None
    if np.array_equal(earlier, prompt) and np.array_equal(np.concatenate([e.model for e in before]), truth):
        low, high = cluster_bootstrap_difference(first, right, prompt, n_boot=n_boot, seed=seed)
        drop = (float(first.mean() - right.mean()), low, high)
    several = len(np.unique(prompt)) > 1
    more = () if several else ("With a single prompt the best attacker is chosen on the images that judge it.",)
    return DefenceResult(
        name=name,
        summary=summary,
        changes=changes,
        chance=_chance(unaware),
        before=score("no defence", first, earlier, False),
        unaware=score(UNAWARE, hits[UNAWARE], prompt, False),
        adaptive=tuple(score(what, hits[what], prompt, True) for what in names[1:]),
        best=score(picked, right, prompt, True),
        optimistic=score(top, hits[top], prompt, True),
        drop=drop,
        quality=quality,
        notes=(*notes, *more),
        details=dict(details or {}),
    )


def _hits(encounters: Sequence[Encounter], attacker: Attacker) -> Bool:
    """Return whether each image is named rightly; ties and models without references count against the attacker."""
    return np.concatenate(
        [ranks_of_truth(attacker(one.references, one.X, one.prompt), one.model) == 0 for one in encounters]
    )


def _chance(encounters: Sequence[Encounter]) -> float:
    """Return the mean over images of one over the number of models that the attacker has references of."""
    shares = [1.0 / np.maximum((one.references.counts > 0).sum(axis=1), 1)[one.prompt] for one in encounters]
    return float(np.concatenate(shares).mean())


def _cross_chosen(matrix: Bool, prompt: Codes, seed: int) -> tuple[Bool, list[int]]:
    """Judge each half of the prompts by the attacker who was best on the other half.

    Returns
    -------
    right : ndarray of bool, shape (n,)
    chosen : list of int
        The rows of the matrix that were chosen, by half.
    """
    prompts = np.unique(prompt)
    if len(prompts) < 2:
        best = int(matrix.mean(axis=1).argmax())
        return matrix[best], [best]
    order = np.random.default_rng(seed).permutation(prompts)
    in_first = np.isin(prompt, order[: len(order) // 2])
    right = np.zeros(len(prompt), dtype=np.bool_)
    chosen = []
    for half in (in_first, ~in_first):
        best = int(matrix[:, ~half].mean(axis=1).argmax())
        right[half] = matrix[best, half]
        chosen.append(best)
    return right, chosen
