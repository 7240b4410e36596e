"""Multimodal models as attributors: how many they name right, by exemplars, and what each right answer costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from morelli._text import split_words
from morelli.attributors.fused import MIN_IMAGES
from morelli.attributors.mllm.candidates import CODES
from morelli.attributors.mllm.evaluators import Evaluator, one_evaluator, read_evaluators
from morelli.attributors.mllm.local import weights_of
from morelli.attributors.mllm.settings import Endpoint, LocalModel
from morelli.attributors.registry import parse_attributor
from morelli.errors import MissingExtraError, MorelliError
from morelli.studies.findings import Findings
from morelli.studies.mllm_costs import forecast_lines
from morelli.studies.mllm_findings import find_in
from morelli.studies.paper import UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.trials.cells import Results
from morelli.trials.plan import Planned
from morelli.trials.selection import Selection
from morelli.trials.trial import Fold, Trial

__all__ = ["MultimodalModels"]


@register_study(
    "mllm",
    title="Multimodal models as attributors: accuracy by exemplars, and its price",
    question="How many images does a multimodal model name right when it is shown exemplars, and what does that cost?",
    paper=f"{UNIFIED}, multimodal models as attributors",
)
@dataclass(frozen=True)
class MultimodalModels(Study):
    """Ask multimodal models who made an image, with none, one and several exemplars of each candidate.

    Every evaluator sees the same images, and exemplars of other prompts only; fewer exemplars are a part of more.
    Beside them stand attributors that measure, on the same images, with as many references and with all. Answers are
    kept, so that asking again costs nothing; what an evaluator did not answer counts as not right.
    """

    attributors = ("fused",)
    example = "--set endpoints=endpoints.toml --set candidates=5"

    endpoints: str | None = Setting(None, "TOML or JSON file with a table of settings for each evaluator.")
    evaluator: str | None = Setting(None, "Names of those in the file that are asked, by commas; none asks all.")
    model: str | None = Setting(None, "Instead of a file: the one model that is asked, as its endpoint calls it.")
    base_url: str = Setting("", "Its endpoint; none given is $OPENAI_BASE_URL, or OpenAI's own.")
    key_variable: str = Setting(
        "", "Variable that holds its key; none given is OPENAI_API_KEY for OpenAI, else no key."
    )
    price_in: float = Setting(0.0, "Its price of a million tokens read.")
    price_out: float = Setting(0.0, "Its price of a million tokens written.")
    budget: float | None = Setting(None, "Most money that it may cost.")
    shots: tuple[int, ...] = Setting((0, 1, 5), "Numbers of exemplars of each candidate.")
    images: int = Setting(20, "Images of each candidate that are asked about, at most.")
    candidates: int | None = Setting(None, "Models that every seed draws at random; none takes all.")
    names: str | None = Setting(
        None,
        "Whether candidates are named, shown or hidden; none leaves it to the evaluators, who see names by default.",
    )

    def evaluators(self) -> list[Evaluator]:
        """Return who is asked.

        Raises
        ------
        MorelliError
            Nobody is, or a setting makes no sense.
        """
        if (self.endpoints is None) == (self.model is None):
            raise MorelliError(
                "Say who shall be asked: endpoints=FILE with a table for each evaluator, or model=NAME and "
                "base_url=URL."
            )
        if self.endpoints is not None:
            found = {who.name: who for who in read_evaluators(self.endpoints)}
            chosen = list(found) if self.evaluator is None else split_words(self.evaluator, empty=True)
            unknown = [name for name in chosen if name not in found]
            if unknown:
                raise MorelliError(
                    f'No evaluator "{unknown[0]}" is in {self.endpoints}; there are: {", ".join(found)}.'
                )
            return [found[name] for name in dict.fromkeys(chosen)]
        if self.evaluator is not None:
            raise MorelliError("The setting evaluator chooses from a file of endpoints, and none is given.")
        assert self.model is not None
        names = ("model", "base_url", "key_variable", "price_in", "price_out", "budget")
        return [one_evaluator(self.model, {name: getattr(self, name) for name in names})]

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by evaluator, exemplars, seed and fold, and those of the attributors beside them."""
        evaluators = self.evaluators()
        self._check(frame, evaluators)
        shots = sorted(set(self.shots))
        trials = [
            self._trial(frame, seed, number, {"evaluator": who.name, "shots": count}, count, who)
            for who in evaluators
            for count in shots
            for seed in frame.seeds
            for number in range(self._folds(frame))
        ]
        trials += [
            self._trial(frame, seed, number, {"evaluator": attributor, "shots": count}, count, attributor)
            for attributor in frame.attributors
            for count in (*(count for count in shots if count >= MIN_IMAGES), None)
            for seed in frame.seeds
            for number in range(self._folds(frame))
        ]
        return trials

    def _trial(
        self, frame: Frame, seed: int, number: int, cell: dict[str, Any], count: int | None, who: Evaluator | str
    ) -> Trial:
        drawn = self._drawn(frame, seed)
        # Without exemplars there still have to be references, or nobody would know who the candidates are.
        references = None if count is None else max(count, 1)
        more: dict[str, Any] = {"attributor": who}
        if isinstance(who, Evaluator):
            more = {"attributor": who.attributor, "options": self._options(who, count)}
        return frame.trial(
            cell,
            train=Selection(where=drawn, per_class=references),
            test=Selection(where=drawn, per_class=self._of_fold(frame, number)),
            seed=seed,
            fold=Fold(number, frame.folds),
            **more,
        )

    def _options(self, who: Evaluator, shots: int | None) -> dict[str, Any]:
        return who.options(shots=shots, **({} if self.names is None else {"names": self.names}))

    def _folds(self, frame: Frame) -> int:
        """Return how many folds are judged: with fewer images than folds, some have none."""
        return min(frame.folds, self.images)

    def _of_fold(self, frame: Frame, number: int) -> int:
        """Return how many images of each candidate one fold has, so that all of them together have `images`."""
        share, rest = divmod(self.images, self._folds(frame))
        return share + (number < rest)

    def _drawn(self, frame: Frame, seed: int) -> dict[str, list[str]]:
        if self.candidates is None:
            return {}
        rng = np.random.default_rng([seed, self.candidates])
        return {frame.label: sorted(str(name) for name in rng.choice(frame.classes, self.candidates, replace=False))}

    def _check(self, frame: Frame, evaluators: Sequence[Evaluator]) -> None:
        n = len(frame.classes)
        if self.candidates is not None and not 2 <= self.candidates <= n:
            raise MorelliError(f"Between 2 and {n} candidates can be drawn, not {self.candidates}.")
        if (self.candidates or n) > len(CODES):
            raise MorelliError(
                f"{n} candidates are too many to be asked about at once, {len(CODES)} are the most: set candidates."
            )
        if self.images < 1:
            raise MorelliError(f"At least one image of each candidate is asked about, not {self.images}.")
        if min(self.shots, default=-1) < 0:
            raise MorelliError(f"Numbers of exemplars are whole numbers from 0, not {list(self.shots)}.")
        asking = [name for name in frame.attributors if parse_attributor(name).info.asks]
        if asking:
            raise MorelliError(f"{', '.join(asking)} asks, and is no attributor to stand beside; name it as evaluator.")
        names = [*(who.name for who in evaluators), *frame.attributors]
        if len(set(names)) < len(names):
            raise MorelliError(f"An evaluator is named as another, or as an attributor: {', '.join(names)}.")
        for who in evaluators:
            for count in self.shots:
                self._options(who, count)  # refuses what makes no sense together
            if isinstance(who.who, LocalModel):
                _check_weights(who)
        if any(isinstance(who.who, Endpoint) for who in evaluators) and find_spec("openai") is None:
            raise MissingExtraError("Asking a service", "mllm")  # now, and not after an hour of measuring images

    def forecast(self, frame: Frame, todo: Sequence[Planned]) -> list[str]:
        """Say how many questions are asked at most, and what they may take."""
        return forecast_lines(self.evaluators(), frame, todo)

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracy, silence and price by evaluator and exemplars, and who is taken for whom."""
        return find_in(self.evaluators(), frame, results)


def _check_weights(who: Evaluator) -> None:
    """Refuse a model that is not here by the name of its evaluator, before anybody is asked."""
    assert isinstance(who.who, LocalModel)
    try:
        weights_of(who.who.model)
    except MorelliError as error:
        raise MorelliError(
            f'The evaluator "{who.name}" cannot be asked: {error} Set its model to a folder that there is, or do '
            "without it: take its table out of the file, or name the others by --set evaluator=NAMES."
        ) from error
