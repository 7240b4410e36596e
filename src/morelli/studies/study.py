"""What a study is: settings, a list of trials, and what to make of their results. Registered by name."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from morelli._plugins import load_plugins
from morelli.catalog import Catalog
from morelli.errors import MorelliError
from morelli.studies.findings import Findings
from morelli.trials.cells import Results
from morelli.trials.trial import Fold, Trial

if TYPE_CHECKING:
    from morelli.encoders import Features
    from morelli.trials.plan import Planned

__all__ = ["Frame", "Setting", "Study", "get_study", "list_studies", "make_study", "register_study", "settings_of"]


@dataclass(frozen=True, eq=False)
class Frame:
    """What all trials of a study have in common.

    Attributes
    ----------
    catalog : Catalog
        All images, of which trials select.
    attributors : tuple of str
        The first is the one that answers are given for; the others stand beside it.
    label : str
        Column to be told.
    seeds : tuple of int
        Repetitions: each has its own folds, draws of references and estimators.
    folds : int
        Parts that hold out whole prompts.
    level : float
        Coverage of conformal sets.
    measure : callable, optional
        ``measure(catalog, encoder)`` gives features of images, for what is computed beside trials; set by
        :func:`morelli.studies.run_study`, which takes them from the cache.
    """

    catalog: Catalog
    attributors: tuple[str, ...]
    label: str = "model"
    seeds: tuple[int, ...] = (0,)
    folds: int = 5
    level: float = 0.9
    measure: Callable[[Catalog, str], Features] | None = None

    def features(self, catalog: Catalog, encoder: str) -> Features:
        """Return the features of images by an encoder, one row each, errors included.

        Raises
        ------
        MorelliError
            The frame was not made by a running study.
        """
        if self.measure is None:
            raise MorelliError("There is nothing to measure images with outside a running study.")
        return self.measure(catalog, encoder)

    @property
    def seed(self) -> int:
        """The first seed, which everything random beside the trials uses."""
        return self.seeds[0]

    @property
    def classes(self) -> list[str]:
        """The values of the label column, sorted."""
        return [str(value) for value in self.catalog.codes(self.label)[1]]

    def values(self, column: str) -> list[str]:
        """Return the values of a column that labelled images have, sorted.

        Raises
        ------
        MorelliError
            The column does not exist, or is empty; the sentence says what it is for.
        """
        labelled = self.catalog.codes(self.label)[0] >= 0
        codes, values = self.catalog.codes(column)
        found = np.unique(codes[labelled & (codes >= 0)])
        if not len(found):
            raise MorelliError(
                f'The column "{column}" is empty, and this study selects by it. Give it values in the table that the '
                "catalog is built from."
            )
        return [str(values[code]) for code in found]

    def cross_validated(self, cell: Mapping[str, Any], **settings: Any) -> list[Trial]:
        """Return the trials of one cell: every seed, every fold.

        Parameters
        ----------
        cell : mapping
            Coordinates.
        **settings
            As for :class:`~morelli.trials.trial.Trial`.
        """
        return [
            self.trial(cell, seed=seed, fold=Fold(number, self.folds), **settings)
            for seed in self.seeds
            for number in range(self.folds)
        ]

    def trial(self, cell: Mapping[str, Any], **settings: Any) -> Trial:
        """Return one trial with the label and the level of this frame."""
        return Trial(cell, **{"label": self.label, "level": self.level, **settings})


class Study(ABC):
    """A question, the trials that answer it, and what to make of their results.

    Subclasses are frozen dataclasses; their fields are the study's settings, each with a default and, in its metadata,
    a `help` sentence, see `Setting`. They are registered by `register_study`.

    Attributes
    ----------
    name, title, question, paper : str
        Set by `register_study`.
    attributors : tuple of str
        What is compared unless other attributors are asked for.
    label : str
        Column that is told unless another is asked for.
    example : str
        Options for an example in the help page.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    question: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    attributors: ClassVar[tuple[str, ...]] = ("fused",)
    label: ClassVar[str] = "model"
    example: ClassVar[str] = ""

    @classmethod
    def examples(cls) -> list[str]:
        """Return commands to be copied, for the help page."""
        plain = f"morelli study {cls.name} images.parquet -o {cls.name}/"
        return [plain, f"{plain} {cls.example or '--seeds 3'}", f"{plain} --dry-run"]

    @abstractmethod
    def trials(self, frame: Frame) -> list[Trial]:
        """Return the trials. Coordinates of cells are what `find` looks results up by.

        Raises
        ------
        MorelliError
            The catalog cannot answer the question; the sentence says what it lacks.
        """

    def forecast(self, frame: Frame, todo: Sequence[Planned]) -> list[str]:
        """Say what the trials that are still to be done will take beside time; sentences for a dry run."""
        return []

    @abstractmethod
    def find(self, frame: Frame, results: Results) -> Findings:
        """Return what the results say. Cells may lack predictions, and then what depends on them is left out."""


def Setting(default: Any, help: str) -> Any:
    """Return a field of a study: a default, and a sentence that says what it is."""
    return dataclasses.field(default=default, metadata={"help": help})


_STUDIES: dict[str, type[Study]] = {}
_COMMANDS = ("run", "list")
"""What ``morelli study`` has beside the studies."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_Class = TypeVar("_Class", bound=type[Study])


def register_study(name: str, *, title: str, question: str, paper: str = "") -> Callable[[_Class], _Class]:
    """Register the decorated class as a study.

    Parameters
    ----------
    name : str
        Lower-case words joined by hyphens.
    title : str
        A few words.
    question : str
        What it answers, as a question.
    paper : str
        The experiment that it follows, if there is one.

    Raises
    ------
    ValueError
        The name is taken, or is no such words.
    """

    def register(study: _Class) -> _Class:
        if name in _STUDIES or name in _COMMANDS:
            raise ValueError(f"there is already a study called {name}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"the name of a study is lower-case words joined by hyphens: {name!r}")
        study.name, study.title, study.question, study.paper = name, title, question, paper
        _STUDIES[name] = study
        return study

    return register


def list_studies() -> list[type[Study]]:
    """Return all registered studies, in the order of their registration."""
    _load()
    return list(_STUDIES.values())


def get_study(name: str) -> type[Study]:
    """Return the study called `name`.

    Raises
    ------
    MorelliError
        There is none of this name.
    """
    _load()
    if name not in _STUDIES:
        raise MorelliError(f"No study is called {name!r}; there are: {', '.join(_STUDIES)}.")
    return _STUDIES[name]


def settings_of(study: type[Study]) -> list[dataclasses.Field[Any]]:
    """Return the settings of a study."""
    return list(dataclasses.fields(study))  # type: ignore[arg-type]


def make_study(name: str, settings: Mapping[str, Any] | None = None) -> Study:
    """Return a study with settings, which may be text, as from a command line.

    Raises
    ------
    MorelliError
        There is no such study or setting, or a value does not fit.
    """
    study = get_study(name)
    types_of = typing.get_type_hints(study)
    known = {field.name: types_of[field.name] for field in settings_of(study)}
    values = {}
    for setting, value in (settings or {}).items():
        if setting not in known:
            there = ", ".join(known) or "none"
            raise MorelliError(f'The study {name} has no setting "{setting}"; there are: {there}.')
        try:
            values[setting] = _fitting(value, known[setting])
        except (ValueError, TypeError, OverflowError):
            raise MorelliError(f"The setting {setting} is {_kind(known[setting])}, not {value!r}.") from None
    return study(**values)


def _load() -> None:
    import morelli.studies.all  # noqa: F401  (they register themselves)

    load_plugins()


def _fitting(value: Any, kind: Any) -> Any:
    """Return `value` as `kind`, or raise ValueError; text is read, other values have to fit."""
    if isinstance(kind, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        return _fitting(value, next(part for part in typing.get_args(kind) if part is not type(None)))
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if isinstance(value, str):
            value = _listed(value)
        if not isinstance(value, Sequence):
            raise ValueError(value)
        return tuple(_fitting(part, item) for part in value)
    if kind is bool:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ValueError(value)
        return value
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise ValueError(value)
    if kind is str and not isinstance(value, str):
        raise ValueError(value)
    return kind(value)


def _listed(text: str) -> list[str]:
    """Split text at commas, but for those inside a view: jpeg:85,4:4:4 is one."""
    parts: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if parts and ":" in parts[-1] and part[:1].isdigit():
            parts[-1] += f",{part}"
        elif part:
            parts.append(part)
    return parts


def _kind(kind: Any) -> str:
    """Say in words what a value has to be."""
    if isinstance(kind, types.UnionType):
        return _kind(next(part for part in typing.get_args(kind) if part is not type(None))) + ", or none"
    if typing.get_origin(kind) is tuple:
        return "a list of " + {int: "whole numbers", float: "numbers"}.get(typing.get_args(kind)[0], "words")
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a word")
