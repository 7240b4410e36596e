"""The page of a campaign's audit: from statements to what the template shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from morelli.audit.campaign import CONSISTENT, INCONSISTENT, CampaignAudit, Cluster, Mixture, Part, Share, Suspect
from morelli.provenance import STATUSES
from morelli.report._findings import findings_grid, meter_of
from morelli.report._page import render
from morelli.report._sheets import draw_sheet
from morelli.report._study_charts import chart_svg
from morelli.report._thumbnails import Pictures, Thumbnail, embedded, picture_of, shown
from morelli.report.evidence import evidence_rows
from morelli.studies.findings import Bar, BarChart, Column, Level, Table

__all__ = ["render_campaign"]

_BADGES: Final = {CONSISTENT: "attributed", INCONSISTENT: "unreadable"}
_SHEETS_SHOWN: Final = 8
_SHEET_IMAGES: Final = 16
_BARS: Final = 20
_FAMILIES: Final = 6


def render_campaign(audit: CampaignAudit, pictures: Pictures = picture_of) -> str:
    """Render an audit as a whole HTML document that loads nothing from anywhere.

    Pictures are small and few whatever the campaign: those of the listed suspects, and of some groups of unknown
    images. Links lead to files of the same folder.

    Parameters
    ----------
    audit : CampaignAudit
    pictures : callable
        Gives them, for whoever has decoded some already.
    """
    from markupsafe import Markup

    charts = [chart for chart in (_mixture_chart(audit.mixture), _parts_chart(audit.parts)) if chart is not None]
    tables = {table.name: (table, findings_grid(table), meter_of(table)) for table in _tables(audit)}
    return render(
        "campaign.html",
        title=f"Audit of {audit.source}",
        a=audit,
        badge=_BADGES.get(audit.conclusion.outcome, "ambiguous"),
        suspects=[_suspect(suspect, pictures) for suspect in audit.suspects],
        clusters=[_cluster(cluster, i < _SHEETS_SHOWN, pictures) for i, cluster in enumerate(audit.clusters)],
        charts={chart.name: Markup(chart_svg(chart)) for chart in charts},
        titles={chart.name: chart.title for chart in charts},
        tables=tables,
    )


def _suspect(suspect: Suspect, pictures: Pictures) -> dict[str, Any]:
    evidence = {family: {"other": gap, "mine": 0.0} for family, gap in suspect.evidence.items()}
    return {
        "s": suspect,
        "thumbnail": shown(pictures(suspect.path)),
        "bars": evidence_rows(evidence, "other", "mine")[:_FAMILIES] if evidence else [],
    }


def _cluster(cluster: Cluster, with_sheet: bool, pictures: Pictures) -> dict[str, Any]:
    paths = cluster.paths[:_SHEET_IMAGES]
    sheet: Thumbnail | None = embedded(draw_sheet(paths, pictures)) if with_sheet and paths else None
    return {"c": cluster, "sheet": sheet}


def _mixture_chart(mixture: Mixture | None) -> BarChart | None:
    if mixture is None or not mixture.shares:
        return None
    bars = tuple(
        Bar(share.name, share.share, share.low, share.high, "claimed" if share.claimed else "not claimed")
        for share in mixture.shares[:_BARS]
    )
    return BarChart("mixture", "Estimated share of each source, with 95% intervals", "share of the images", bars)


def _parts_chart(parts: Sequence[Part]) -> BarChart | None:
    bars = tuple(
        Bar(f"{part.column}: {part.value or '(none given)'}", claim.foreign, claim.foreign_low, claim.foreign_high,
            claim.outcome)
        for part in parts
        if (claim := part.claim).foreign is not None
    )  # fmt: skip
    if not bars:
        return None
    title = "Estimated share of images from elsewhere in each part, with 95% intervals"
    return BarChart("parts", title, "share of the part's images", bars[: 3 * _BARS], (Level("none", 0.0),))


def _tables(audit: CampaignAudit) -> list[Table]:
    found = [_decisions(audit.counts.decisions, audit.counts.named), _declared(audit)]
    if audit.mixture is not None:
        found.append(_shares("mixture", "Shares of the candidates", audit.mixture.shares, audit.mixture.n))
        if audit.mixture.lineages:
            found.append(_shares("lineages", "Shares of the lineages", audit.mixture.lineages, audit.mixture.n))
    if audit.parts:
        found.append(_parts(audit.parts))
    if audit.declared.generators:
        rows = tuple(audit.declared.generators)
        note = ""
        if audit.declared.n_generators > len(rows):
            note = f"The commonest of {audit.declared.n_generators:,} different names."
        columns = (Column("generator", "declared generator"), Column("images", "images", "count"))
        found.append(Table("generators", "What is declared as the generator", columns, rows, note))
    return found


def _decisions(decisions: Mapping[str, int], named: Mapping[str, int]) -> Table:
    total = max(1, sum(decisions.values()))
    rows: list[tuple[str, str | None, int, float]] = [
        (word, None, n, n / total) for word, n in decisions.items() if word != "attributed"
    ]
    rows += [("attributed", name, n, n / total) for name, n in named.items()]
    rows.sort(key=lambda row: -row[2])
    columns = (
        Column("decision", "decision"), Column("candidate", "candidate"), Column("images", "images", "count"),
        Column("share", "of 100", "share"),
    )  # fmt: skip
    return Table("decisions", "Verdicts, image by image", columns, tuple(rows))


def _declared(audit: CampaignAudit) -> Table:
    rows: tuple[tuple[str | int, ...], ...] = tuple(
        (layer.layer, *(layer.statuses.get(status, 0) for status in STATUSES)) for layer in audit.declared.layers
    )
    columns = (Column("layer", "layer"), *(Column(s.replace(" ", "_"), s, "count") for s in STATUSES))
    note = "; ".join(f"{status}: {words}" for status, words in STATUSES.items()) + "."
    return Table("declared", "What the layers of provenance say", columns, rows, note)


def _shares(name: str, title: str, shares: Sequence[Share], n: int) -> Table:
    # Lineages have no lineage, and are claimed only where somebody claimed one.
    facts: list[tuple[Column, list[str | None]]] = [
        (Column("lineage", "lineage"), [one.lineage for one in shares]),
        (Column("claimed", "claimed"), ["yes" if one.claimed else "" for one in shares]),
    ]
    facts = [(column, values) for column, values in facts if any(values)]
    rows = tuple(
        (one.name, *(values[k] for _, values in facts), one.share, one.low, one.high) for k, one in enumerate(shares)
    )
    columns = (
        Column("source", "source"), *(column for column, _ in facts), Column("share", "of 100", "share"),
        Column("low", "95% from", "share"), Column("high", "to", "share"),
    )  # fmt: skip
    return Table(name, title, columns, rows, f"From {n:,} different images.")


def _parts(parts: Sequence[Part]) -> Table:
    rows = tuple(
        (part.column, part.value or "(none given)", part.claim.outcome, part.claim.n, part.unreadable,
         part.claim.p_value, part.p_corrected, part.claim.foreign, part.claim.detectable)
        for part in parts
    )  # fmt: skip
    columns = (
        Column("column", "by"), Column("part", "part"), Column("outcome", "outcome"),
        Column("images", "images", "count"), Column("unreadable", "unreadable", "count"), Column("p_value", "p", "p"),
        Column("p_corrected", "corrected p", "p"), Column("foreign", "from elsewhere, of 100", "share"),
        Column("detectable", "noticed from, of 100", "share"),
    )  # fmt: skip
    note = "Corrected by Holm's method over the parts of one column. The page shows the first rows; parts.csv has all."
    return Table("parts", "Part by part", columns, rows, note)
