"""One self-contained HTML page for a trial, and one for single images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from morelli._files import write_text
from morelli.errors import MorelliError
from morelli.report import figures
from morelli.report._page import render
from morelli.report._text import headline, lineage_order
from morelli.report._thumbnails import SIDE, Thumbnail, thumbnail
from morelli.report.evidence import evidence_rows
from morelli.report.maps import MapCard
from morelli.report.provenance import provenance_card
from morelli.trials import DECISIONS, Metrics, Predictions

if TYPE_CHECKING:
    from morelli.attributors import PooledVerdict

__all__ = ["render_attributions", "render_report", "write_attributions", "write_report"]

_SET_SHOWN = 3
_CANDIDATES_SHOWN = 5
_UNREADABLE_SHOWN = 50
_PROBLEM_FAMILIES = 6
_BUNDLE_KEYS = ("name", "version", "id")
_NO_MAPS: Mapping[int, MapCard] = MappingProxyType({})


def render_report(
    predictions: Predictions,
    metrics: Metrics,
    *,
    title: str,
    subtitle: str = "",
    max_errors: int = 24,
    base: str | os.PathLike[str] | None = None,
    maps: Sequence[MapCard] = (),
) -> str:
    """Render the report of one trial.

    Parameters
    ----------
    predictions : Predictions
    metrics : Metrics
        What `summarise` measured on the same predictions.
    title, subtitle : str
        Plain text; escaped.
    max_errors : int
        Wrong answers shown in the gallery, the surest first; 0 leaves it empty.
    base : path-like or None
        Folder that relative uris start from.
    maps : sequence of MapCard
        Maps of evidence to show, see :func:`morelli.report.evaluation_maps`.

    Returns
    -------
    str
        A whole HTML document that loads nothing from anywhere. The same inputs give the same text.

    Raises
    ------
    MorelliError
        If the metrics were measured on other predictions.
    """
    from markupsafe import Markup

    if metrics.n_rows != len(predictions) or tuple(c.model for c in metrics.per_class) != predictions.classes:
        raise MorelliError("These metrics belong to other predictions; call summarise() on the ones to be shown.")
    measured = metrics.n > 0
    drawn = {
        "confusion": figures.confusion_figure(metrics) if measured else "",
        "reliability": figures.reliability_figure(metrics) if measured else "",
        "risk": figures.risk_coverage_figure(predictions, metrics) if measured else "",
        "sets": figures.set_size_figure(predictions) if measured else "",
        "families": figures.family_figure(metrics) if measured and metrics.families else "",
        "openset": figures.open_set_figure(predictions, metrics) if metrics.open_set else "",
    }
    order = lineage_order(predictions.classes, predictions.lineages)
    wrong = _wrong_rows(predictions)
    return render(
        "report.html",
        title=title,
        subtitle=subtitle,
        m=metrics,
        headline=headline(metrics),
        figures={name: Markup(svg) for name, svg in drawn.items()},
        models=[metrics.per_class[i] for i in order],
        best_alone=_best(metrics, "accuracy"),
        most_missed=_best(metrics, "drop"),
        mistakes=[_mistake(predictions, int(i), base) for i in wrong[: max(0, max_errors)]],
        n_mistakes=len(wrong),
        unreadable=_unreadable(predictions),
        unreadable_shown=_UNREADABLE_SHOWN,
        maps=maps,
    )


def write_report(
    predictions: Predictions,
    metrics: Metrics,
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    max_errors: int = 24,
    base: str | os.PathLike[str] | None = None,
    maps: Sequence[MapCard] = (),
) -> Path:
    """Write `render_report` to `path`, wholly or not at all, and return the path."""
    page = render_report(
        predictions, metrics, title=title, subtitle=subtitle, max_errors=max_errors, base=base, maps=maps
    )
    write_text(path, page)
    return Path(path)


def render_attributions(
    verdicts: Sequence[Mapping[str, Any]],
    title: str,
    *,
    pooled: Sequence[Mapping[str, Any]] = (),
    base: str | os.PathLike[str] | None = None,
    maps: Mapping[int, MapCard] = _NO_MAPS,
) -> str:
    """Render verdicts, one card per image, under those for several images together.

    Parameters
    ----------
    verdicts : sequence of mapping
        As `Verdict.to_dict` gives them. Missing optional parts are left out of the card; an ``error`` is shown.
    title : str
    pooled : sequence of mapping
        As `PooledVerdict.to_dict` gives them.
    base : path-like or None
        Folder that relative uris start from.
    maps : mapping of int to MapCard
        Maps of evidence, by the position of the verdict that they belong to.

    Returns
    -------
    str
        A whole HTML document that loads nothing from anywhere.
    """
    from morelli.attributors import PooledVerdict

    counts = {decision: sum(v.get("decision") == decision for v in verdicts) for decision in DECISIONS}
    named = (tuple(b.get(key) for key in _BUNDLE_KEYS) for v in verdicts if (b := v.get("bundle")))
    bundles = [dict(zip(_BUNDLE_KEYS, values, strict=True)) for values in dict.fromkeys(named)]
    return render(
        "attributions.html",
        title=title,
        sets=[_pooled_card(PooledVerdict.from_dict(values)) for values in pooled],
        cards=[_card(verdict, base) | {"map": maps.get(i)} for i, verdict in enumerate(verdicts)],
        counts=[(decision, count) for decision, count in counts.items() if count],
        total=len(verdicts),
        bundles=bundles,
    )


def write_attributions(
    verdicts: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    title: str,
    pooled: Sequence[Mapping[str, Any]] = (),
    base: str | os.PathLike[str] | None = None,
    maps: Mapping[int, MapCard] = _NO_MAPS,
) -> Path:
    """Write `render_attributions` to `path`, wholly or not at all, and return the path."""
    write_text(path, render_attributions(verdicts, title, pooled=pooled, base=base, maps=maps))
    return Path(path)


def _wrong_rows(predictions: Predictions) -> np.ndarray:
    """Return the rows answered wrongly, the surest first: known models misnamed, other models given a name."""
    misnamed = predictions.known & predictions.answered & (predictions.top != predictions.y)
    invented = predictions.unknown & (predictions.decision == "attributed")
    rows = np.flatnonzero(misnamed | invented)
    return rows[np.argsort(-predictions.confidence[rows], kind="stable")]


def _mistake(predictions: Predictions, row: int, base: str | os.PathLike[str] | None) -> dict[str, Any]:
    classes = predictions.classes
    top, y = int(predictions.top[row]), int(predictions.y[row])
    members = np.flatnonzero(predictions.prediction_set[row])
    members = members[np.argsort(-predictions.proba[row, members], kind="stable")]
    evidence = {
        family: dict(zip(classes, block[row].tolist(), strict=True)) for family, block in predictions.evidence.items()
    }
    against = classes[y] if y >= 0 else None
    return {
        "uri": predictions.uri[row] or "",
        "name": Path(str(predictions.uri[row] or "")).name,
        "thumbnail": thumbnail(str(predictions.uri[row] or ""), base),
        "truth": predictions.label[row],
        "truth_is_candidate": y >= 0,
        "truth_probability": float(predictions.proba[row, y]) if y >= 0 else None,
        "truth_in_set": bool(y >= 0 and predictions.prediction_set[row, y]),
        "same_lineage": bool(
            y >= 0 and predictions.lineages[y] and predictions.lineages[y] == predictions.lineages[top]
        ),
        "answer": classes[top],
        "probability": float(predictions.confidence[row]),
        "decision": predictions.decision[row],
        "set": [classes[i] for i in members[:_SET_SHOWN]],
        "set_more": max(0, len(members) - _SET_SHOWN),
        "bars": evidence_rows(evidence, classes[top], against)[:_PROBLEM_FAMILIES],
    }


def _pooled_card(pooled: PooledVerdict) -> dict[str, Any]:
    return {
        "folder": pooled.folder,
        "counts": pooled.counts,
        **_answer(pooled.to_dict()),
    }


def _answer(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of the answer itself, for one image or several."""
    candidates = list(verdict.get("candidates") or [])
    members = list(verdict.get("prediction_set") or [])
    lineage = verdict.get("lineage") or {}
    return {
        "decision": str(verdict.get("decision") or "unreadable"),
        "label": verdict.get("label"),
        "probability": verdict.get("probability"),
        "lineage": {key: lineage.get(key) for key in ("label", "probability")},
        "candidates": candidates[:_CANDIDATES_SHOWN],
        "n_more": max(0, len(candidates) - _CANDIDATES_SHOWN),
        "set": members[:_SET_SHOWN],
        "set_more": max(0, len(members) - _SET_SHOWN),
    }


def _card(verdict: Mapping[str, Any], base: str | os.PathLike[str] | None) -> dict[str, Any]:
    from morelli.provenance import pixel_decision  # here, because pages of trials do not need it

    uri = str(verdict.get("uri") or "")
    error = verdict.get("error")
    answer = _answer(verdict)
    label = answer["label"] or (answer["candidates"][0]["model"] if answer["candidates"] else None)
    quality = verdict.get("quality") or {}
    return {
        "uri": uri,
        "name": Path(uri).name or "image",
        "image_id": str(verdict.get("image_id") or ""),
        # An unreadable file was refused once, with its reason; it is not opened again for a picture.
        "thumbnail": Thumbnail(None, SIDE, SIDE, "not readable") if error else thumbnail(uri, base),
        **answer,
        "badge": answer["decision"],
        # Below the badge stands what the pixels say by themselves; a conflict is told beside it.
        "decision": pixel_decision(answer["decision"], verdict.get("provenance")),
        "provenance": provenance_card(verdict.get("provenance") or {}),
        "open_set_p": verdict.get("open_set_p"),
        "leading": label,
        "bars": evidence_rows(verdict.get("evidence") or {}, str(label)) if label is not None else [],
        "judged_as": verdict.get("judged_as"),
        "quality": {key: quality.get(key) for key in ("short_side", "jpeg_quality", "blur", "bucket")}
        if quality
        else None,
        "error": error,
    }


def _unreadable(predictions: Predictions) -> list[tuple[str, str]]:
    rows = np.flatnonzero(~predictions.readable)[:_UNREADABLE_SHOWN]
    return [(str(predictions.uri[i]), str(predictions.error[i])) for i in rows]


def _best(metrics: Metrics, field: str) -> Any:
    """Return the family with the largest `field`, or None if no family has it."""
    having = [family for family in metrics.families if getattr(family, field) is not None]
    return max(having, key=lambda family: float(getattr(family, field)), default=None)
