"""From a manifest store to facts: who made the file by what, from what, and who signed that.

Everything here comes from a file that anybody may have written: texts are cut, and depth and number are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from morelli.provenance.credentials.answers import Answers, Codes, answer, codes_of, harmless
from morelli.provenance.facts import Fact
from morelli.provenance.metadata.declarations import source_type

__all__ = ["LAYER", "MAX_DEPTH", "MAX_FACTS", "Store", "read_store"]

LAYER: Final = "credentials"

MAX_FACTS: Final = 200
"""Facts that are told of one file."""

MAX_DEPTH: Final = 8
"""Generations of ingredients that are followed."""

_MAX_TEXT = 300
_EDITS = frozenset({
    "c2pa.adjustedColor", "c2pa.changedSpeed", "c2pa.color_adjustments", "c2pa.cropped", "c2pa.deleted", "c2pa.drawing",
    "c2pa.dubbed", "c2pa.edited", "c2pa.edited.metadata", "c2pa.enhanced", "c2pa.filtered", "c2pa.orientation",
    "c2pa.redacted", "c2pa.removed", "c2pa.resized", "c2pa.resized.proportional", "c2pa.translated", "c2pa.trimmed",
    "c2pa.watermarked", "c2pa.watermarked.bound", "c2pa.watermarked.unbound",
})  # fmt: skip
"""Actions that change what is seen; all others handle the file (C2PA 2.x, section "Actions")."""


@dataclass
class Store:
    """What a manifest store says.

    Attributes
    ----------
    answers : Answers
        About the active manifest.
    codes : Codes
        They were derived from these.
    facts : list of Fact
    detail : dict
        Signer, time and more about the store as a whole.
    """

    answers: Answers
    codes: Codes
    facts: list[Fact] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)


def read_store(
    store: Any, resolve: Callable[[str | None], str | None], *, anchors: bool, exclusions: Any = None
) -> Store:
    """Turn the library's JSON into answers and facts.

    Parameters
    ----------
    store : dict
        As ``c2pa.Reader.json`` returns it.
    resolve : callable
        Returns the name in catalogs of the generator that a text names, or None.
    anchors : bool
        Whether trust anchors were given.
    exclusions : list of dict, optional
        What the active manifest's hashes leave out, where the library remarked on it.

    Raises
    ------
    ValueError
        There is no active manifest in it.
    """
    store = _mapping(store)
    manifests = _mapping(store.get("manifests"))
    label = store.get("active_manifest")
    active = manifests.get(label) if isinstance(label, str) else None
    if not isinstance(active, Mapping):
        raise ValueError("the store has no active manifest")
    results = _mapping(store.get("validation_results"))
    codes = codes_of(results.get("activeManifest"))
    answers = answer(codes, anchors=anchors, covered=harmless(exclusions))
    walk = _Walk(manifests, _deltas(results), resolve, anchors)
    facts = list(walk.manifest(str(label), answers, ()))
    detail = {
        "active_manifest": _text(label),
        "manifests": len(manifests),
        "title": _text(active.get("title")),
        "signer": _signer(active),
        "validation_state": _text(store.get("validation_state")),
        "truncated": walk.truncated,
    }
    return Store(answers, codes, facts, detail)


class _Walk:
    """Goes through manifests and their ingredients, each once."""

    def __init__(
        self,
        manifests: Mapping[str, Any],
        deltas: Mapping[str, Codes],
        resolve: Callable[[str | None], str | None],
        anchors: bool,
    ) -> None:
        self._manifests = manifests
        self._deltas = deltas
        self._resolve = resolve
        self._anchors = anchors
        self._seen: set[str] = set()
        self._left = MAX_FACTS
        self.truncated = False

    def manifest(self, label: str, answers: Answers, path: tuple[str, ...]) -> Iterator[Fact]:
        """Yield the facts of one manifest; `path` are the relationships that lead to it from the file."""
        if label in self._seen:
            return
        self._seen.add(label)
        manifest = _mapping(self._manifests.get(label))
        tell = _Teller(answers, path, self._resolve)
        for fact in (*_generator(manifest, tell), *_actions(manifest, tell), *_authors(manifest, tell)):
            if not self._room():
                return
            yield fact
        if (signature := _signature(manifest, tell)) and self._room():
            yield signature
        for ingredient in _list(manifest.get("ingredients")):
            if not self._room():
                return
            yield from self._ingredient(label, _mapping(ingredient), answers, tell, path)

    def _ingredient(
        self, owner: str, ingredient: Mapping[str, Any], answers: Answers, tell: _Teller, path: tuple[str, ...]
    ) -> Iterator[Fact]:
        relationship = _text(ingredient.get("relationship")) or "unknown"
        title = _text(ingredient.get("title")) or _text(ingredient.get("instance_id")) or "untitled"
        label = ingredient.get("active_manifest")
        mine = {"relationship": relationship, "format": _text(ingredient.get("format"))}
        if not isinstance(label, str) or label not in self._manifests:
            yield tell("c2pa:ingredient", "ingredient", title, mine | {"manifest": None})
            return
        codes = codes_of(_mapping(ingredient.get("validation_results")).get("activeManifest"))
        codes = codes.updated(self._deltas.get(_uri(owner, ingredient), Codes()))
        inner = answer(codes, anchors=self._anchors)
        yield tell(
            "c2pa:ingredient", "ingredient", title, mine | {"manifest": _text(label), "its_answers": inner.to_dict()}
        )
        if len(path) + 1 >= MAX_DEPTH:
            self.truncated = True
            return
        yield from self.manifest(label, _weakest(answers, inner), (*path, relationship))

    def _room(self) -> bool:
        if self._left <= 0:
            self.truncated = True
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class _Teller:
    """Makes facts of one manifest."""

    answers: Answers
    path: tuple[str, ...]
    resolve: Callable[[str | None], str | None]

    def __call__(self, source: str, claim: str, value: str, detail: dict[str, Any], model: str | None = None) -> Fact:
        strength, verification = self.answers.standing
        if self.path and strength == "strong":
            # The ingredient's own file is not here; that its hash matched is the word of whoever signed the whole.
            strength = "moderate"
        more: dict[str, Any] = {"answers": self.answers.to_dict()}
        if self.path:
            more["of_ingredient"] = list(self.path)
        return Fact(LAYER, source, claim, value, model, strength, verification, detail | more)


def _generator(manifest: Mapping[str, Any], tell: _Teller) -> Iterator[Fact]:
    infos = [info for info in _list(manifest.get("claim_generator_info")) if isinstance(info, Mapping)]
    names = [_named(info) for info in infos] or [_text(manifest.get("claim_generator"))]
    made = [action for action in _own_actions(manifest) if _claim_of(action)[0] == "generator"]
    # Where no action names the software that generated, it is the one that claims.
    speaks_for_itself = bool(made) and not any(_agent(manifest, action) for action in made)
    for name in names:
        if name:
            model = tell.resolve(name) or tell.resolve(name.rpartition(" ")[0])
            yield tell("c2pa:claim_generator", "generator" if speaks_for_itself else "tool", name, {}, model)


def _actions(manifest: Mapping[str, Any], tell: _Teller) -> Iterator[Fact]:
    for action in _own_actions(manifest):
        claim, term = _claim_of(action)
        name = _text(action.get("action")) or "unknown"
        agent, model = _agent(manifest, action), None
        if agent:
            model = tell.resolve(agent[0]) or tell.resolve(agent[1])
        detail = {
            "action": name,
            "digital_source_type": term or _text(action.get("digitalSourceType")),
            "agent": agent[0] if agent else None,
            "when": _text(action.get("when")),
            "description": _text(action.get("description")),
        }
        value = agent[0] if agent else (term if term and claim in ("generator", "capture") else name)
        yield tell(f"c2pa:actions/{name}", claim, value, detail, model)


def _authors(manifest: Mapping[str, Any], tell: _Teller) -> Iterator[Fact]:
    for assertion in _list(manifest.get("assertions")):
        if not isinstance(assertion, Mapping):
            continue
        label, data = _text(assertion.get("label")) or "", _mapping(assertion.get("data"))
        if label.startswith("stds.schema-org.CreativeWork"):
            for author in _list(data.get("author")):
                if name := _text(_mapping(author).get("name")):
                    yield tell(f"c2pa:{label}", "credit", name, {})
        elif "metadata" in label or label.startswith("stds.iptc"):
            for key, value in data.items():
                if str(key).rpartition(":")[2].casefold() == "digitalsourcetype" and (known := _source(value)):
                    yield tell(f"c2pa:{label}", known[0], known[1], {"digital_source_type": known[1]})


def _signature(manifest: Mapping[str, Any], tell: _Teller) -> Fact | None:
    signer = _signer(manifest)
    name = ", ".join(part for part in (signer["common_name"], signer["issuer"]) if part)
    return tell("c2pa:signature", "credit", name, signer) if name else None


def _signer(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """Return who signed. ``issuer`` is the library's word for the organisation in the signer's own certificate."""
    info = _mapping(manifest.get("signature_info"))
    return {name: _text(info.get(name)) for name in ("common_name", "issuer", "cert_serial_number", "alg", "time")}


def _own_actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in _list(manifest.get("assertions")):
        if isinstance(assertion, Mapping) and str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in _list(_mapping(assertion.get("data")).get("actions")):
                if isinstance(action, Mapping):
                    yield action


def _claim_of(action: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what an action claims, and its term for the source."""
    known = _source(action.get("digitalSourceType"))
    if known and known[0] in ("generator", "capture"):
        return known
    return ("edit" if action.get("action") in _EDITS else "tool"), known[1] if known else None


def _source(value: object) -> tuple[str, str] | None:
    """Return what a digital source type claims, and its code."""
    text = _text(value)
    known = source_type(text) if text else None
    return (known.claim, str(text).rstrip("/").rpartition("/")[2]) if known else None


def _agent(manifest: Mapping[str, Any], action: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the software that an action names: with its version, and without."""
    agent = action.get("softwareAgent")
    index = action.get("softwareAgentIndex")
    if agent is None and isinstance(index, int):
        for assertion in _list(manifest.get("assertions")):
            agents = _list(_mapping(_mapping(assertion).get("data")).get("softwareAgents"))
            if 0 <= index < len(agents):
                agent = agents[index]
    if isinstance(agent, Mapping):
        whole, bare = _named(agent), _text(agent.get("name"))
        return (whole, bare) if whole and bare else None
    bare = _text(agent)
    return (bare, bare) if bare else None


def _named(info: Mapping[str, Any]) -> str | None:
    name, version = _text(info.get("name")), _text(info.get("version"))
    return f"{name} {version}" if name and version else name


def _deltas(results: Mapping[str, Any]) -> dict[str, Codes]:
    """Return what the library finds of ingredients today, beyond what was found when they were put in."""
    return {
        str(delta.get("ingredientAssertionURI")): codes_of(delta.get("validationDeltas"))
        for delta in _list(results.get("ingredientDeltas"))
        if isinstance(delta, Mapping)
    }


def _uri(owner: str, ingredient: Mapping[str, Any]) -> str:
    return f"self#jumbf=/c2pa/{owner}/c2pa.assertions/{ingredient.get('label')}"


def _weakest(outer: Answers, inner: Answers) -> Answers:
    """Return what holds of an ingredient's manifest inside of another: no more than what holds of both."""

    def both(a: bool | None, b: bool | None) -> bool | None:
        return False if False in (a, b) else None if None in (a, b) else True

    return Answers(
        both(outer.asset_hash_matches, inner.asset_hash_matches),
        both(outer.claim_signature_valid, inner.claim_signature_valid),
        both(outer.signer_trusted, inner.signer_trusted),
        both(outer.certificate_valid_at_signing, inner.certificate_valid_at_signing),
        breaches=outer.breaches + inner.breaches,
    )


def _text(value: object) -> str | None:
    """Return a text of bounded length, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return text[:_MAX_TEXT] or None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
