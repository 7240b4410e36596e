"""Where weights are kept on this machine, and whether they are the right ones."""

from __future__ import annotations

from pathlib import Path

from morelli.encoders.pretrained.spec import Hub, PretrainedSpec
from morelli.errors import MorelliError
from morelli.networks.weights import LOCK, read_lock, sha256_of, weights_folder, write_lock_file

__all__ = [
    "LOCK",
    "folder_of",
    "is_here",
    "read_lock",
    "require",
    "sha256_of",
    "verify",
    "weights_folder",
    "write_lock",
]


def folder_of(spec: PretrainedSpec) -> Path:
    """Return the folder of one encoder."""
    return weights_folder() / spec.name


def is_here(spec: PretrainedSpec) -> bool:
    """Say whether all files of an encoder are on this machine. Their sums are checked when they are used."""
    folder = folder_of(spec)
    return all((folder / file).is_file() for file in (*spec.files, LOCK))


def require(spec: PretrainedSpec) -> Path:
    """Return the folder of one encoder.

    Raises
    ------
    MorelliError
        Its weights are not there.
    """
    if not is_here(spec):
        raise MorelliError(
            f"The weights of {spec.name} are not on this machine. Fetch them: morelli encoders fetch {spec.name} "
            f"(or, from a file or folder that you have, morelli encoders fetch {spec.name} --from PATH). "
            f"They are looked for in {folder_of(spec)}; MORELLI_WEIGHTS names another place."
        )
    return folder_of(spec)


def verify(spec: PretrainedSpec, folder: Path) -> dict[str, str]:
    """Compute the sum of every file and compare it with what is known of it.

    Returns
    -------
    dict of str to str
        SHA-256 by file.

    Raises
    ------
    MorelliError
        A file cannot be read, or is another than the spec or the lock says.
    """
    sums = {file: sha256_of(folder / file) for file in spec.files}
    locked = {file: entry["sha256"] for file, entry in read_lock(folder).get("files", {}).items()}
    for file, actual in sums.items():
        expected = spec.sha256 if file == spec.file and spec.sha256 else locked.get(file)
        if expected is not None and expected != actual:
            raise MorelliError(
                f"{folder / file} is not the file that belongs to {spec.name}: its SHA-256 is {actual} instead of "
                f"{expected}. Delete the folder {folder} and fetch it again: morelli encoders fetch {spec.name}"
            )
    return sums


def write_lock(spec: PretrainedSpec, folder: Path, commit: str | None, sums: dict[str, str]) -> None:
    """Write down what an encoder's folder was filled with."""
    if isinstance(spec.source, Hub):
        source = spec.source.repository
    else:
        source = spec.source.requirement if spec.source is not None else "file"
    write_lock_file(folder, spec.name, source, commit, sums)
