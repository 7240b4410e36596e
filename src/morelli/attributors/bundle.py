"""Bundles: a fitted attributor in one file, with all that it needs and says about itself.

A bundle is a safetensors file: named arrays, and one JSON document in the header. Reading it runs no code. Everything
that is read is checked before it is used: schema version, shapes, finiteness, and a hash over the whole content, so
that a file that was cut off, edited or made by something else is refused with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli._version import __version__
from morelli.attributors.sealed import canonical as _canonical
from morelli.attributors.sealed import content_hash as _content_hash
from morelli.attributors.sealed import read_sealed
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.encoders import Encoder, join_encoders
from morelli.errors import BundleError, MorelliError

__all__ = ["BUNDLE_SUFFIX", "Bundle", "References"]

BUNDLE_SUFFIX: Final = ".morelli"
SCHEMA_VERSION: Final = 4
MAX_BYTES: Final = 2 * 1024**3
_KEY: Final = "morelli.bundle"


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """Which images and prompts a bundle has seen: for refusing to be tested on them, not for getting them back.

    Attributes
    ----------
    image_ids : frozenset of str
        sha256 of the files.
    prompt_hashes : frozenset of str
        First 16 hexadecimal digits of the sha256 of each prompt_id.
    fingerprint : str
        Of the catalog.
    n_unreadable : int
        Rows of the catalog that could not be used.
    """

    image_ids: frozenset[str]
    prompt_hashes: frozenset[str]
    fingerprint: str
    n_unreadable: int


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fitted attributor and what belongs to it.

    Attributes
    ----------
    name, version : str
        Given by whoever fitted it.
    label : str
        Column of the catalog that was learned, usually ``model``.
    attributor : ViewTrainedAttributor
    encoder : Encoder
        What makes its features.
    lineages : tuple of (str or None)
        Lineage of each class, in the order of ``attributor.classes_``.
    references : References
    open_set_level : float
        p-value below which a verdict is ``unknown``.
    notes : tuple of str
        Sentences that belong beside every result.
    self_test : ndarray of float32
        The encoder's features of a fixed image, on the machine that fitted.
    made_with : str
        The Morelli that fitted.
    class_versions : tuple of mapping of str to int
        How many references of each class are of each version, in the order of ``attributor.classes_``; references
        whose version nobody named are not counted. Empty where no version is known at all.
    """

    name: str
    version: str
    label: str
    attributor: ViewTrainedAttributor
    encoder: Encoder
    lineages: tuple[str | None, ...]
    references: References
    open_set_level: float
    notes: tuple[str, ...]
    self_test: NDArray[np.float32]
    made_with: str = f"morelli {__version__}"
    class_versions: tuple[Mapping[str, int], ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The candidates, sorted."""
        return tuple(str(name) for name in self.attributor.classes_)

    def versions_of(self, name: str) -> Mapping[str, int]:
        """Return how many references of a class are of each version; nothing where no version is known."""
        return self.class_versions[self.classes.index(name)] if self.class_versions else {}

    @cached_property
    def id(self) -> str:
        """First 16 hexadecimal digits of the sha256 of the content."""
        arrays, document = self._parts()
        return _content_hash(arrays, document)

    def describe(self) -> dict[str, Any]:
        """Return what ``morelli show`` tells, as JSON-able values."""
        document = self._parts()[1]
        attributor = document["attributor"]["experts"][0]
        conformal = attributor["conformal"]
        return {
            "id": self.id,
            **{key: document[key] for key in ("name", "version", "label", "made_with", "notes")},
            "classes": [
                {
                    "label": name,
                    "lineage": lineage,
                    "images": self.attributor.training_.n_images[name],
                    "versions": dict(self.versions_of(name)),
                }
                for name, lineage in zip(self.classes, self.lineages, strict=True)
            ],
            "encoder": document["encoder"],
            "views": [
                {"view": view, "accuracy": expert.training_.accuracy, "log_loss": expert.training_.log_loss}
                for view, expert in self.attributor.experts_.items()
            ],
            "weights": attributor["weights"],
            "training": attributor["training"],
            "calibration": {key: attributor["calibration"][key] for key in ("name", "reason", "nll")}
            | {"temperature": attributor["calibration"]["calibrator"]["temperature"]},
            "conformal": {key: conformal[key] for key in ("method", "class_conditional", "level", "threshold")},
            "pooling": attributor["pooling"],
            "open_set_level": self.open_set_level,
            "references": document["references"]
            | {"images": len(self.references.image_ids), "prompts": len(self.references.prompt_hashes)},
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bundle atomically; the same bundle gives the same bytes.

        Returns
        -------
        pathlib.Path
            `path`.
        """
        from safetensors.numpy import save_file

        arrays, document = self._parts()
        with atomic_path(path) as temporary:
            save_file(arrays, temporary, metadata={_KEY: _canonical({"id": self.id, **document})})
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read and check a bundle.

        Raises
        ------
        BundleError
            The file is missing, too large, not a bundle, damaged, of another schema version, or made with features that
            this installation measures otherwise. The sentence says which.
        """
        arrays, document = _read(Path(path))
        claimed = document.pop("id", None)
        if document.get("schema_version") != SCHEMA_VERSION:
            raise BundleError(
                f"{path}: this bundle has schema version {document.get('schema_version')!r}, and this Morelli "
                f"({__version__}) reads version {SCHEMA_VERSION}; fit it anew from its references."
            )
        if claimed != _content_hash(arrays, document):
            raise BundleError(f"{path}: the content does not match its own hash; the file was damaged or edited.")
        try:
            bundle = cls._rebuild(arrays, document, _find_encoder(path, document["encoder"]["name"]))
            bundle._check_encoder(str(path), document["encoder"]["recipe_hash"])
            # What was read says again what the file says: nothing was left over, misread or of another shape.
            if bundle.id != claimed:
                raise ValueError("it holds more than a bundle does, or values of the wrong type")
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, MorelliError) as error:
            raise BundleError(f"{path}: the bundle is not complete ({type(error).__name__}: {error}).") from error
        return bundle

    def _check_encoder(self, path: str, recipe_hash: str) -> None:
        if recipe_hash != self.encoder.recipe_hash:
            raise BundleError(
                f"{path}: fitted with feature recipe {recipe_hash}, but this installation measures "
                f"{self.encoder.recipe_hash} (other versions of the encoder, of the decoder, or both); fit it anew."
            )
        if not self.encoder.passes_self_test(self.self_test):
            raise BundleError(
                f"{path}: this machine measures the self-test image otherwise than the one that fitted the bundle; "
                "its answers would not be comparable. Fit it anew here."
            )

    def _parts(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, attributor = self.attributor.to_parts()
        ids = sorted(self.references.image_ids)
        arrays["references.image_ids"] = np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 32).copy()
        prompts = sorted(self.references.prompt_hashes)
        arrays["references.prompts"] = np.frombuffer(bytes.fromhex("".join(prompts)), np.uint8).reshape(-1, 8).copy()
        arrays["self_test"] = np.ascontiguousarray(self.self_test)
        document = {
            "schema_version": SCHEMA_VERSION,
            "made_with": self.made_with,
            "name": self.name,
            "version": self.version,
            "label": self.label,
            "lineages": list(self.lineages),
            "open_set_level": self.open_set_level,
            "notes": list(self.notes),
            "encoder": {"name": self.encoder.name, "recipe_hash": self.encoder.recipe_hash},
            "references": {
                "fingerprint": self.references.fingerprint,
                "n_unreadable": self.references.n_unreadable,
            },
            "attributor": attributor,
        }
        if self.class_versions:
            pairs = zip(self.classes, self.class_versions, strict=True)
            document["class_versions"] = [[name, dict(sorted(versions.items()))] for name, versions in pairs]
        return arrays, document

    @classmethod
    def _rebuild(cls, arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any], encoder: Encoder) -> Bundle:
        _check_document(document, encoder)
        attributor = ViewTrainedAttributor.from_parts(arrays, document["attributor"])
        lineages = tuple(document["lineages"])
        if len(lineages) != len(attributor.classes_):
            raise ValueError(f"{len(lineages)} lineages for {len(attributor.classes_)} classes")
        references = References(
            image_ids=frozenset(row.tobytes().hex() for row in arrays["references.image_ids"]),
            prompt_hashes=frozenset(row.tobytes().hex() for row in arrays["references.prompts"]),
            fingerprint=document["references"]["fingerprint"],
            n_unreadable=int(document["references"]["n_unreadable"]),
        )
        return cls(
            name=document["name"],
            version=document["version"],
            label=document["label"],
            attributor=attributor,
            encoder=encoder,
            lineages=lineages,
            references=references,
            open_set_level=float(document["open_set_level"]),
            notes=tuple(document["notes"]),
            self_test=np.asarray(arrays["self_test"]),
            made_with=document["made_with"],
            class_versions=_versions(document.get("class_versions", []), [str(name) for name in attributor.classes_]),
        )


def _versions(stored: list[Any], classes: list[str]) -> tuple[dict[str, int], ...]:
    """Return the versions of each class; ValueError where they are not of these classes, or no counts."""
    if stored and [name for name, _ in stored] != classes:
        raise ValueError("its versions are of other classes")
    for _, versions in stored:
        if not all(isinstance(count, int) and count > 0 for count in versions.values()):
            raise ValueError("a version has no number of references")
    return tuple(dict(versions) for _, versions in stored)


def _find_encoder(path: str | os.PathLike[str], name: object) -> Encoder:
    """Return the encoder that a bundle was fitted with; no other will do."""
    if not isinstance(name, str):
        raise TypeError("the encoder's name is no text")
    try:
        return join_encoders(name)
    except MorelliError as error:
        raise BundleError(f"{path}: fitted with the encoder {name}, which cannot be had here. {error}") from error


def _check_document(document: Mapping[str, Any], encoder: Encoder) -> None:
    """Raise ValueError unless the description is of the right types and fits the encoder; nothing is allocated."""
    texts = [document[name] for name in ("name", "version", "label", "made_with")]
    if not all(isinstance(text, str) for text in [*texts, *document["notes"], *document["attributor"]["classes"]]):
        raise ValueError("a name, a class or a note is no text")
    if not all(lineage is None or isinstance(lineage, str) for lineage in document["lineages"]):
        raise ValueError("a lineage is no text")
    if not 0 <= document["open_set_level"] < 1:
        raise ValueError(f"the open-set level is {document['open_set_level']}")
    blocks = [[name, block.start, block.stop] for name, block in encoder.blocks.items()]
    if document["attributor"]["blocks"] != blocks or document["attributor"]["n_features"] != encoder.dim:
        raise ValueError("its families have other columns than this installation measures")


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    return read_sealed(path, key=_KEY, what="bundle", max_bytes=MAX_BYTES)
