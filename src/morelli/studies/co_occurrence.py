"""Which domains an image shows beside the one that it was asked for, and whether accuracy goes along with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.studies.findings import Column, ScatterChart, Table
from morelli.studies.study import Frame
from morelli.trials.metrics import MantelResult, mantel

__all__ = ["agreement_chart", "agreement_of", "agreement_words", "co_occurrence", "presence_table"]

Matrix = NDArray[np.float64]


def co_occurrence(frame: Frame, column: str, presence: str, domains: Sequence[str]) -> tuple[Matrix, list[str]]:
    """Count how often images of one domain show another.

    Parameters
    ----------
    frame : Frame
        Labelled, readable images count.
    column : str
        The domain that an image was asked for.
    presence : str
        The domains seen in it, separated by ``;``; images where it is null are left out, and an empty text is none.
    domains : sequence of str, length k

    Returns
    -------
    seen : ndarray of float64, shape (k, k)
        Share of the images of each domain (row) that show each (column); NaN rows where no image has been looked at.
    notes : list of str
        What was left out.
    """
    catalog = frame.catalog
    usable = (catalog.codes(frame.label)[0] >= 0) & catalog.table["error"].is_null().to_numpy()
    asked, named = catalog.text(column), catalog.text(presence)
    shown = np.zeros((len(domains), len(domains)))
    looked = np.zeros(len(domains))
    row_of_domain = {name: i for i, name in enumerate(domains)}
    place = {name.casefold(): i for i, name in enumerate(domains)}  # whoever looked may write it otherwise
    strange: dict[str, int] = {}
    blind = 0
    for row in np.flatnonzero(usable):
        if asked[row] is None:
            continue
        if named[row] is None:
            blind += 1
            continue
        i = row_of_domain[str(asked[row])]
        looked[i] += 1
        for name in {part.strip() for part in str(named[row]).split(";")} - {""}:
            if name.casefold() in place:
                shown[i, place[name.casefold()]] += 1
            else:
                strange[name] = strange.get(name, 0) + 1
    notes = []
    if blind:
        notes.append(f"{blind:,} images have nothing in {presence} and are left out of the co-occurrence.")
    if strange:
        most = sorted(strange, key=lambda name: (-strange[name], name))[:3]
        notes.append(f"{presence} names what is no domain here, which is left out: {', '.join(most)}.")
    with np.errstate(invalid="ignore"):
        return shown / np.where(looked, looked, np.nan)[:, None], notes


def agreement_of(seen: Matrix, accuracy: Matrix) -> MantelResult | str:
    """Correlate co-occurrence with accuracy by a Mantel test, or say why that cannot be done."""
    try:
        return mantel(seen, accuracy)
    except MorelliError as error:
        return str(error)


def agreement_words(found: MantelResult | str) -> str:
    """Say what `agreement_of` gave."""
    if isinstance(found, str):
        return f"Co-occurrence was not compared with accuracy: {found}"
    if found.r is None or found.p is None:
        return "Co-occurrence was not compared with accuracy: all pairs of domains have the same value in one of them."
    p = "p below 0.001" if found.p < 0.001 else f"p {found.p:.2g}"
    verdict = "go together" if found.p <= 0.05 else "are not seen to go together"
    return (
        f"How often images of one domain show another and how well learning carries over {verdict}: r {found.r:.2f}, "
        f"{p} (Mantel test over {found.n} domains, {found.n_permutations:,} relabellings)."
    )


def presence_table(seen: Matrix, domains: Sequence[str]) -> Table:
    """Return the shares as a table."""
    return Table(
        "co-occurrence",
        "Share of the images of a domain that show another",
        (Column("domain", "images of"), *(Column(f"shows_{i}", name, "share") for i, name in enumerate(domains))),
        tuple((name, *(_known(v) for v in row)) for name, row in zip(domains, seen, strict=True)),
    )


def agreement_chart(seen: Matrix, accuracy: Matrix, domains: Sequence[str]) -> ScatterChart:
    """Return a point for each two domains."""
    points = [
        (f"{a} to {b}", float(seen[i, j]), float(accuracy[i, j]))
        for i, a in enumerate(domains)
        for j, b in enumerate(domains)
        if i != j and np.isfinite(seen[i, j]) and np.isfinite(accuracy[i, j])
    ]
    return ScatterChart(
        "co-occurrence",
        "Co-occurrence of domains and accuracy from one to the other",
        "share of the images learned from that show the domain judged",
        "right, share",
        tuple(points),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
