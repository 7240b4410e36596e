"""Language: whether images give the language of their prompt away, and whether the prompt was ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from morelli.attributors.registry import parse_attributor
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.diversity import Estimate, ImageDiversity, image_diversity
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, Level, ScatterChart, Table, Value
from morelli.studies.paper import LANGUAGE, UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.metrics import PermutationAccuracy, benjamini_hochberg, permutation_accuracy
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial

__all__ = ["Language"]

_LEVEL = 0.05
_ENOUGH_FOR_RANKS = 5


@dataclass(frozen=True, slots=True)
class _Told:
    """How well the language is told by the images of one model."""

    cell: Cell
    test: PermutationAccuracy
    adjusted: float | None

    @property
    def attributor(self) -> str:
        return str(self.cell.at["attributor"])

    @property
    def maker(self) -> str:
        return str(self.cell.at["made_by"])

    @property
    def gives_away(self) -> bool:
        return self.adjusted is not None and self.adjusted <= _LEVEL


@register_study(
    "language",
    title="Language: what images tell of the language of their prompt",
    question="Do a model's images give the language of the prompt away, and do they still follow the prompt?",
    paper=f"{UNIFIED}, prompt language",
)
@dataclass(frozen=True)
class Language(Study):
    """For each model, tell the language of the prompt by the image, and say whether images follow the prompt.

    Every prompt is needed in several languages under one prompt_id, which folds hold out whole. A high accuracy is a
    failure where images of different prompts in one language resemble each other more than images of one prompt in
    two: the model paints by the language, and ignores the prompt.
    """

    label: ClassVar[str] = "language"
    attributors = ("fused",)
    example = "--set content=clip-vit-b16.openai-int8"

    by: str = Setting("model", "Column whose values have a classifier each.")
    content: str | None = Setting(
        None,
        "Encoder that images are compared by; none takes the first attributor's. One for content, such as "
        "clip-vit-b16.openai-int8, says more about whether prompts are followed than forensic traces do.",
    )

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, model, seed and fold."""
        if self.by == frame.label:
            raise MorelliError(f'The column "{self.by}" is what is to be told; classifiers are made by another.')
        if len(frame.classes) < 2:
            raise NotEnoughDataError(
                f'This study needs images of two or more values of "{frame.label}"; there are: '
                f"{', '.join(frame.classes) or 'none'}."
            )
        return [
            trial
            for attributor in frame.attributors
            for maker in frame.values(self.by)
            for trial in frame.cross_validated(
                {"attributor": attributor, "made_by": maker},
                train=Selection(where={self.by: maker}),
                test=Selection(where={self.by: maker}),
                attributor=attributor,
            )
        ]

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies with tests against chance, and whether images follow the prompt or the language."""
        cells = [cell for cell in results if cell.accuracy is not None]
        told = [one for name in frame.attributors for one in _told(cells, name, frame.seed)]
        own = [one for one in told if one.attributor == frame.attributors[0]]
        encoder, followed, problems = self._diversity(frame)
        tables = [_table(told, frame.label)]
        if followed:
            tables += [_followed_table(followed, encoder), _by_language(followed, frame.label)]
        charts: list[Chart] = [_bars(own, frame)] if own else []
        both = [(one, followed[one.maker]) for one in own if one.maker in followed]
        if len(both) > 2:
            charts.append(_scatter(both, frame.label))
        sentences = [*_answer(own, frame.label), *_why(own, followed, frame.label, encoder), *_ranks(both)]
        sentences.append(
            "The paper's classifiers, five languages and 700 images of each, have "
            + ", ".join(f"{percent(share)} of 100 for {name}" for name, share in LANGUAGE.items())
            + " (chance 20); it found high accuracy to be a failure to follow the prompt."
        )
        return Findings(
            sentences=tuple(sentences),
            tables=tuple(tables),
            charts=tuple(charts),
            notes=(*_untested(own, frame.label), *problems),
            values={
                "accuracy": {f"{one.attributor} {one.maker}": one.cell.accuracy for one in told},
                "p_adjusted": {f"{one.attributor} {one.maker}": one.adjusted for one in told},
                "governed_by": {name: one.governed_by for name, one in followed.items()},
                "prompt_share": {name: one.prompt_share.value for name, one in followed.items()},
                "content": encoder,
            },
        )

    def _diversity(self, frame: Frame) -> tuple[str, Mapping[str, ImageDiversity], list[str]]:
        """Measure whether images follow prompts; return the encoder, what was found by model, and what is missing."""
        spec = parse_attributor(frame.attributors[0])
        encoder = self.content or spec.encoder
        if self.content is None and spec.info.pixels:
            return encoder, {}, [
                f"Whether prompts are followed was not measured, as {spec.name} reads pixels: name an encoder for "
                "content (--set content=ENCODER)."
            ]  # fmt: skip
        languages, makers = frame.catalog.text(frame.label), frame.catalog.text(self.by)
        prompts = frame.catalog.text("prompt_id")
        wanted = (
            np.array([None not in row for row in zip(languages, makers, prompts, strict=True)], dtype=np.bool_)
            & frame.catalog.table["error"].is_null().to_numpy()
        )
        if not wanted.any():
            return encoder, {}, ["Whether prompts are followed was not measured: no image has a prompt_id."]
        rows = np.flatnonzero(wanted)
        features = frame.features(frame.catalog.take(rows), encoder)
        rows, X = rows[features.ok], features.X[features.ok]
        enough = {str(name) for name in np.unique(makers[rows].astype(str)) if _comparable(
            languages[rows][makers[rows] == name], prompts[rows][makers[rows] == name])}  # fmt: skip
        lacking = sorted({str(name) for name in makers[rows]} - enough)
        problems = [
            f"Whether {name} follows the prompt cannot be told: it has no two prompts in two values of {frame.label}."
            for name in lacking
        ]
        keep = np.isin(makers[rows].astype(str), sorted(enough))
        if not keep.any():
            return encoder, {}, problems
        rows, X = rows[keep], X[keep]
        try:
            found = image_diversity(X, languages[rows], prompts[rows], makers[rows], seed=frame.seed)
        except NotEnoughDataError as error:
            return encoder, {}, [*problems, f"Whether prompts are followed was not measured: {error}"]
        return encoder, {one.model: one for one in found}, problems


def _comparable(languages: np.ndarray, prompts: np.ndarray) -> bool:
    """Whether two prompts have images in two languages, without which nothing can be compared."""
    held: dict[str, set[str]] = {}
    for language, prompt in zip(languages, prompts, strict=True):
        held.setdefault(str(prompt), set()).add(str(language))
    return sum(len(some) > 1 for some in held.values()) >= 2


def _told(cells: list[Cell], attributor: str, seed: int) -> list[_Told]:
    """Test the first repetition of each model by permutation within prompts, and adjust for the number of models."""
    own = [cell for cell in cells if cell.at["attributor"] == attributor]
    tests = []
    for cell in own:
        table = next(draw for draw in cell.draws if draw.known.any())
        known = table.known
        answers = np.array([*table.classes, ""])[table.top[known]]  # -1, where there is no answer, is no language
        tests.append(permutation_accuracy(table.label[known].astype(str), answers, table.group[known], seed=seed))
    tested = {i: test.p for i, test in enumerate(tests) if test.p is not None}
    adjusted = dict(zip(tested, benjamini_hochberg(list(tested.values())).tolist(), strict=True))
    return [_Told(cell, test, adjusted.get(i)) for i, (cell, test) in enumerate(zip(own, tests, strict=True))]


# -- in words ----------------------------------------------------------------------------------------------------------


def _answer(told: list[_Told], label: str) -> list[str]:
    tested = [one for one in told if one.adjusted is not None]
    if not tested:
        return [f"Whether images give the {label} away could not be tested."]
    away = sorted((one for one in tested if one.gives_away), key=lambda one: -(one.cell.accuracy or 0.0))
    silent = [one for one in tested if not one.gives_away]
    chance = percent(tested[0].cell.measures["chance"])
    lines = []
    if away:
        named = "; ".join(f"{one.maker} {percent(one.cell.accuracy)} of 100 ({interval(one.cell)})" for one in away)
        lines.append(
            f"{len(away)} of {len(tested)} models give the {label} of the prompt away: {named}; chance {chance}, and "
            f"all adjusted p at most {max(one.adjusted or 0.0 for one in away):.2g}."
        )
    else:
        lines.append(f"None of {len(tested)} models is seen to give the {label} of the prompt away.")
    if silent:
        named = "; ".join(
            f"{one.maker} {percent(one.cell.accuracy)} ({interval(one.cell)}; p {one.adjusted:.2g})" for one in silent
        )
        lines.append(f"Not told from chance ({chance}): {named}.")
    return lines


def _why(told: list[_Told], followed: Mapping[str, ImageDiversity], label: str, encoder: str) -> list[str]:
    """For each model that gives the language away, say whether it follows the prompt."""
    lines = []
    for one in told:
        found = followed.get(one.maker)
        if found is None or not one.gives_away:
            continue
        shares = f"{_estimate(found.prompt_share)} of 100, and the {label} {_estimate(found.language_share)}"
        said = {
            "prompt": "its images still follow the prompt",
            "language": f"its images follow the {label} rather than the prompt, which is a failure",
            "undecided": f"whether its images follow the prompt or the {label} is undecided",
        }[found.governed_by]
        line = f"{one.maker} gives it away, and {said}. Of the differences between them, as {encoder} sees them, the "
        line += f"prompt explains {shares}"
        ignored = [own.language for own in found.languages if _nothing(own.prompt_share)]
        if ignored and found.governed_by != "language":
            line += f"; in {', '.join(ignored)} the prompt is not seen to explain anything"
        lines.append(f"{line}.")
    blind = [one.maker for one in told if not one.gives_away and _ignores(followed.get(one.maker))]
    if blind:
        lines.append(
            f"{', '.join(blind)} {'does' if len(blind) == 1 else 'do'} not give the {label} away, but the prompt is "
            f"not seen to explain anything of the images either, as {encoder} sees them."
        )
    return lines


def _estimate(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return percent(found.value)
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _nothing(share: Estimate) -> bool:
    return share.low is not None and share.low <= 0.0


def _ignores(found: ImageDiversity | None) -> bool:
    return found is not None and _nothing(found.prompt_share)


def _ranks(both: list[tuple[_Told, ImageDiversity]]) -> list[str]:
    """Say whether models that give the language away more follow the prompt less."""
    pairs = [(one.cell.accuracy, found.prompt_share.value) for one, found in both]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(known) < _ENOUGH_FOR_RANKS:
        return []
    from scipy.stats import spearmanr

    accuracy, share = zip(*known, strict=True)
    if len(set(accuracy)) < 2 or len(set(share)) < 2:
        return []
    rho = float(spearmanr(accuracy, share).statistic)
    return [
        f"Over {len(known)} models, the rank correlation of this accuracy and of what the prompt explains is "
        f"{rho:.2f}; below zero, models that give more away follow the prompt less."
    ]


def _untested(told: list[_Told], label: str) -> list[str]:
    names = [one.maker for one in told if one.test.p is None]
    if not names:
        return []
    return [
        f"No prompt of {', '.join(names)} is there in two values of {label}, so that the accuracy was not tested: give "
        "a prompt the same prompt_id in all of them."
    ]


# -- tables and figures ------------------------------------------------------------------------------------------------


def _table(told: list[_Told], label: str) -> Table:
    return Table(
        "accuracy",
        f"Telling the {label} of the prompt by the images of each model",
        (
            Column("attributor", "attributor"),
            Column("made_by", "images of"),
            Column("p", "p", "p"),
            Column("p_adjusted", "adjusted p", "p"),
            Column("null_mean", "if labels said nothing", "share"),
            *MEASURED,
        ),
        tuple(
            (one.attributor, one.maker, one.test.p, one.adjusted, one.test.null_mean, *row_of(one.cell)) for one in told
        ),
        "The p-values are of the first repetition: labels are permuted among the images of each prompt, 9,999 times. "
        "They are adjusted for the number of models after Benjamini and Hochberg. Intervals by bootstrap over prompts.",
    )


def _followed_table(followed: Mapping[str, ImageDiversity], encoder: str) -> Table:
    def three(found: Estimate) -> tuple[Value, ...]:
        return found.value, found.low, found.high

    return Table(
        "followed",
        f"What images follow, as {encoder} sees them",
        (
            Column("made_by", "images of"),
            Column("governed_by", "governed by"),
            Column("prompt_share", "prompt explains", "difference"),
            Column("prompt_low", "95% from", "difference"),
            Column("prompt_high", "to", "difference"),
            Column("language_share", "language explains", "difference"),
            Column("language_low", "95% from", "difference"),
            Column("language_high", "to", "difference"),
            Column("diversity", "diversity within a language", "number"),
            Column("n_prompts", "prompts", "count"),
            Column("n", "n", "count"),
        ),
        tuple(
            (
                name,
                one.governed_by,
                *three(one.prompt_share),
                *three(one.language_share),
                one.diversity.value,
                one.n_prompts,
                one.n,
            )
            for name, one in followed.items()
        ),
        "Shares of the differences between images that are gone when the prompt, or the language, is the same, out of "
        "100; a little below zero by chance. Diversity: 1 is the mean difference between any two of all images. "
        "Intervals by bootstrap over prompts.",
    )


def _by_language(followed: Mapping[str, ImageDiversity], label: str) -> Table:
    return Table(
        "by-language",
        f"Each {label} of each model",
        (
            Column("made_by", "images of"),
            Column("language", label),
            Column("diversity", "diversity", "number"),
            Column("relative", "beside other languages", "number"),
            Column("prompt_share", "prompt explains", "difference"),
            Column("prompt_low", "95% from", "difference"),
            Column("prompt_high", "to", "difference"),
            Column("n", "n", "count"),
        ),
        tuple(
            (
                name,
                own.language,
                own.diversity.value,
                own.relative.value,
                own.prompt_share.value,
                own.prompt_share.low,
                own.prompt_share.high,
                own.n,
            )
            for name, one in followed.items()
            for own in one.languages
        ),
        "Beside other languages: 1 is as various as between this language and others, and less is more alike. The "
        "prompt explains nothing in a language that the model does not understand.",
    )


def _bars(told: list[_Told], frame: Frame) -> BarChart:
    bars = [Bar(one.maker, one.cell.accuracy, *one.cell.interval) for one in told]
    bars += [Bar(f"{name}, five languages", share, paper=True) for name, share in LANGUAGE.items()]
    return BarChart(
        "accuracy",
        f"Right {frame.label} of the prompt by the images of each model, {frame.attributors[0]}",
        f"right {frame.label}",
        tuple(bars),
        (Level("chance", told[0].cell.measures["chance"] or 0.0),),
    )


def _scatter(both: list[tuple[_Told, ImageDiversity]], label: str) -> ScatterChart:
    return ScatterChart(
        "followed",
        f"Models that give the {label} away, and what the prompt explains",
        f"right {label}, share",
        "share of the differences that the prompt explains",
        tuple(
            (one.maker, float(one.cell.accuracy or 0.0), float(found.prompt_share.value))
            for one, found in both
            if found.prompt_share.value is not None
        ),
    )
