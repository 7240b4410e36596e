"""Catalogs, reports and splits as rich renderables, for the command line."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table

from morelli._text import safe_text
from morelli.catalog.catalog import Catalog
from morelli.catalog.checks import CatalogReport, Repeats
from morelli.catalog.nuisance import NuisanceFloor
from morelli.catalog.splits import Split

__all__ = ["render_catalog", "render_floor", "render_report", "render_split"]

_MAX_ROWS = 60


def render_catalog(catalog: Catalog) -> RenderableType:
    """Summarise a catalog just built: counts, and the first errors."""
    readable = len(catalog) - catalog.n_unreadable
    _, models = catalog.codes("model")
    lines = [safe_text(f"{len(catalog)} images, {readable} readable, {len(models)} models")]
    if catalog.n_unreadable:
        bad = catalog.table.filter(catalog.table["error"].is_valid())
        kinds = Counter(bad["error_kind"].to_pylist())
        lines.append(safe_text(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()), style="yellow"))
        first = bad.slice(0, 5).select(["uri", "error"]).to_pylist()
        lines += [safe_text(f"  {row['uri']}: {row['error']}") for row in first]
        if len(bad) > 5:
            lines.append(safe_text(f"  and {len(bad) - 5} more"))
    return Group(*lines)


def render_floor(floor: NuisanceFloor) -> RenderableType:
    """Show the nuisance floor: the sentence, and the columns that tell most."""
    table = _table("One column alone", ["column", "accuracy"], right={1})
    for name, accuracy in list(floor.columns.items())[:6]:
        table.add_row(safe_text(name), f"{100 * accuracy:.1f}%")
    facts = (
        f"{floor.n} images, {floor.n_classes} classes, {floor.n_groups} groups, {floor.folds} folds, seed {floor.seed}"
    )
    parts: list[RenderableType] = [
        safe_text(floor.sentence, style="bold red" if floor.gives_away else ""),
        safe_text(facts, style="dim"),
    ]
    return Group(*parts, table) if floor.columns else Group(*parts)


def render_report(report: CatalogReport) -> RenderableType:
    """Show a report: warnings first, then the figures behind them."""
    parts: list[RenderableType] = [
        safe_text(f"{report.n} images, {report.n_readable} readable, {len(report.classes)} values of {report.label}"),
        *(safe_text(f"! {warning}", style="yellow") for warning in report.warnings),
    ]
    if not report.warnings:
        parts.append(safe_text("No problem found.", style="green"))
    parts += ["", _classes_table(report), "", _repeats_table(report)]
    for kind, repeats in (("Equal files", report.exact), ("Near-duplicates", report.near)):
        parts += _examples(kind, repeats)
    if report.error_examples:
        parts += ["", safe_text("Unreadable, for example", style="bold")]
        parts += [safe_text(f"  {row['uri']}: {row['error']}") for row in report.error_examples]
    if report.straddling_prompts:
        parts += ["", safe_text("Prompts in more than one split, for example", style="bold")]
        parts += [safe_text(f"  {prompt}") for prompt in report.straddling_prompts[:5]]
    if report.nuisance is not None:
        parts += ["", safe_text("Nuisance floor", style="bold"), render_floor(report.nuisance)]
    return Group(*parts)


def render_split(split: Split) -> RenderableType:
    """Show the sizes of a split's parts, its notes and its hash."""
    table = _table(None, ["part", "images", "share", "groups"], right={1, 2, 3})
    for index, (name, count) in enumerate(split.counts().items()):
        groups = len(set(split.group[split.fold == index].tolist()))
        table.add_row(safe_text(name), str(count), f"{100 * count / len(split):.1f}%", str(groups))
    notes = [safe_text(note, style="" if split.leak_free else "yellow") for note in split.notes]
    return Group(table, *notes, safe_text(f"hash {split.hash}", style="dim"))


def _table(title: str | None, names: list[str], right: set[int]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    return table


def _classes_table(report: CatalogReport) -> Table:
    names = [report.label, "images", "prompts", "formats", "sizes", "median bytes"]
    table = _table("Classes", names, right={1, 2, 5})
    for name, facts in list(report.classes.items())[:_MAX_ROWS]:
        cells = [_few(facts.formats), _few(facts.sizes)]
        table.add_row(
            safe_text(name),
            str(facts.images),
            str(facts.prompts),
            *map(safe_text, cells),
            f"{facts.median_bytes:,}".replace(",", " "),
        )
    if len(report.classes) > _MAX_ROWS:
        table.add_row(safe_text(f"and {len(report.classes) - _MAX_ROWS} more"))
    return table


def _few(counts: dict[str, int], shown: int = 3) -> str:
    """Write counts briefly: the value alone where there is only one."""
    if len(counts) == 1:
        return next(iter(counts))
    text = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:shown])
    return f"{text}, {len(counts) - shown} more" if len(counts) > shown else text


def _repeats_table(report: CatalogReport) -> Table:
    names = ["duplicates", "sets", "images", "largest", f"across {report.label}s", "across splits"]
    table = _table("Duplicates", names, right={1, 2, 3, 4, 5})
    for kind, found in (("equal files", report.exact), ("near-duplicates", report.near)):
        figures = (found.sets, found.images, found.largest, found.across_labels, found.across_splits)
        table.add_row(kind, *(str(figure) for figure in figures))
    return table


def _examples(kind: str, repeats: Repeats) -> list[RenderableType]:
    if not repeats.examples:
        return []
    shown: list[RenderableType] = ["", safe_text(f"{kind}, for example", style="bold")]
    return shown + [safe_text("  " + " = ".join(example)) for example in repeats.examples]
