"""Words and numbers as the reports print them; strangers' labels are cleaned here and escaped later."""

from __future__ import annotations

import re
from collections.abc import Sequence

from morelli.trials.metrics import Metrics

__all__ = ["clean", "decimal", "headline", "lineage_order", "number", "per_hundred", "shorten", "signed", "span"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
NOTHING = "–"


def clean(text: object) -> str:
    """Return text that UTF-8 and XML can hold: lone surrogates and control characters become U+FFFD."""
    plain = str(text).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return _CONTROL.sub("\ufffd", plain)


def shorten(text: object, limit: int) -> str:
    """Return cleaned text of at most `limit` characters, its middle replaced by an ellipsis.

    >>> shorten("chroma-unlocked-v48-detail-calibrated", 21)
    'chroma-unl…calibrated'
    """
    plain = clean(text).replace("\n", " ")
    if len(plain) <= limit:
        return plain
    head = (limit - 1 + 1) // 2
    tail = limit - 1 - head
    return f"{plain[:head]}…{plain[len(plain) - tail :]}" if tail else f"{plain[:head]}…"


def per_hundred(share: float | None) -> str:
    """Return a share as a number out of 100, with one decimal where it matters.

    >>> [per_hundred(x) for x in (0.024, 0.6234, 0.998, 1.0, None)]
    ['2.4', '62', '99.8', '100', '–']
    """
    if share is None:
        return NOTHING
    value = 100.0 * share
    if abs(value) < 0.05:
        return "0"
    if abs(value) < 9.95 or 99.0 < value < 99.95:
        return f"{value:.1f}"
    return f"{value:.0f}"


def signed(share: float | None) -> str:
    """Return a difference of shares in points, with its sign."""
    if share is None:
        return NOTHING
    return f"{100.0 * share:+.1f}".replace("-", "−")


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with fixed decimals, or a dash."""
    return NOTHING if value is None else f"{value:.{digits}f}".replace("-", "−")


def number(value: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def span(low: float | None, high: float | None) -> str:
    """Return an interval of shares out of 100, or a dash where it is not defined."""
    if low is None or high is None:
        return NOTHING
    return f"{per_hundred(low)}–{per_hundred(high)}"


def headline(metrics: Metrics) -> str:
    """Say in one sentence how good the attribution is, beside what would be reached without looking at pixels.

    Below 100 images the counts themselves are given: a percentage would pretend to more than was measured.
    """
    if metrics.accuracy is None:
        return "Nothing could be measured: there is no readable image whose label is one of the candidates."
    if metrics.n >= 100:
        right = f"{per_hundred(metrics.accuracy)} of 100 images"
    else:
        right = f"{round(metrics.accuracy * metrics.n)} of {metrics.n} image{'s' if metrics.n != 1 else ''}"
    if metrics.accuracy_low is None:
        interval = "no interval: all images share one prompt cluster"
    else:
        interval = f"95% interval {span(metrics.accuracy_low, metrics.accuracy_high)}"
    parts = [f"Names the right model for {right} ({interval})", f"chance {per_hundred(metrics.chance)}"]
    if metrics.nuisance is None:
        parts.append("the container floor was not measured")
    else:
        parts.append(f"the container alone {per_hundred(metrics.nuisance)}")
    return "; ".join(parts) + "."


def lineage_order(classes: Sequence[str], lineages: Sequence[str | None]) -> list[int]:
    """Order candidates so that relatives stand together: large lineages first, then by name; loners last."""
    size: dict[str, int] = {}
    for lineage in lineages:
        if lineage is not None:
            size[lineage] = size.get(lineage, 0) + 1

    def key(i: int) -> tuple[int, str, str, int]:
        lineage = lineages[i]
        return (1, "", classes[i], i) if lineage is None else (-size[lineage], lineage, classes[i], i)

    return sorted(range(len(classes)), key=key)
