"""The registry of attributors: what can be fitted to references, by name, and what each reads.

An attributor is written ``name`` or ``name@encoder``, as in ``logistic`` or ``centroid@dzanic-spectrum``. Without an
encoder it reads the one that it is registered with; several encoders are joined by ``+``.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli._plugins import load_plugins
from morelli.attributors.answers import Answers, Training
from morelli.attributors.background import Background
from morelli.attributors.honest import OutOfFold
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import Features, join_encoders
from morelli.encoders.pictures import PICTURE_PREFIXES
from morelli.errors import MorelliError
from morelli.views import parse_view

__all__ = [
    "DEFAULT_ATTRIBUTOR",
    "Asking",
    "Attributor",
    "AttributorInfo",
    "AttributorSpec",
    "Prompts",
    "fit_registered",
    "get_attributor_info",
    "install_attributors",
    "list_attributors",
    "parse_attributor",
    "register_attributor",
]

DEFAULT_ATTRIBUTOR = "fused"

Blocks = Mapping[str, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """For which prompt each image was made.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        The same number for the same prompt, in references and in images that are judged alike.
    texts : ndarray of object, shape (n,)
        What it says; None where that is not known.
    """

    ids: NDArray[np.int64]
    texts: NDArray[np.object_]

    def take(self, index: ArrayLike) -> Prompts:
        """Return those of the rows at `index`."""
        at = np.asarray(index)
        return Prompts(self.ids[at], self.texts[at])

    def told(self) -> dict[str, NDArray[Any]]:
        """Return them as arguments of ``fit`` and ``answer``."""
        return {"prompts": self.ids, "texts": self.texts}


class Attributor(Protocol):
    """What the engine asks of a fitted attributor; see :class:`~morelli.attributors.FusedAttributor`."""

    @property
    def classes_(self) -> NDArray[Any]:
        """The candidates, sorted."""
        ...

    @property
    def training_(self) -> Training:
        """Facts about the fit."""
        ...

    @property
    def weights_(self) -> dict[str, float]:
        """Its families, and how much they weigh."""
        ...

    @property
    def answer(self) -> Callable[..., Answers]:
        """Judges images, shape (n, d); where the attributor is told prompts, with `prompts` and `texts`."""
        ...

    def without(self, answers: Answers, family: str) -> NDArray[np.float64]:
        """Return the probabilities without one family, shape (n, K)."""
        ...


class Asking(Attributor, Protocol):
    """An attributor that asks, and keeps account of it."""

    spent_: Mapping[str, float]
    """What the answers of the last call of `answer` took, whenever they were asked for: requests, tokens, images."""


class Make(Protocol):
    """What makes an estimator that is not fitted yet."""

    def __call__(self, blocks: Blocks, *, seed: int, level: float, **options: Any) -> Any:
        """Return it; `blocks` are the encoder's, `level` is the coverage of conformal sets."""
        ...


def _all_settings(options: Mapping[str, Any]) -> Hashable:
    return json.dumps(dict(options), sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class AttributorInfo:
    """One way to learn from references.

    Attributes
    ----------
    name : str
        A colon sets a variant off, as in ``convnext-tiny:small``.
    summary : str
        One sentence for people.
    source : str
        Paper that it comes from.
    encoder : str
        Name of the encoder that it reads unless another is asked for.
    make : callable
        ``make(blocks, *, seed, level, **options)`` gives the estimator. It raises MissingExtraError where something
        that it needs is not installed.
    n_folds : int or None
        Folds of :class:`~morelli.attributors.OutOfFold`, which makes an attributor of it. None: it is one by itself.
    within : bool
        Whether its ``fit`` takes the spread within images, `within` and `n_contrasts`.
    views : bool
        Whether its ``fit`` takes the view of each row, `views`, and which rows show one image, `images`.
    background : bool
        Whether its ``fit`` takes images by models that are no candidates, `background`.
    prompts : bool
        Whether it is told the prompt of each row, ``prompts`` (numbers), and what it says, ``texts`` (None where that
        is not known), and is given references of the prompts at hand, see
        :class:`morelli.attributors.prompts.PromptAttributor`.
    pixels : bool
        Whether it reads thumbnails or native patches, and nothing else.
    asks : bool
        Whether it asks a model or a service about every image. Its trials run one after the other in the calling
        process, which has many questions under way at once and counts them.
    deciding : callable
        ``deciding(options)`` returns what of its settings decides the answers, JSON-ready: results are kept under that,
        so that what a price is, or how long to wait, makes no result stale.
    whom : callable
        ``whom(options)`` returns who is asked, hashable: once that says that no more can be asked (EndpointError), no
        other trial of the run asks it. By default it is all settings.
    """

    name: str
    summary: str
    source: str
    encoder: str
    make: Make
    n_folds: int | None
    within: bool
    views: bool
    background: bool
    pixels: bool
    prompts: bool = False
    asks: bool = False
    deciding: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    whom: Callable[[Mapping[str, Any]], Hashable] = _all_settings

    def build(self, blocks: Blocks, *, seed: int = 0, level: float = 0.9, **options: Any) -> Any:
        """Return an attributor that is not fitted yet; parameters as for `make`."""
        estimator = self.make(blocks, seed=seed, level=level, **options)
        if self.n_folds is None:
            return estimator
        return OutOfFold(estimator, n_folds=self.n_folds, level=level, random_state=seed)


@dataclass(frozen=True, slots=True)
class AttributorSpec:
    """An attributor and the encoder that it shall read.

    Attributes
    ----------
    info : AttributorInfo
    encoder : str
        Name of a registered encoder, or of several, joined by ``+``.
    """

    info: AttributorInfo
    encoder: str

    @property
    def name(self) -> str:
        """How it is written: with its encoder, unless that is the default."""
        return self.info.name if self.encoder == self.info.encoder else f"{self.info.name}@{self.encoder}"


_ATTRIBUTORS: dict[str, AttributorInfo] = {}


def register_attributor(
    name: str,
    *,
    summary: str,
    source: str,
    encoder: str,
    n_folds: int | None = 5,
    within: bool = False,
    views: bool = False,
    background: bool = False,
    pixels: bool = False,
    prompts: bool = False,
    asks: bool = False,
    deciding: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    whom: Callable[[Mapping[str, Any]], Hashable] = _all_settings,
) -> Callable[[Make], Make]:
    """Register the decorated function, which makes an estimator; parameters as in `AttributorInfo`.

    Raises
    ------
    ValueError
        The name is taken, or holds a character that the grammar needs.
    """

    def decorate(make: Make) -> Make:
        if name in _ATTRIBUTORS:
            raise ValueError(f"an attributor named {name!r} is already registered")
        if not name or set(name) & set("@, "):
            raise ValueError(f"the name of an attributor holds neither @ nor comma nor space: {name!r}")
        _ATTRIBUTORS[name] = AttributorInfo(
            name,
            summary,
            source,
            encoder,
            make,
            n_folds,
            within,
            views,
            background,
            pixels,
            prompts,
            asks,
            deciding,
            whom,
        )
        return make

    return decorate


def list_attributors() -> list[AttributorInfo]:
    """Return all registered attributors, the default first and the rest in the order of their registration."""
    _load_rivals()
    return list(_ATTRIBUTORS.values())


def get_attributor_info(name: str) -> AttributorInfo:
    """Return the attributor called `name`.

    Raises
    ------
    MorelliError
        There is none of this name.
    """
    _load_rivals()
    try:
        return _ATTRIBUTORS[name]
    except KeyError:
        raise MorelliError(f"No attributor is called {name!r}; there are: {', '.join(_ATTRIBUTORS)}.") from None


def parse_attributor(text: str) -> AttributorSpec:
    """Read ``name`` or ``name@encoder``.

    Raises
    ------
    MorelliError
        There is no such attributor or encoder, or the two do not fit.

    Examples
    --------
    >>> parse_attributor("logistic").encoder
    'forensic'
    >>> parse_attributor("centroid@dzanic-spectrum").name
    'centroid@dzanic-spectrum'
    """
    name, at, encoder = text.strip().partition("@")
    info = get_attributor_info(name)
    spec = AttributorSpec(info, encoder if at else info.encoder)
    join_encoders(spec.encoder)
    parts = [part.strip() for part in spec.encoder.split("+")]
    if any(part.startswith(PICTURE_PREFIXES) for part in parts) != info.pixels or (info.pixels and len(parts) > 1):
        reads = "one encoder of pictures only" if info.pixels else "vectors, and pictures are packed pixels"
        raise MorelliError(f"{spec.name}: {name} reads {reads}; its own encoder is {info.encoder}.")
    return spec


def fit_registered(
    info: AttributorInfo,
    references: Catalog,
    features: Features | Sequence[Features],
    *,
    label: str = "model",
    level: float = 0.9,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    background: tuple[Catalog, Sequence[Features]] | None = None,
    prompts: Prompts | None = None,
) -> Attributor:
    """Fit an attributor to measured references, grouped by prompt and near-duplicates.

    Parameters
    ----------
    info : AttributorInfo
    references : Catalog
    features : Features or sequence of Features
        Of the same rows, all of them without error; several are of several views. An attributor that tells views apart
        is told which is which, any other learns from all of them as a mixture.
    label : str, default "model"
    level : float, default 0.9
        Coverage of the conformal sets.
    seed : int, default 0
    options : mapping, optional
        Settings of the estimator.
    background : tuple of Catalog and sequence of Features, optional
        Images by models that are no candidates, and their features in each view.
    prompts : Prompts, optional
        Of the references; attributors that are told prompts need them.

    Raises
    ------
    MorelliError
        There is a background, and this attributor has no use for one, or it has to be told prompts, and is not.
    """
    tables = [features] if isinstance(features, Features) else list(features)
    n, m = len(references), len(tables)
    groups = group_catalog(references)
    ids = groups.ids
    attributor = info.build(dict(tables[0].blocks), seed=seed, level=level, **(options or {}))
    more: dict[str, Any] = {}
    if info.within:
        more["within"] = np.concatenate([table.within for table in tables])
        more["n_contrasts"] = np.concatenate([table.n_contrasts for table in tables])
    if info.views:
        conditions = [parse_view(table.view).condition for table in tables]
        more["views"] = np.repeat(np.array(conditions, dtype=object), n)
        more["images"] = np.tile(np.arange(n), m)
    if info.prompts:
        if prompts is None:
            raise MorelliError(
                f"{info.name} has to be told the prompt of every image; it serves morelli leaderboard attack."
            )
        more |= {name: np.tile(values, m) for name, values in prompts.told().items()}
    if background is not None:
        if not info.background:
            raise MorelliError(
                f"{info.name} learns nothing from a background; leave it out, or take {DEFAULT_ATTRIBUTOR}."
            )
        # Prompts of background and references have to be numbered together.
        ids = group_catalog(Catalog.concat([references, background[0]])).ids
        more["background"] = _background(background[0], background[1], label, ids[n:])
        ids = ids[:n]
    # With no prompt known at all, groups are near-duplicate clusters: worth keeping together, but no proof of anything.
    attributor.fit(
        np.concatenate([table.X for table in tables]),
        np.tile(references.text(label).astype(str), m),
        np.tile(ids, m),
        **more,
    )
    # Who is told prompts has facts about the fit only when references are given, and knows which prompts are apart.
    if not groups.leak_free and not info.prompts:
        attributor.training_ = attributor.training_.leaking(groups.note)
    fitted: Attributor = attributor
    return fitted


def _background(images: Catalog, tables: Sequence[Features], label: str, groups: NDArray[np.int64]) -> Background:
    m = len(tables)
    return Background(
        np.concatenate([table.X for table in tables]),
        np.tile(images.text(label).astype(str), m),
        np.tile(groups, m),
        np.concatenate([table.within for table in tables]),
        np.concatenate([table.n_contrasts for table in tables]),
        np.repeat(np.array([parse_view(table.view).condition for table in tables], dtype=object), len(images)),
    )


def _load_rivals() -> None:
    """Import those that register themselves; not at the head of this file, which they import."""
    importlib.import_module("morelli.attributors.rivals")
    importlib.import_module("morelli.attributors.prompts")
    importlib.import_module("morelli.attributors.pixels.registered")
    importlib.import_module("morelli.attributors.mllm")
    load_plugins()


def install_attributors(infos: Sequence[AttributorInfo]) -> None:
    """Register attributors of another process that are not known here."""
    _load_rivals()
    for info in infos:
        _ATTRIBUTORS.setdefault(info.name, info)


@register_attributor(
    DEFAULT_ATTRIBUTOR,
    summary="Discriminants of all families, fused: the default.",
    source="this project, docs/architecture.md",
    encoder="forensic",
    n_folds=None,
    within=True,
    views=True,
    background=True,
)
def _fused(blocks: Blocks, *, seed: int, level: float, **options: Any) -> ViewTrainedAttributor:
    return ViewTrainedAttributor(dict(blocks), level=level, random_state=seed, **options)
