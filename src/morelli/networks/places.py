"""From the name, the path or the hub's id of a network to the folder that holds it, on this machine only."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from morelli._files import write_text
from morelli.errors import NetworkError
from morelli.networks.specs import TASKS, NetworkSpec, get_network, is_known, list_networks
from morelli.networks.weights import LOCK, read_json, sha256_of, weights_folder

__all__ = ["MODEL", "Place", "add_name", "find_network", "holds", "names_given", "network_folder", "place_of"]

MODEL = re.compile(r"[^\s,|+]+")
"""What can name a network in a view: no blanks, and none of the signs that lists and chains are made of."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_READ = (".json", ".txt", ".safetensors", ".onnx", ".model", ".jinja")
"""Kinds of file that a result may depend on; nothing else in a folder is ever loaded."""

_HEADS = ("config.json", "model_index.json", "mask.json")
"""One of them says what a folder holds."""

_MAX_FILES = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """A network that is on this machine.

    Attributes
    ----------
    name : str
        As it was asked for.
    folder : pathlib.Path
    """

    name: str
    folder: Path

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits over the names and the content of all files that may be loaded.

        Raises
        ------
        MorelliError
            A file cannot be read, or the folder holds far more than a network.
        """
        files = sorted(path for path in self.folder.rglob("*") if self._counts(path))
        if len(files) > _MAX_FILES:
            raise NetworkError(f"{self.folder} holds {len(files):,} files, which is no folder of a single network.")
        listed = [(path.relative_to(self.folder).as_posix(), sha256_of(path)) for path in files]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]

    def _counts(self, path: Path) -> bool:
        inside = path.relative_to(self.folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        return path.suffix in _READ and not hidden and inside.name != LOCK and path.is_file()


def network_folder(spec: NetworkSpec) -> Path:
    """Return where `morelli networks fetch` puts a network."""
    return weights_folder() / "networks" / spec.name


def find_network(text: str, task: str | None) -> Place:
    """Find a network on this machine. Nothing is ever downloaded here.

    Parameters
    ----------
    text : str
        A name (of `list_networks`, or given by `add_name`), the path of a folder, or the id of a repository on the
        Hugging Face hub that is in the hub's cache. What is a folder is taken for one first.
    task : str or None
        What it is to do; a known network for another task is refused. None: whoever loads it knows what it has to be.

    Returns
    -------
    Place

    Raises
    ------
    NetworkError
        It is not here, and the sentence says how to get it; or it is for another task, or no network at all.
    """
    given = names_given()
    if text in given:
        return _checked(text, given[text])
    if is_known(text):
        spec = get_network(text)
        if task is not None and spec.task != task:
            raise NetworkError(
                f"{text} gives {TASKS[spec.task]}, and what is needed is one that gives {TASKS[task]}: "
                f"{_names_of(task)}."
            )
        found = place_of(spec)
        if found is None:
            raise NetworkError(
                f"The network {text} is not on this machine. Fetch it: morelli networks fetch {text} (or, from a "
                f"folder that you have, morelli networks fetch {text} --from FOLDER). It is looked for in "
                f"{network_folder(spec)}, and in the Hugging Face hub's cache as {spec.repository}."
            )
        return Place(text, found)
    folder = Path(text).expanduser()
    if folder.is_dir():
        return _checked(text, folder)
    if folder.is_absolute() or text[:1] in ("~", ".") or text.count("/") > 1 or "\\" in text:
        raise NetworkError(f"There is no folder {text}, and so no network in it.")
    if _HUB.fullmatch(text):
        snapshot = _snapshot(text, None)
        if snapshot is None:
            raise NetworkError(
                f"{text} is neither a folder nor in the Hugging Face hub's cache on this machine. Get it: hf download "
                f"{text} (or put it into a folder, and name that)."
            )
        return _checked(text, snapshot)
    known = "" if task is None else f"one of {_names_of(task)}, "
    raise NetworkError(
        f'There is no network "{text}": name {known}a folder, or a repository of the Hugging Face hub as OWNER/NAME.'
    )


def place_of(spec: NetworkSpec) -> Path | None:
    """Return the folder of a known network, fetched or in the hub's cache; None where it is in neither."""
    own = network_folder(spec)
    if (own / LOCK).is_file():
        return own
    if spec.extra:
        return None  # the hub's cache lacks what we add
    snapshot = _snapshot(spec.repository, spec.revision)
    return snapshot if snapshot is not None and holds(snapshot, spec) else None


def holds(folder: Path, spec: NetworkSpec) -> bool:
    """Say whether a folder holds all files that a network needs."""
    there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return all(any(fnmatch(file, pattern) for file in there) for pattern in spec.files)


def add_name(name: str, folder: str | os.PathLike[str]) -> Place:
    """Give a folder a name, for paths that are long or that a view cannot hold.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, dots, hyphens and underscores. An earlier folder of this name is forgotten.
    folder : path-like

    Raises
    ------
    NetworkError
        The name is a known network's or malformed, or the folder holds no network.
    """
    if not _NAME.fullmatch(name) or is_known(name):
        raise NetworkError(
            f'"{name}" cannot be given to a network: use lower-case letters, digits, dots and hyphens, and no name '
            "of morelli networks list."
        )
    place = _checked(name, Path(folder).expanduser().absolute())
    names = {key: str(value) for key, value in names_given().items()} | {name: str(place.folder)}
    write_text(_names_file(), json.dumps(names, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return place


def names_given() -> dict[str, Path]:
    """Return the folders that `add_name` gave names to.

    Raises
    ------
    MorelliError
        The file that holds them is damaged.
    """
    path = _names_file()
    if not path.is_file():
        return {}
    return {str(name): Path(str(folder)) for name, folder in read_json(path).items()}


def _names_file() -> Path:
    return weights_folder() / "networks" / "names.json"


def _names_of(task: str) -> str:
    return ", ".join(spec.name for spec in list_networks(task))


def _checked(name: str, folder: Path) -> Place:
    if not folder.is_dir():
        raise NetworkError(f"The folder {folder}, which {name} stands for, does not exist.")
    if not any((folder / head).is_file() for head in _HEADS):
        raise NetworkError(f"{folder} holds no network: there is none of {', '.join(_HEADS)} in it.")
    return Place(name, folder)


def _snapshot(repository: str, revision: str | None) -> Path | None:
    """Return the folder of a repository in the hub's cache, None where it is not there."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None  # without the library nothing can have been put there by it
    try:
        return Path(huggingface_hub.snapshot_download(repository, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
