"""From images to verdicts."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from morelli.attributors.answers import Answers
from morelli.attributors.bundle import Bundle
from morelli.attributors.lineage import roll_up
from morelli.attributors.verdict import Candidate, Verdict
from morelli.encoders import Extraction, iter_extract
from morelli.images import Limits

__all__ = ["attribute", "decide", "judge_extraction"]

SHOWN = 5
"""Candidates whose evidence a verdict lists, besides those in the prediction set."""


def attribute(
    bundle: Bundle,
    paths: Iterable[str | os.PathLike[str]],
    *,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Iterator[Verdict]:
    """Judge images one after the other, in the order given and in bounded memory.

    Parameters
    ----------
    bundle : Bundle
    paths : iterable of path-like
        May be endless.
    workers : int, optional
        Processes that measure images, see :func:`morelli.encoders.iter_extract`.
    limits : Limits, optional

    Yields
    ------
    Verdict
        One for each path; an image that cannot be judged gets an ``unreadable`` one with its error.
    """
    limits = limits or Limits()
    extractions = iter_extract(paths, bundle.encoder, workers=workers, limits=limits)
    for extraction in extractions:
        known = extraction.encoded is not None or extraction.facts is not None
        yield judge_extraction(bundle, extraction, None if known else _hash_of(extraction.path, limits))


def decide(answers: Answers, open_set_level: float) -> list[str]:
    """Return the decision for each image: ``attributed``, ``ambiguous``, ``unknown`` or ``unanswered``."""
    sizes = answers.prediction_set.sum(axis=1)
    words = np.where(sizes == 1, "attributed", "ambiguous")
    words = np.where(answers.open_set_p < open_set_level, "unknown", words)
    if answers.unanswered is not None:
        silent = np.array([reason is not None for reason in answers.unanswered], dtype=np.bool_)
        words = np.where(silent, np.where(answers.unanswered == "unknown", "unknown", "unanswered"), words)
    return [str(word) for word in words]


def judge_extraction(bundle: Bundle, extraction: Extraction, image_id: str | None = None) -> Verdict:
    """Return the verdict for an image that was measured.

    Parameters
    ----------
    bundle : Bundle
    extraction : Extraction
        By the bundle's encoder; one with an error becomes an ``unreadable`` verdict.
    image_id : str, optional
        sha256 of the file, where the extraction does not know it because the file could not be decoded.
    """
    facts = {"name": bundle.name, "version": bundle.version, "id": bundle.id}
    if extraction.encoded is None:
        return Verdict(
            uri=extraction.path,
            image_id=image_id if extraction.facts is None else extraction.facts.sha256,
            decision="unreadable",
            bundle=facts,
            error=str(extraction.error),
        )
    # Each image by itself: in a product of matrices, the last digit of a row depends on the rows around it.
    answers = bundle.attributor.answer(extraction.encoded.stack()[:1])
    return next(_verdicts(bundle, [extraction], answers, facts))


def _hash_of(path: str, limits: Limits) -> str | None:
    """Return the sha256 of a file that holds no image; None where its bytes cannot be had or are too many."""
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > limits.max_bytes:
            return None
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):  # the verdict's error already says why; a ValueError is a zero byte in the path
        return None


def _verdicts(bundle: Bundle, measured: list[Extraction], answers: Answers, facts: dict[str, str]) -> Iterator[Verdict]:
    classes = bundle.classes
    decisions = decide(answers, bundle.open_set_level)
    known = [decision != "unknown" for decision in decisions]
    lineages = roll_up(answers.proba, answers.prediction_set, bundle.lineages, classes, known)
    llr = answers.undoubted - answers.undoubted.mean(axis=1, keepdims=True)
    for i, (extraction, decision) in enumerate(zip(measured, decisions, strict=True)):
        order = np.argsort(-answers.proba[i], kind="stable")
        members = [int(k) for k in order if answers.prediction_set[i, k]]
        listed = sorted({*order[:SHOWN].tolist(), *members}, key=order.tolist().index)
        certain = decision != "unknown"
        yield Verdict(
            uri=extraction.path,
            image_id=extraction.facts.sha256 if extraction.facts else None,
            decision=decision,
            label=classes[order[0]] if certain else None,
            probability=float(answers.proba[i, order[0]]) if certain else None,
            lineage=lineages[i],
            candidates=tuple(
                Candidate(classes[k], float(answers.proba[i, k]), round(float(llr[i, k]), 6) + 0.0) for k in order
            ),
            prediction_set=tuple(classes[k] for k in members),
            open_set_p=float(answers.open_set_p[i]),
            evidence={
                family: {classes[k]: round(float(words[i, k]), 6) + 0.0 for k in listed}
                for family, words in answers.evidence.items()
            },
            judged_as=None if answers.judged_as is None else str(answers.judged_as[i]),
            quality=extraction.quality.to_dict() if extraction.quality else {},
            bundle=facts,
        )
