"""The attack as a list of trials: who learns from which prompts, and how many references of the judged ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from morelli.attributors.prompts import embedding_of
from morelli.attributors.registry import DEFAULT_ATTRIBUTOR, get_attributor_info, parse_attributor
from morelli.catalog import Catalog
from morelli.encoders import join_encoders
from morelli.errors import MorelliError
from morelli.leaderboard.attack.tables import CROSS, attack_findings
from morelli.leaderboard.paper import LEADERBOARDS
from morelli.studies.findings import Findings
from morelli.studies.study import Frame, Setting, Study
from morelli.trials.cells import Results
from morelli.trials.same_prompt import SamePrompt
from morelli.trials.trial import Trial

__all__ = ["Attack", "attack_frame", "default_attackers", "reading"]

_EMBEDDING_ONLY = ("prompt-centroid:cosine", "prompt-knn", "prompt-lda", "prompt-mlp", "prompt-mlp:text")


def default_attackers(encoder: str) -> list[str]:
    """Return the attributors that are compared unless others are asked for.

    Parameters
    ----------
    encoder : str
        What those that are told prompts read.

    Returns
    -------
    list of str
        The best first, then the paper's attack and its rivals. A ResNet is among them where torch is installed.
    """
    told = ["prompt-fused", "prompt-centroid", *_EMBEDDING_ONLY]
    rivals = ["marra", "dzanic", *(["resnet50:small"] if find_spec("torch") and find_spec("transformers") else [])]
    return [*(f"{name}@{encoder}" for name in told), f"fused@{encoder}", *rivals]


def reading(names: Sequence[str], encoder: str) -> list[str]:
    """Return attributors that read `encoder`, but for those that name one or have a special one of their own.

    Parameters
    ----------
    names : sequence of str
        ``name`` or ``name@encoder``.
    encoder : str

    Raises
    ------
    MorelliError
        There is no such attributor.

    Examples
    --------
    >>> reading(["prompt-fused", "marra", "prompt-knn@forensic"], "forensic[colour]")
    ['prompt-fused@forensic[colour]', 'marra', 'prompt-knn@forensic']
    """
    general = get_attributor_info(DEFAULT_ATTRIBUTOR).encoder
    bare = [name.strip() for name in names]
    return [
        name if "@" in name or get_attributor_info(name).encoder != general else f"{name}@{encoder}" for name in bare
    ]


def attack_frame(
    catalog: Catalog, attributors: Sequence[str], *, label: str = "model", folds: int = 5, seed: int = 0
) -> Frame:
    """Return the frame of an attack.

    Raises
    ------
    MorelliError
        An attributor is unknown or named twice, a number makes no sense, or the column does not exist.
    """
    names = [parse_attributor(name).name for name in attributors]
    if not names or len(set(names)) < len(names):
        raise MorelliError(f"Name one or more different attributors, not: {', '.join(names) or 'none'}.")
    if folds < 2:
        raise MorelliError(f"Prompts are held out by two folds or more, not {folds}.")
    if seed < 0:
        raise MorelliError(f"Seeds are whole numbers from 0, not {seed}.")
    catalog.column(label)
    return Frame(catalog, tuple(names), label=label, seeds=(seed,), folds=folds)


@dataclass(frozen=True)
class Attack(Study):
    """Name the models behind images of a leaderboard, with few and many references of each prompt.

    In each fold of prompts, attributors that know references of the prompt are given some images of each model, and
    name the others; whatever they learn beside those they learn on the prompts of the other folds. Attributors that
    know nothing of the prompt learn on the other folds alone, and are judged on the images that are left by the
    smallest number of references.
    """

    name: ClassVar[str] = "attack"
    title: ClassVar[str] = "Attack"
    question: ClassVar[str] = "Which models made the images of the leaderboard?"
    paper: ClassVar[str] = LEADERBOARDS

    references: tuple[int, ...] = Setting((1, 2, 5, 10, 30), "References of each model and prompt.")
    draws: int = Setting(10, "How often references are drawn.")
    candidates: int = Setting(2, "Prompts with images of fewer models are left out.")
    short: bool = Setting(False, "Whether models with fewer images for a prompt stay candidates.")
    families: bool = Setting(True, "Whether the parts and families of features are tried by themselves too.")

    def __post_init__(self) -> None:
        if not self.references or min(self.references) < 1 or len(set(self.references)) < len(self.references):
            raise MorelliError(f"References are different numbers from 1, not {list(self.references)}.")
        if self.draws < 1:
            raise MorelliError(f"References are drawn once or more, not {self.draws} times.")
        SamePrompt(min(self.references), candidates=self.candidates)  # refuses numbers before images are measured

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, what it reads, and references."""
        found = []
        for attributor in frame.attributors:
            told = parse_attributor(attributor).info.prompts
            for reads, options in self._readings(attributor):
                for k in sorted(self.references) if told else [CROSS]:
                    for draw in range(self.draws):
                        found += frame.cross_validated(
                            {"attributor": attributor, "reads": reads, "k": k},
                            attributor=attributor,
                            options=options,
                            same_prompt=SamePrompt(
                                k if k != CROSS else min(self.references),
                                candidates=self.candidates,
                                short=self.short,
                                draw=draw,
                            ),
                        )
        return found

    def _readings(self, attributor: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what an attributor is to read, in words and as options."""
        spec = parse_attributor(attributor)
        if not spec.info.prompts:
            return [("all", {})]
        blocks = join_encoders(spec.encoder).blocks
        embedding = embedding_of(blocks)
        if spec.info.name in _EMBEDDING_ONLY:
            return [(embedding or "all", {"family": embedding} if embedding else {})]
        alone = _parts(blocks) if spec.info.name == "prompt-fused" else {name: name for name in blocks}
        if not self.families or len(alone) < 2:
            return [("all", {})]
        return [("all", {}), *((name, {"family": family}) for name, family in alone.items())]

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies by attributor and references, beside the paper's."""
        return attack_findings(frame, results)


def _parts(families: Iterable[str]) -> dict[str, str]:
    """Return the families by what measured them: those of a network bear its name before a stroke."""
    found: dict[str, list[str]] = {}
    for name in families:
        network, stroke, _ = name.partition("/")
        found.setdefault(network if stroke else "forensic", []).append(name)
    return {part: "+".join(names) for part, names in found.items()}
