"""All defences that were asked for, on one catalog: what `morelli leaderboard defend` does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import Attacker
from morelli.leaderboard.defence.choosing import prompt_exposure
from morelli.leaderboard.defence.container import ContainerResult, evaluate_container
from morelli.leaderboard.defence.evaluation import PURIFYING_VIEWS, Scorer, evaluate_defence
from morelli.leaderboard.defence.measuring import Measurer
from morelli.leaderboard.defence.perturbing import Perturbing, perturbation
from morelli.leaderboard.defence.registry import Defence, get_defence, list_defences
from morelli.leaderboard.defence.results import DefenceResult
from morelli.leaderboard.defence.sample import deal_images
from morelli.leaderboard.defence.section import defence_section
from morelli.leaderboard.defence.surrogates import SurrogateEncoder, check_held_out, held_out
from morelli.studies.section import Section

__all__ = ["CANDIDATES", "SPARE", "Defended", "defend"]

CANDIDATES = 3
"""Images of a model for a prompt among which a defence by choice chooses."""

SPARE = 3
"""Images of a model for a prompt by which a defence by prompts chooses; they are neither references nor judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Defended:
    """What defences are worth on a catalog.

    Attributes
    ----------
    results : tuple of DefenceResult
        In the order asked for.
    container : ContainerResult or None
        Where stripping was asked for.
    encoder : str
    references : int
    skipped : mapping of str to str
        Defences that could not be judged here, and why.
    """

    results: tuple[DefenceResult, ...]
    container: ContainerResult | None
    encoder: str
    references: int
    skipped: Mapping[str, str] = field(default_factory=dict)

    def section(self) -> Section:
        """Return what was found; see `defence_section`."""
        made = defence_section(self.results, self.container, encoder=self.encoder, references=self.references)
        left_out = tuple(f"{name} was not judged: {reason}" for name, reason in self.skipped.items())
        return replace(made, findings=replace(made.findings, notes=(*made.findings.notes, *left_out)))


def defend(
    catalog: Catalog,
    encoder: Encoder,
    *,
    defences: Sequence[str] | None = None,
    epsilons: Sequence[float] = (),
    surrogates: Sequence[SurrogateEncoder] = (),
    perturbing: Perturbing | None = None,
    white_box: bool = False,
    label: str = "model",
    prompts: int | None = 8,
    references: int = 3,
    shown: int = 1,
    draws: int = 1,
    attacker: Attacker | None = None,
    purifying: Sequence[str] = PURIFYING_VIEWS,
    exposure: Scorer = prompt_exposure,
    seed: int = 0,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Defended:
    """Judge defences by attackers who know them, and by one who does not.

    Parameters
    ----------
    catalog : Catalog
        With `label`, and ``prompt_id`` or ``prompt``.
    encoder : Encoder
        The attack's.
    defences : sequence of str, optional
        Names as :func:`get_defence` takes them; all registered ones by default.
    epsilons : sequence of float
        Bounds of perturbations to be judged too, 1 to 16 of 255; they need `surrogates`.
    surrogates : sequence of SurrogateEncoder
    perturbing : Perturbing, optional
        Settings of perturbations; their epsilon is replaced.
    white_box : bool, default False
        Allow a surrogate that is the attack's encoder. The result says so.
    label : str, default "model"
    prompts : int or None, default 8
    references, shown, draws : int
        See :func:`deal_images`. With p prompts, m models and v purifying views a defence of images takes about
        ``p * m * (references + shown) * (v + 1) * draws`` embeddings.
    attacker : Attacker, optional
        By default the nearest centroid of the paper.
    purifying : sequence of str
        Views that adaptive attackers put images through.
    exposure : callable
        Exposure of each prompt, for low-exposure; see :func:`evaluate_defence`.
    seed : int
    cache, workers, progress
        As for `Measurer`.

    Raises
    ------
    NotEnoughDataError
        No defence could be judged.
    MorelliError
        A name is unknown or given twice, perturbations lack surrogates or a surrogate is the attack's encoder, or an
        image cannot be measured.
    """
    named = [get_defence(name) for name in (_names() if defences is None else defences)]
    perturbed = _perturbations(encoder, epsilons, surrogates, perturbing or Perturbing(), white_box)
    chosen: list[tuple[Defence, dict[str, str]]] = [*((defence, {}) for defence in named), *perturbed]
    names = [defence.name for defence, _ in chosen]
    if len(set(names)) < len(names):
        raise MorelliError(f"Each defence is named once: {', '.join(names)}.")
    if not chosen:
        raise MorelliError("Name a defence, or an epsilon and a surrogate.")
    measurer = Measurer(catalog, encoder, cache=cache, workers=workers, progress=progress)
    results: list[DefenceResult] = []
    skipped: dict[str, str] = {}
    container = None
    for defence, details in chosen:
        try:
            if defence.changes == "container":
                container = _strip(catalog, label, seed, progress)
                continue
            sample = deal_images(
                catalog,
                label=label,
                prompts=prompts,
                references=references,
                shown=max(shown, CANDIDATES) if defence.changes == "choice" else shown,
                spare=SPARE if defence.changes == "prompts" else 0,
                draws=draws,
                seed=seed,
            )
            result = evaluate_defence(
                defence, sample, measurer, attacker=attacker, purifying=purifying, exposure=exposure, seed=seed
            )
            results.append(replace(result, details=details))
        except NotEnoughDataError as error:
            skipped[defence.name] = str(error)
    if not results and container is None:
        raise NotEnoughDataError(next(iter(skipped.values())))
    return Defended(tuple(results), container, encoder.name, references, skipped)


def _names() -> list[str]:
    return [defence.name for defence in list_defences()]


def _perturbations(
    encoder: Encoder,
    epsilons: Sequence[float],
    surrogates: Sequence[SurrogateEncoder],
    settings: Perturbing,
    white_box: bool,
) -> list[tuple[Defence, dict[str, str]]]:
    """Return the perturbations with what is said of each: its surrogates, and whether the attack's encoder is none."""
    if not epsilons:
        return []
    if not surrogates:
        raise MorelliError(
            "A perturbation is made against surrogate encoders: name one or more (--surrogate FOLDER), other than the "
            "attack's."
        )
    if not white_box:
        check_held_out(encoder, surrogates)
    details = {
        "surrogates": ", ".join(f"{surrogate.name} ({surrogate.fingerprint})" for surrogate in surrogates),
        "held out": held_out(encoder, surrogates),
    }
    return [(perturbation(surrogates, replace(settings, epsilon=epsilon)), details) for epsilon in epsilons]


def _strip(
    catalog: Catalog, label: str, seed: int, progress: Callable[[str, int, int], None] | None
) -> ContainerResult:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("stripping", done, total)

    with tempfile.TemporaryDirectory(prefix="morelli-stripped-") as folder:
        return evaluate_container(catalog, Path(folder), label=label, seed=seed, progress=report)
