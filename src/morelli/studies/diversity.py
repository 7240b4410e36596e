"""Whether a model follows its prompts in every language, or paints stock scenery by language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["Estimate", "ImageDiversity", "LanguageDiversity", "image_diversity"]

FloatArray = npt.NDArray[np.float64]

_CHUNK: Final = 8_000_000  # numbers held at once by the bootstrap


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval by bootstrap over prompts; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class LanguageDiversity:
    """The images of one model for the prompts in one language.

    Attributes
    ----------
    language : str
    n, n_prompts : int
        Images and prompts.
    diversity : Estimate
        Mean distance between images of different prompts in this language. 1 is the mean distance between any two of
        all images given, of all models.
    relative : Estimate
        That over the mean distance of this language's images from those of different prompts in other languages: about
        1 for a model that is as various in this language, and less the more its images in it resemble each other.
    prompt_share : Estimate
        Share of the differences between this language's images and other languages' that is gone when they are of
        the same prompt: what the prompt explains. 0 if the prompt is ignored in this language.
    """

    language: str
    n: int
    n_prompts: int
    diversity: Estimate
    relative: Estimate
    prompt_share: Estimate


@dataclass(frozen=True, slots=True)
class ImageDiversity:
    """The images of one model.

    Attributes
    ----------
    model : str
    n, n_prompts : int
        Images and prompts.
    diversity : Estimate
        Mean distance between images of different prompts in the same language.
    prompt_share, language_share : Estimate
        Shares of the differences between images of different prompts and languages that are gone when the prompt is the
        same, and when the language is. At most 1; a little below 0 by chance.
    prompt_response : Estimate
        `prompt_share` minus `language_share`: above 0 where images follow the prompt more than the language.
    languages : tuple of LanguageDiversity
        By name.
    """

    model: str
    n: int
    n_prompts: int
    diversity: Estimate
    prompt_share: Estimate
    language_share: Estimate
    prompt_response: Estimate
    languages: tuple[LanguageDiversity, ...]

    @property
    def governed_by(self) -> str:
        """What governs the images, "prompt" or "language"; "undecided" if the interval of `prompt_response` holds 0."""
        low, high = self.prompt_response.low, self.prompt_response.high
        if low is None or high is None or low <= 0.0 <= high:
            return "undecided"
        return "prompt" if low > 0.0 else "language"


def image_diversity(
    X: npt.ArrayLike,
    languages: npt.ArrayLike,
    prompts: npt.ArrayLike,
    models: npt.ArrayLike | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[ImageDiversity, ...]:
    """Compare images of the same prompt in different languages with images of different prompts in the same language.

    A classifier can tell the language of a prompt from the image for two reasons: the model paints what the prompt says
    in the manner of the language's world, or it does not understand the prompt and paints stock scenery (Cekinmez et
    al. 2026, section on languages). In the second case images of different prompts are alike, and images of the same
    prompt in two languages are not.

    Features are standardised over all images given, and a distance is half the squared Euclidean distance divided by
    the number of features that vary. So distances are shares of variance: for images that are the sum of independent
    parts for prompt, language and rest, `prompt_share` and `language_share` estimate those parts' shares of the
    variance within the model. Intervals are percentiles of the cluster bootstrap over prompts; a prompt that is drawn
    twice is not compared with itself.

    What it says depends on the features. It is about what the encoder sees: one for forensic traces knows little of
    content, so use one for content (CLIP, SigLIP, DINO). A model that ignores prompts and paints the same in all
    languages has both shares near 0. The mean over languages hides a failure in one of them: see each language's
    `prompt_share`. Images may follow the prompt and still be wrong.

    Parameters
    ----------
    X : array-like of float, shape (n, d)
        Features, finite.
    languages, prompts : array-like of str, shape (n,)
        The same prompt has the same name in every language.
    models : array-like of str, shape (n,), optional
        One model by default, named by the empty text.
    n_boot : int
    seed : int
    level : float
        Coverage of the intervals, in (0, 1).

    Returns
    -------
    tuple of ImageDiversity
        One for each model, by name.

    Raises
    ------
    MorelliError
        The shapes do not fit, a value is not finite, a name is missing, or n_boot or level makes no sense.
    NotEnoughDataError
        No feature varies, or a model has not two languages with two prompts in common.
    """
    features = np.asarray(X, dtype=np.float64)
    if features.ndim != 2:
        raise MorelliError(f"Features must have the shape (images, features), got {features.shape}.")
    n = len(features)
    language, prompt = _names(languages, n, "languages"), _names(prompts, n, "prompts")
    model = np.full(n, "") if models is None else _names(models, n, "models")
    if not np.isfinite(features).all():
        raise MorelliError("Features hold NaN or infinity; leave unreadable images out.")
    if n_boot < 1 or not 0.0 < level < 1.0:
        raise MorelliError(f"The bootstrap needs n_boot >= 1 and 0 < level < 1, got {n_boot} and {level}.")
    spread = features.std(axis=0) if n else np.zeros(features.shape[1])
    varies = spread > 1e-12 * np.abs(features).max(axis=0, initial=0.0)
    if not varies.any():
        raise NotEnoughDataError("No feature differs between the images; diversity needs at least one that does.")
    scaled = (features[:, varies] - features[:, varies].mean(axis=0)) / spread[varies]
    # The mean over distinct pairs of half the squared distance is the variance n / (n - 1), and is made 1 exactly.
    scaled *= np.sqrt((n - 1) / (n * int(varies.sum())))
    return tuple(
        _of_model(str(name), scaled[rows], language[rows], prompt[rows], n_boot, seed, level)
        for name in np.unique(model)
        for rows in [model == name]
    )


def _names(values: npt.ArrayLike, n: int, what: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (n,):
        raise MorelliError(
            f"There must be one entry of {what} for each of the {n} images, got the shape {array.shape}."
        )
    if any(value is None for value in array):
        raise MorelliError(f"Some {what} are unknown; leave those images out.")
    return array.astype(np.str_)


def _of_model(
    name: str,
    X: FloatArray,
    language: npt.NDArray[Any],
    prompt: npt.NDArray[Any],
    n_boot: int,
    seed: int,
    level: float,
) -> ImageDiversity:
    """Measure one model, `X` being scaled so that half a squared distance is what is wanted."""
    tongues, of_language = np.unique(language, return_inverse=True)
    texts, of_prompt = np.unique(prompt, return_inverse=True)
    n_prompts, n_languages = len(texts), len(tongues)
    cell = of_prompt * n_languages + of_language
    count = np.bincount(cell, minlength=n_prompts * n_languages).reshape(n_prompts, n_languages).astype(np.float64)
    if int(((count > 0).sum(axis=1) > 1).sum()) < 2:
        who = f'of the model "{name}" ' if name else ""
        raise NotEnoughDataError(f"The images {who}must have at least two prompts in common in two languages.")
    cells = _Cells(
        count, _summed(X, cell, count.shape), _summed((X**2).sum(axis=1)[:, None], cell, count.shape)[..., 0]
    )
    values = cells.measure(np.ones((1, n_prompts)))
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // (n_languages * X.shape[1]))
    draws = []
    for start in range(0, n_boot, rows):
        weights = rng.multinomial(n_prompts, np.full(n_prompts, 1.0 / n_prompts), size=min(rows, n_boot - start))
        draws.append(cells.measure(weights.astype(np.float64)))
    tail = (1.0 - level) / 2.0

    def estimate(key: str, column: int = 0) -> Estimate:
        value = float(values[key][0, column])
        drawn = np.concatenate([draw[key][:, column] for draw in draws])
        drawn = drawn[np.isfinite(drawn)]
        if not np.isfinite(value):
            return Estimate(None, None, None)
        if not len(drawn):
            return Estimate(value, None, None)
        low, high = np.quantile(drawn, [tail, 1.0 - tail])
        return Estimate(value, float(low), float(high))

    return ImageDiversity(
        model=name,
        n=len(X),
        n_prompts=n_prompts,
        diversity=estimate("diversity"),
        prompt_share=estimate("prompt_share"),
        language_share=estimate("language_share"),
        prompt_response=estimate("prompt_response"),
        languages=tuple(
            LanguageDiversity(
                language=str(tongue),
                n=int(count[:, i].sum()),
                n_prompts=int((count[:, i] > 0).sum()),
                diversity=estimate("language_diversity", i),
                relative=estimate("language_relative", i),
                prompt_share=estimate("language_prompt_share", i),
            )
            for i, tongue in enumerate(tongues)
        ),
    )


def _summed(values: FloatArray, cell: npt.NDArray[np.int64], shape: tuple[int, int]) -> FloatArray:
    """Return the sum of the rows in each cell, shape (prompts, languages, columns)."""
    total = np.zeros((shape[0] * shape[1], values.shape[1]))
    np.add.at(total, cell, values)
    return total.reshape(*shape, -1)


class _Cells:
    """Sums over the images of each prompt and language: all mean distances follow from them, without any pair.

    Parameters
    ----------
    count : ndarray, shape (P, L)
    total : ndarray, shape (P, L, d)
        Sums of vectors.
    square : ndarray, shape (P, L)
        Sums of squared lengths.
    """

    def __init__(self, count: FloatArray, total: FloatArray, square: FloatArray) -> None:
        self.count, self.total, self.square = count, total, square
        # Of the same prompt, for each two languages: the sum of half the squared distances, and the number of pairs.
        self.same_sum = _distances(count, total, square)
        self.same_pairs = count[:, :, None] * count[:, None, :]

    def measure(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return the measures for prompts with weights, shape (B, P); shape (B, 1), or (B, L) by language."""
        prompts, tongues, width = self.total.shape
        count, square = weights @ self.count, weights @ self.square
        total = (weights @ self.total.reshape(prompts, -1)).reshape(len(weights), tongues, width)
        # What a prompt drawn twice has with itself is taken out whole, which leaves pairs of different prompts.
        twice = weights**2
        flat = (prompts, tongues * tongues)
        shape = (len(weights), tongues, tongues)
        apart_sum = _distances(count, total, square) - (twice @ self.same_sum.reshape(flat)).reshape(shape)
        apart_pairs = count[:, :, None] * count[:, None, :] - (twice @ self.same_pairs.reshape(flat)).reshape(shape)
        same_sum = (weights @ self.same_sum.reshape(flat)).reshape(shape)
        same_pairs = (weights @ self.same_pairs.reshape(flat)).reshape(shape)
        own = np.eye(tongues, dtype=np.bool_)
        within = _ratio((apart_sum * own).sum(axis=2), (apart_pairs * own).sum(axis=2))
        across = _ratio((apart_sum * ~own).sum(axis=2), (apart_pairs * ~own).sum(axis=2))
        same = _ratio((same_sum * ~own).sum(axis=2), (same_pairs * ~own).sum(axis=2))
        all_within = _mean_of(apart_sum, apart_pairs, own)
        all_across = _mean_of(apart_sum, apart_pairs, ~own)
        prompt_share = 1.0 - _ratio(_mean_of(same_sum, same_pairs, ~own), all_across)
        language_share = 1.0 - _ratio(all_within, all_across)
        return {
            "diversity": all_within,
            "prompt_share": prompt_share,
            "language_share": language_share,
            "prompt_response": prompt_share - language_share,
            "language_diversity": within,
            "language_relative": _ratio(within, across),
            "language_prompt_share": 1.0 - _ratio(same, across),
        }


def _distances(count: FloatArray, total: FloatArray, square: FloatArray) -> FloatArray:
    """Return the sum of half the squared distances between the images of each two languages, shape (..., L, L)."""
    crossed = count[..., :, None] * square[..., None, :]
    products: FloatArray = total @ np.swapaxes(total, -1, -2)
    return np.asarray((crossed + np.swapaxes(crossed, -1, -2)) / 2.0 - products, dtype=np.float64)


def _mean_of(sums: FloatArray, pairs: FloatArray, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the mean over the pairs of all chosen pairs of languages, shape (B, 1)."""
    return _ratio((sums * chosen).sum(axis=(1, 2)), (pairs * chosen).sum(axis=(1, 2)))[:, None]


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Divide, with NaN where there is nothing to divide by; sums that rounding left a hair off zero are zero."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-9)
