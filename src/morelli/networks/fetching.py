"""Putting networks that are known by name onto this machine, from the hub or from a folder that was carried here."""

from __future__ import annotations

import json
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

from morelli._files import atomic_path, write_text
from morelli.errors import MorelliError
from morelli.networks.hub import download_snapshot, staging
from morelli.networks.places import network_folder
from morelli.networks.specs import NetworkSpec, get_network
from morelli.networks.weights import LOCK, read_lock, sha256_of, write_lock_file

__all__ = ["fetch_network"]

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def fetch_network(name: str, source: str | os.PathLike[str] | None = None) -> Path:
    """Put a network into the folder of weights.

    The lock file that says that all files are there comes last: an interrupted fetch leaves nothing behind that would
    be used, and the next one starts anew. Where the network is here already, only the sums of its files are checked.

    Parameters
    ----------
    name : str
        As in :func:`morelli.networks.list_networks`.
    source : path-like, optional
        A folder that holds the files; by default they are downloaded from the hub.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    MorelliError
        The source cannot be reached (the sentence says how to do it by hand), lacks files, or holds others than were
        fetched before.
    MissingExtraError
        The hub is needed, and huggingface_hub is not installed.
    """
    spec = get_network(name)
    folder = network_folder(spec)
    if source is None and (folder / LOCK).is_file():
        _verify(spec, folder)
        return folder
    with staging(folder) as staged:
        commit = _from_hub(spec, folder, staged) if source is None else _from_folder(spec, Path(source), staged)
        files = _files_of(spec, staged, None if source is None else Path(source))
        for extra, value in spec.extra.items():
            write_text(staged / extra, json.dumps(value, indent=1) + "\n")
        sums = {file: sha256_of(staged / file) for file in (*files, *spec.extra)}
        _compare(spec, folder, sums)
        for file in sums:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (staged / file).replace(folder / file)
    write_lock_file(folder, spec.name, spec.repository, commit, sums)
    return folder


def _from_hub(spec: NetworkSpec, folder: Path, staged: Path) -> str:
    return download_snapshot(
        spec.repository,
        (*spec.files, *spec.optional),
        staged,
        revision=spec.revision or read_lock(folder).get("commit"),
        feature=f"Fetching {spec.name}",
        then=f"morelli networks fetch {spec.name} --from FOLDER",
    )


def _from_folder(spec: NetworkSpec, source: Path, staged: Path) -> str | None:
    if not source.is_dir():
        raise MorelliError(f"{source} is no folder: {spec.name} consists of {', '.join(spec.files)}.")
    for path in sorted(source.rglob("*")):
        file = path.relative_to(source).as_posix()
        if path.is_file() and any(fnmatch(file, pattern) for pattern in (*spec.files, *spec.optional)):
            with atomic_path(staged / file) as temporary:
                shutil.copyfile(path, temporary)
    lock = read_lock(source)
    return lock.get("commit") if lock.get("name") == spec.name else None


def _files_of(spec: NetworkSpec, staged: Path, source: Path | None) -> list[str]:
    """Return what has come of the files that belong to a network, from a folder or, with None, from the hub."""
    there = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file())
    missing = [pattern for pattern in spec.files if not any(fnmatch(file, pattern) for file in there)]
    if missing:
        hint = ""
        if source is None:  # where only what was asked for is seen
            pickled = all(pattern.endswith(".safetensors") for pattern in missing)
        else:
            pickled = any(path.suffix in _PICKLES for path in source.rglob("*"))
        if pickled:
            hint = (
                " Only safetensors are loaded. A repository that holds its weights as a pickle has to be converted, by "
                "somebody who trusts it: from_pretrained and save_pretrained of transformers do it; then fetch with "
                "--from FOLDER."
            )
        raise MorelliError(f"{source or spec.repository}, the source of {spec.name}, lacks {', '.join(missing)}.{hint}")
    patterns = (*spec.files, *spec.optional)
    return [file for file in there if any(fnmatch(file, pattern) for pattern in patterns)]


def _compare(spec: NetworkSpec, folder: Path, sums: dict[str, str]) -> None:
    for file, entry in read_lock(folder).get("files", {}).items():
        if sums.get(file, entry["sha256"]) != entry["sha256"]:
            raise MorelliError(
                f"{file} of {spec.name} has changed since it was first fetched: its SHA-256 is {sums[file]} instead of "
                f"{entry['sha256']}. If you want the new one, delete {folder / LOCK} and fetch again."
            )


def _verify(spec: NetworkSpec, folder: Path) -> None:
    for file, entry in read_lock(folder)["files"].items():
        actual = sha256_of(folder / file)
        if actual != entry["sha256"]:
            raise MorelliError(
                f"{folder / file} is not the file that was fetched: its SHA-256 is {actual} instead of "
                f"{entry['sha256']}. Delete the folder {folder} and fetch it again: morelli networks fetch {spec.name}"
            )
