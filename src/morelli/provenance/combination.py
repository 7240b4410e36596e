"""What is declared about an image and what its pixels say, put together: provenance asserts, pixels measure.

Neither overrules the other. Declarations are not multiplied into probabilities, because nobody knows how often they are
forged; agreement, silence and conflict are three different findings, and a conflict is for people to look at.

A declared candidate counts as excluded by the pixels when all three hold:

* it is not in the prediction set, so that its score is worse than those of 9 in 10 references (at the level 0.9);
* its probability is below `EXCLUDED` as well (or, of few candidates, below `OF_EVEN_SHARE` of an even share), because
  one error in ten is too many where every image is asked;
* no member of the prediction set is of its lineage. Where one is, sister models were confused or swapped, and the
  outcome is ``lineage agreement``.

How often that contradicts honest declarations, and how many forged ones it finds, is measured by
``benchmarks/provenance.py``. That an image is unlike every candidate contradicts nothing that is declared: the open-set
test is weak for single images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from morelli.attributors.verdict import Verdict
from morelli.provenance.aliases import Aliases, normalise
from morelli.provenance.facts import Fact, Provenance

__all__ = [
    "EXCLUDED",
    "OF_EVEN_SHARE",
    "OUTCOMES",
    "Declaration",
    "combine",
    "declarations",
    "pixel_decision",
    "pixels_only",
]

OUTCOMES: Final[Mapping[str, str]] = {
    "agreement": "a declared generator is among the candidates that the pixels leave",
    "lineage agreement": "the declared generator's lineage is among those that the pixels leave, the generator is not",
    "unconfirmed": "the declared generator is a candidate that the pixels neither leave nor exclude for certain",
    "not testable": "what is declared is nothing that these candidates can confirm or contradict",
    "silence": "nothing declares who or what made the image; that is no evidence",
    "conflict": "what is declared contradicts itself, its own signature, or the pixels",
}
"""How what is declared and what is measured can go together."""

EXCLUDED: Final = 0.01
"""Candidates outside the prediction set are excluded below this probability, see `benchmarks/provenance.py`."""

OF_EVEN_SHARE: Final = 0.08
"""Or below this part of an even share: the doubt that few candidates share leaves each of them more than `EXCLUDED`."""

_PARTIAL = ("compositewithtrainedalgorithmicmedia", "compositesynthetic")
_NO_CAMERA = frozenset({"exif:DateTimeOriginal"})
"""Sources of captures that tools write into images that no camera took."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration of who or what made the image.

    Attributes
    ----------
    claim : str
        ``generator`` or ``capture``.
    layer, source, value : str
        As in the fact.
    model : str or None
        The candidate that it names; else the model that the alias table knows; else None.
    lineage : str or None
        Where it names no model: the lineage that it names, as a watermark of Stable Diffusion XL does.
    strength, verification : str
        As in the fact.
    part : bool
        Whether it is about a part of the image only, or about something that the image was composed from.
    """

    claim: str
    layer: str
    source: str
    value: str
    model: str | None
    lineage: str | None
    strength: str
    verification: str
    part: bool

    @property
    def origin(self) -> tuple[str, str]:
        """Who speaks: all of one layer, but each text in the metadata for itself, as tools copy and add them."""
        return (self.layer, self.source) if self.layer == "metadata" else (self.layer, "")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {name: getattr(self, name) for name in self.__slots__}


def declarations(
    provenance: Provenance, classes: Sequence[str], lineages: Mapping[str, str | None] | None = None
) -> tuple[Declaration, ...]:
    """Return the facts that say who or what made the image.

    Parameters
    ----------
    provenance : Provenance
    classes : sequence of str
        Candidates: a fact that names one of them means it, whatever the alias table says.
    lineages : mapping, optional
        As for `combine`.
    """
    candidates = Aliases().knowing(classes)
    families = {_squeezed(name): name for name in (lineages or {}).values() if name}
    made = []
    for fact in provenance.facts:
        if fact.claim not in ("generator", "capture"):
            continue
        model = candidates.resolve(fact.model) or candidates.resolve(fact.value) or fact.model
        family = families.get(_squeezed(fact.value)) if model is None and fact.claim == "generator" else None
        made.append(
            Declaration(
                claim=fact.claim,
                layer=fact.layer,
                source=fact.source,
                value=fact.value,
                model=model,
                lineage=family,
                strength=fact.strength,
                verification=fact.verification,
                part=_is_part(fact),
            )
        )
    return tuple(made)


def combine(
    verdict: Verdict,
    provenance: Provenance,
    *,
    classes: Sequence[str] | None = None,
    lineages: Mapping[str, str | None] | None = None,
    photographs: Collection[str] = (),
    excluded: float = EXCLUDED,
) -> Verdict:
    """Return the verdict with what is declared, and how that and the pixels go together.

    Parameters
    ----------
    verdict : Verdict
        By the pixels alone.
    provenance : Provenance
        Of the same file.
    classes : sequence of str, optional
        All candidates; by default those of the verdict.
    lineages : mapping, optional
        Model -> lineage, of candidates and of other models that may be declared.
    photographs : collection of str
        Candidates that stand for photographs by cameras. Without one, a declared capture cannot be tested.
    excluded : float
        Probability below which a candidate outside the prediction set counts as excluded.

    Returns
    -------
    Verdict
        `provenance` holds ``outcome`` (a key of `OUTCOMES`), ``reason`` (sentences), ``pixels`` (the decision by pixels
        alone), ``declared`` (see `Declaration`) and ``layers`` (as in `Provenance.to_dict`). The decision is
        ``conflict`` where the outcome is and the image could be judged; all other fields stay.

    Raises
    ------
    ValueError
        The provenance is that of other bytes.
    """
    if None not in (verdict.image_id, provenance.image_id) and verdict.image_id != provenance.image_id:
        raise ValueError(f"{provenance.uri}: provenance and verdict are of different files")
    pixels = pixel_decision(verdict.decision, verdict.provenance)
    names = tuple(classes) if classes is not None else tuple(candidate.model for candidate in verdict.candidates)
    declared = declarations(provenance, names, lineages)
    case = _Case(replace(verdict, decision=pixels), declared, names, lineages or {}, frozenset(photographs), excluded)
    outcome, reason = _judge(case, provenance)
    known = {
        "outcome": outcome,
        "reason": reason,
        "pixels": pixels,
        "declared": [one.to_dict() for one in declared],
        "layers": provenance.to_dict()["layers"],
    }
    decision = "conflict" if outcome == "conflict" and pixels != "unreadable" else pixels
    return replace(verdict, decision=decision, provenance=known)


def pixel_decision(decision: str, provenance: Mapping[str, Any] | None) -> str:
    """Return what the pixels alone decided.

    Parameters
    ----------
    decision : str
        Of a verdict.
    provenance : mapping or None
        Of that verdict: as `combine` makes it, or nothing.
    """
    return str((provenance or {}).get("pixels") or decision)


def pixels_only(verdict: Verdict) -> Verdict:
    """Return the verdict as it was before it was combined."""
    return replace(verdict, decision=pixel_decision(verdict.decision, verdict.provenance), provenance={})


@dataclass(frozen=True)
class _Case:
    verdict: Verdict
    declared: tuple[Declaration, ...]
    classes: tuple[str, ...]
    lineages: Mapping[str, str | None]
    photographs: frozenset[str]
    excluded: float

    def named(self, *, whole: bool) -> tuple[Declaration, ...]:
        """Return what names a generator: of the whole image, or also of parts."""
        return tuple(
            d for d in self.declared if d.claim == "generator" and (d.model or d.lineage) and not (whole and d.part)
        )

    def lineage(self, model: str | None) -> str | None:
        if model is None:
            return None
        # A candidate without a lineage stands for itself, as in `attributors.lineage`.
        return self.lineages.get(model) or (model if model in self.classes else None)

    def stands_of(self, one: Declaration) -> str:
        """Say how a declaration and the pixels go together, in the words of `OUTCOMES`."""
        if one.model is not None:
            return self.stands(one.model)
        # A lineage is there if one of its candidates is, and excluded if all of them are.
        members = [self.stands(name) for name in self.classes if self.lineage(name) == one.lineage]
        kin = ["lineage agreement" if word == "agreement" else word for word in members]
        return next((word for word in OUTCOMES if word in kin), "not testable")

    def stands(self, model: str) -> str:
        """Say how a declared model and the pixels go together."""
        if self.verdict.decision == "unreadable":
            return "not testable"
        left = self.verdict.prediction_set
        kin = self.lineage(model) is not None and self.lineage(model) in {self.lineage(name) for name in left}
        if model in left and self.verdict.decision != "unknown":
            return "agreement"
        if self.verdict.decision == "unknown" and (model in left or kin):
            return "unconfirmed" if model in self.classes else "not testable"
        if kin:
            return "lineage agreement"
        if model not in self.classes:
            return "not testable"
        limit = max(self.excluded, OF_EVEN_SHARE / len(self.classes))
        return "conflict" if self._probability(model) < limit else "unconfirmed"

    def _probability(self, model: str) -> float:
        return next((c.probability for c in self.verdict.candidates if c.model == model), 0.0)


def _judge(case: _Case, provenance: Provenance) -> tuple[str, str]:
    """Return the outcome and why, by the first of these that says something."""
    for check in (_broken_seal, _contradiction):
        if conflicts := list(check(case, provenance)):
            return "conflict", " ".join(conflicts)
    if not case.declared:
        return "silence", " ".join(("Nothing declares who or what made the image.", *_unexamined(provenance)))
    if not case.named(whole=False):
        return _unnamed(case)
    return _against_pixels(case)


def _broken_seal(case: _Case, provenance: Provenance) -> Iterator[str]:
    """Say which layer holds a signed statement about another file, or one that was altered."""
    for layer in provenance.layers:
        if layer.detail.get("asset_hash_matches") is False:
            yield f"The {layer.layer} are signed for another file than this one, or it was changed since."
        if layer.detail.get("claim_signature_valid") is False:
            yield f"The {layer.layer} are not what was signed."


def _contradiction(case: _Case, provenance: Provenance) -> Iterator[str]:
    """Say which two sources name different generators, or a generator and a camera."""
    by_origin: dict[tuple[str, str], list[Declaration]] = {}
    for one in case.named(whole=True):
        by_origin.setdefault(one.origin, []).append(one)
    speakers = list(by_origin.values())
    for i, first in enumerate(speakers):
        for second in speakers[i + 1 :]:
            if not _compatible(case, first, second):
                yield f"{_spoken(first[0])}, but {_spoken(second[0])}."
    for layer in provenance.layers:
        if any(fact.detail.get("conflict") is True for fact in layer.facts):
            yield f"The layer {layer.layer} declares different generators for one image."
    cameras = [d for d in case.declared if d.claim == "capture" and not d.part and d.source not in _NO_CAMERA]
    makers = [one for one in case.declared if one.claim == "generator" and not one.part]
    if cameras and makers:
        yield f"{_spoken(makers[0])}, but {_spoken(cameras[0])}."


def _compatible(case: _Case, first: Sequence[Declaration], second: Sequence[Declaration]) -> bool:
    """Say whether two sources can be about one image: they share a model or, sister models, a lineage."""
    mine, yours = ({one.model for one in speaker} - {None} for speaker in (first, second))
    kin = set.intersection(*({one.lineage or case.lineage(one.model) for one in by} for by in (first, second)))
    return bool(mine & yours) or bool(kin - {None}) or any(_same_name(a, b) for a in mine for b in yours)


def _same_name(first: str | None, second: str | None) -> bool:
    """Say whether one name is the other with a version behind it, such as Midjourney and Midjourney v6."""
    a, b = sorted((normalise(first or ""), normalise(second or "")), key=len)
    return bool(a) and (a == b or b.startswith((f"{a}-", f"{a}.")))


def _unnamed(case: _Case) -> tuple[str, str]:
    """Judge declarations that name no model: a camera, or a generator of unknown name."""
    if any(one.claim == "generator" for one in case.declared):
        one = next(one for one in case.declared if one.claim == "generator")
        return "not testable", f"{_spoken(one)}, which names no model that the table of aliases knows."
    # What is said of the whole image counts, wherever it stands beside what is said of parts.
    one = min((one for one in case.declared if one.claim == "capture"), key=lambda one: one.part)
    if one.part:
        return "not testable", f"{_spoken(one)}, for a part of the image only."
    if not case.photographs & set(case.classes):
        return "not testable", f"{_spoken(one)}, and no candidate stands for photographs."
    stands = {case.stands(name) for name in sorted(case.photographs & set(case.classes))}
    outcome = next(word for word in OUTCOMES if word in stands)
    return outcome, f"{_spoken(one)}; {_measured(case)}."


def _against_pixels(case: _Case) -> tuple[str, str]:
    """Judge the named generators by the pixels."""
    whole = case.named(whole=True)
    stands = {one: case.stands_of(one) for one in case.named(whole=False)}
    # What was put into an image need not be seen in all of it: only the whole can be contradicted.
    words = [stands[one] for one in whole] or [w if w == "agreement" else "not testable" for w in stands.values()]
    # Several models may have worked on one image (a refiner, a second pass): one that agrees is enough.
    outcome = next(word for word in OUTCOMES if word in words)
    shown = next((one for one in whole if stands[one] == outcome), case.named(whole=False)[0])
    why = {
        "not testable": _why_untestable(case, shown),
        "unconfirmed": "; the pixels neither name nor exclude it for certain",
    }.get(outcome, "")
    return outcome, f"{_spoken(shown)}; {_measured(case)}{why}."


def _why_untestable(case: _Case, one: Declaration) -> str:
    if case.verdict.decision == "unreadable":
        return ""
    if one.part:
        return "; it is declared for a part of the image only"
    if case.verdict.decision == "unknown":
        return "; it is no candidate, so that this is consistent and confirms nothing"
    # Single images of strangers are mostly taken for a candidate's: to be sure of another name contradicts nothing.
    return "; it is no candidate, and single images of models that are none are often taken for a candidate's"


def _measured(case: _Case) -> str:
    verdict = case.verdict
    if verdict.decision == "unreadable":
        return "the pixels could not be read"
    if verdict.decision == "unknown":
        return "the pixels are unlike every candidate"
    shown = " or ".join(verdict.prediction_set[:3])
    more = len(verdict.prediction_set) - 3
    return f"the pixels are consistent with {shown}{f' or {more} more' if more > 0 else ''}"


def _spoken(one: Declaration) -> str:
    what = {"generator": "a model made it", "capture": "a camera took it"}[one.claim]
    name = f" ({one.model})" if one.model and one.model != one.value else ""
    return f"{one.source} says that {what}: {one.value[:120]}{name}"


def _unexamined(provenance: Provenance) -> Iterator[str]:
    for layer in provenance.layers:
        if layer.status in ("not examined", "failed"):
            yield f"The layer {layer.layer}: {layer.status}. {layer.reason or ''}".rstrip()
    if provenance.error:
        yield f"The file could not be read: {provenance.error}"


def _squeezed(name: str) -> str:
    """Return letters and digits alone: lineages are written as one word here, as several there."""
    return "".join(c for c in name.casefold() if c.isalnum())


def _is_part(fact: Fact) -> bool:
    """Say whether a fact is about a part of the image only."""
    path = fact.detail.get("of_ingredient") or []
    codes = (str(text or "").casefold() for text in (fact.detail.get("digital_source_type"), fact.value))
    return any(code.endswith(_PARTIAL) for code in codes) or any(step != "parentOf" for step in path)
