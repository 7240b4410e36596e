"""Getting files from the Hugging Face hub, into a folder beside the one that they are for."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from morelli.errors import MissingExtraError, MorelliError

__all__ = ["download_snapshot", "staging"]


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a folder on the same disk, removed in the end.

    Raises
    ------
    MorelliError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
    except OSError as error:
        raise MorelliError(
            f"{folder} cannot be written to: {error.strerror or error}. MORELLI_WEIGHTS names another place."
        ) from error
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def download_snapshot(
    repository: str,
    files: Sequence[str],
    target: Path,
    *,
    revision: str | None,
    feature: str,
    then: str,
    gated: bool = False,
) -> str:
    """Download files of a repository.

    Parameters
    ----------
    repository : str
        OWNER/NAME.
    files : sequence of str
        Names, or patterns of them.
    target : pathlib.Path
        Folder.
    revision : str or None
        A commit; None takes the newest.
    feature : str
        What is done, for a message.
    then : str
        The command that takes the files from a folder, for whoever has to carry them here.
    gated : bool
        Whether the repository has to be asked for with an account.

    Returns
    -------
    str
        The commit.

    Raises
    ------
    MorelliError
        The hub cannot be reached or lacks the files; the sentence says how to do it by hand.
    MissingExtraError
        huggingface_hub is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(f"{feature} from the Hugging Face hub", "deep") from error
    commit = revision
    try:
        with _without_warnings():
            if commit is None:
                commit = huggingface_hub.HfApi().model_info(repository).sha
            huggingface_hub.snapshot_download(repository, revision=commit, allow_patterns=list(files), local_dir=target)
    except Exception as error:  # of several libraries for HTTP, which have changed with its versions
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(" .")
        asked = " It has to be asked for there, with an account (hf auth login)." if gated else ""
        pinned = f" --revision {commit}" if commit else ""
        raise MorelliError(
            f"{repository} cannot be had from the Hugging Face hub: {reason}.{asked} On a machine that reaches it: "
            f"hf download {repository} {' '.join(files)}{pinned} --local-dir FOLDER ; then here: {then}"
        ) from error
    return str(commit)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep what the library says of each attempt from the terminal; the last one ends in an error, which we tell."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
