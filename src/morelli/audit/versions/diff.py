"""What sets two bundles apart: candidates, data, recipe, weights, calibration, and accuracy on common images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from morelli.attributors import Bundle
from morelli.audit.versions.common import CommonTest

__all__ = ["BundleDiff", "ClassChange", "diff_bundles"]

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A candidate in two bundles.

    Attributes
    ----------
    name : str
    what : {"added", "removed", "changed", "same"}
        Added: only the second has it. Changed: number of references, versions or lineage are not the same. Which
        images are whose a bundle does not tell.
    images : tuple of (int or None)
        References in the first and in the second.
    versions : tuple of mapping of str to int
        How many references are of each version.
    lineages : tuple of (str or None)
    """

    name: str
    what: str
    images: tuple[int | None, int | None]
    versions: tuple[dict[str, int], dict[str, int]]
    lineages: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class BundleDiff:
    """Two bundles side by side.

    Attributes
    ----------
    facts : mapping of str to (value, value)
        Single facts of both, by what they are called; see `diff_bundles`.
    classes : tuple of ClassChange
        By name.
    weights : mapping of str to (float or None, float or None)
        Share of each family in the fusion of the first view; None where a bundle has no such family.
    views : mapping of str to (float or None, float or None)
        Out-of-fold accuracy in each view.
    images, prompts : tuple of int
        References (and prompts) that both have seen, only the first, only the second.
    common : CommonTest or None
    """

    facts: dict[str, tuple[Value, Value]]
    classes: tuple[ClassChange, ...]
    weights: dict[str, tuple[float | None, float | None]]
    views: dict[str, tuple[float | None, float | None]]
    images: tuple[int, int, int]
    prompts: tuple[int, int, int]
    common: CommonTest | None = None

    @property
    def same(self) -> bool:
        """Whether the two are one bundle, to the last bit."""
        return self.facts["id"][0] == self.facts["id"][1]

    def changed(self, what: str) -> tuple[str, ...]:
        """Return the names of classes that are ``added``, ``removed``, ``changed`` or the ``same``."""
        return tuple(one.name for one in self.classes if one.what == what)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "same": self.same,
            "facts": {name: list(values) for name, values in self.facts.items()},
            "classes": [asdict(one) for one in self.classes],
            "weights": {name: list(values) for name, values in self.weights.items()},
            "views": {name: list(values) for name, values in self.views.items()},
            "images": dict(zip(("both", "only_first", "only_second"), self.images, strict=True)),
            "prompts": dict(zip(("both", "only_first", "only_second"), self.prompts, strict=True)),
            "common": None if self.common is None else self.common.to_dict(),
        }


def diff_bundles(first: Bundle, second: Bundle, common: CommonTest | None = None) -> BundleDiff:
    """Compare two bundles.

    Parameters
    ----------
    first, second : Bundle
        The earlier and the later one, say.
    common : CommonTest, optional
        As :func:`~morelli.audit.versions.common.compare_on` gives it.

    Returns
    -------
    BundleDiff
        Its facts are ``id``, ``name``, ``version``, ``label``, ``made_with``, ``encoder``, ``recipe``, ``data`` (a hash
        of the references), ``candidates``, ``references``, ``prompts``, ``folds``, ``accuracy`` and ``log_loss`` (out
        of fold), ``temperature``, ``doubt``, ``set_method``, ``set_level``, ``set_threshold``, ``open_set_level`` and
        ``dependence`` (of images of one model).
    """
    mine, other = _facts(first), _facts(second)
    names = sorted({*first.classes, *second.classes})
    return BundleDiff(
        facts={name: (mine[name], other[name]) for name in mine},
        classes=tuple(_change(name, first, second) for name in names),
        weights=_side_by_side(_shares(first), _shares(second)),
        views=_side_by_side(
            *({v: e.training_.accuracy for v, e in b.attributor.experts_.items()} for b in (first, second))
        ),
        images=_overlap(first.references.image_ids, second.references.image_ids),
        prompts=_overlap(first.references.prompt_hashes, second.references.prompt_hashes),
        common=common,
    )


def _facts(bundle: Bundle) -> dict[str, Value]:
    home = bundle.attributor.home
    calibrator, conformal, training = home.calibration_.calibrator, home.conformal_, home.training_
    threshold = conformal.threshold
    return {
        "id": bundle.id,
        "name": bundle.name,
        "version": bundle.version,
        "label": bundle.label,
        "made_with": bundle.made_with,
        "encoder": bundle.encoder.name,
        "recipe": bundle.encoder.recipe_hash,
        "data": bundle.references.fingerprint,
        "candidates": len(bundle.classes),
        "references": len(bundle.references.image_ids),
        "prompts": len(bundle.references.prompt_hashes),
        "folds": training.n_folds,
        "accuracy": training.accuracy,
        "log_loss": training.log_loss,
        "temperature": float(calibrator.temperature),
        "doubt": float(calibrator.doubt),
        "set_method": conformal.method,
        "set_level": conformal.level,
        "set_threshold": threshold if threshold < float("inf") else None,
        "open_set_level": bundle.open_set_level,
        "dependence": None if home.pooling_ is None else home.pooling_.dependence,
    }


def _change(name: str, first: Bundle, second: Bundle) -> ClassChange:
    inside = [name in bundle.classes for bundle in (first, second)]
    images, versions, lineages = [], [], []
    for bundle, there in zip((first, second), inside, strict=True):
        images.append(bundle.attributor.training_.n_images[name] if there else None)
        versions.append(dict(bundle.versions_of(name)) if there else {})
        lineages.append(bundle.lineages[bundle.classes.index(name)] if there else None)
    what = "same" if images[0] == images[1] and versions[0] == versions[1] and lineages[0] == lineages[1] else "changed"
    if not all(inside):
        what = "removed" if inside[0] else "added"
    return ClassChange(name, what, (images[0], images[1]), (versions[0], versions[1]), (lineages[0], lineages[1]))


def _shares(bundle: Bundle) -> dict[str, float]:
    """Return the weight of each family as a share, since the sum of weights goes with the temperature."""
    weights = bundle.attributor.weights_
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in weights.items()}


def _side_by_side(mine: dict[str, float], other: dict[str, float]) -> dict[str, tuple[float | None, float | None]]:
    return {name: (mine.get(name), other.get(name)) for name in dict.fromkeys([*mine, *other])}


def _overlap(mine: frozenset[str], other: frozenset[str]) -> tuple[int, int, int]:
    return len(mine & other), len(mine - other), len(other - mine)
