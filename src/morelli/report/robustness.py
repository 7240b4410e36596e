"""A study of robustness as a table (terminal, CSV, JSON), as a figure, and as one HTML page."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from morelli._files import write_text
from morelli._text import safe_text
from morelli.report._axes import dress, level_line, name_rows, note, whisker
from morelli.report._page import render
from morelli.report._svg import ACCENT, INK, MUTED, new_figure, plain, styled, to_svg
from morelli.report._text import decimal, per_hundred, shorten, span

if TYPE_CHECKING:
    from rich.table import Table

    from morelli.trials import Robustness, RobustnessRow

__all__ = [
    "render_robustness",
    "robustness_csv",
    "robustness_figure",
    "robustness_headline",
    "robustness_table",
    "write_robustness",
]

_TRAINED = {"clean": "untouched", "views": "in views"}
_COLOUR = {"clean": "#c0792a", "views": ACCENT}
_SHIFT = {"clean": 0.17, "views": -0.17}
_UNSEEN = "unseen: "


def robustness_headline(study: Robustness) -> str:
    """Say in one sentence what training on views gains, in views that it saw and in others."""
    parts = []
    degraded = [view for view in study.test_views if view != "none"]
    groups = [
        ("known to training", [view for view in degraded if study.seen(view)]),
        ("never seen", [view for view in degraded if not study.seen(view)]),
    ]
    if "none" in study.test_views:
        views, clean = study.at("views", "none"), study.at("clean", "none")
        parts.append(
            f"Of 100 untouched images {per_hundred(views.accuracy)} are named rightly with training on views, "
            f"{per_hundred(clean.accuracy)} without"
        )
    for words, views_of in groups:
        if views_of:
            gained, before = (_average(study, how, views_of) for how in ("views", "clean"))
            parts.append(
                f"in {len(views_of)} {'view' if len(views_of) == 1 else 'views'} {words} {per_hundred(gained)} "
                f"with it, {per_hundred(before)} without"
            )
    sentence = "; ".join([*parts, f"chance {per_hundred(study.chance)}"]) + "."
    return sentence[0].upper() + sentence[1:]


def robustness_table(study: Robustness) -> Table:
    """Return the rows as a table for `rich`; shares are out of 100."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("images", overflow="fold")
    table.add_column("trained", overflow="fold")
    heads = ("right", "95%", "lineage", "log loss", "ECE", "in set", "set", "unknown", "unfamiliar")
    for head in (*heads, f"{study.set_images} together"):
        table.add_column(head, justify="right")
    for number, row in enumerate(study.rows):
        if row.view is None and study.rows[number - 1].view is not None:
            table.add_section()
        table.add_row(
            safe_text(_condition(row, study) if row.trained == "clean" else ""),
            _TRAINED[row.trained],
            per_hundred(row.accuracy),
            span(row.low, row.high),
            per_hundred(row.lineage),
            decimal(row.log_loss),
            per_hundred(row.ece),
            per_hundred(row.coverage),
            decimal(row.set_size, 1),
            per_hundred(row.called_unknown),
            per_hundred(row.unfamiliar),
            per_hundred(row.set_accuracy),
        )
    return table


def robustness_csv(study: Robustness) -> str:
    """Return the rows as CSV, shares in [0, 1]."""
    from morelli.trials import RobustnessRow

    names = [field.name for field in fields(RobustnessRow)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, "chance", "seed"])
    for row in study.rows:
        values = [getattr(row, name) for name in names]
        writer.writerow(["" if value is None else value for value in values] + [study.chance, study.seed])
    return stream.getvalue()


@styled()
def robustness_figure(study: Robustness) -> str:
    """Draw the accuracy in every test view, trained on untouched references and on views, as SVG.

    Views that training saw come first; the others are marked by hollow dots and by a line above them.
    """
    views = sorted(study.test_views, key=lambda view: not study.seen(view))
    n_seen = sum(study.seen(view) for view in views)
    names = [shorten("untouched" if view == "none" else view, 36) for view in views]
    height = 106 + 30 * len(views)
    figure = new_figure(1080, height)
    left = (24 + 6.9 * max(len(name) for name in names)) / 1080
    axes = figure.add_axes((left, 44 / height, 0.985 - left, (height - 102) / height))
    tips: dict[str, str] = {}
    for i, view in enumerate(views):
        for how, name in _TRAINED.items():
            row = study.at(how, view)
            if row.accuracy is None:
                continue
            y, gid = i + _SHIFT[how], f"{how}{i}"
            whisker(axes, row.low, row.high, y, INK)
            fill = _COLOUR[how] if row.known else "none"
            axes.plot([100.0 * row.accuracy], [y], "o", markersize=8, color=_COLOUR[how], markerfacecolor=fill, gid=gid)
            tips[gid] = f"{view}, trained {name}: {per_hundred(row.accuracy)}%, interval {span(row.low, row.high)}"
    if 0 < n_seen < len(views):
        axes.axhline(n_seen - 0.5, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        plain(axes.text(99.5, n_seen - 0.42, "never seen in training", **note("right", "top")))
    level_line(axes, study.chance, "chance", (0, (1, 2)), 4)
    name_rows(axes, names)
    dress(axes, xlabel="right model, of 100 images", ylabel="", grid="x")
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlim(0, 100)
    for i, (how, words) in enumerate((("views", "trained on views"), ("clean", "trained on untouched references"))):
        text = figure.text(left + 0.17 * i, 1 - 16 / height, f"● {words}", **note("left", "center"))
        plain(text).set_color(_COLOUR[how])
    plain(figure.text(left + 0.45, 1 - 16 / height, "hollow: a view that it never saw", **note("left", "center")))
    description = "; ".join(
        f"{view}: {per_hundred(study.at('views', view).accuracy)} trained on views, "
        f"{per_hundred(study.at('clean', view).accuracy)} on untouched references"
        for view in views
    )
    return to_svg(figure, "robustness", "Accuracy in every test view", description, tips)


def render_robustness(study: Robustness, *, title: str) -> str:
    """Render a study as a whole HTML document that loads nothing from anywhere.

    Parameters
    ----------
    study : Robustness
    title : str
        Plain text; escaped.
    """
    from markupsafe import Markup

    from morelli.attributors.familiarity import UNFAMILIAR_LEVEL

    return render(
        "robustness.html",
        title=title,
        r=study,
        headline=robustness_headline(study),
        figure=Markup(robustness_figure(study)),
        trained=_TRAINED,
        unfamiliar_level=UNFAMILIAR_LEVEL,
        unseen=[view for view in study.test_views if not study.seen(view)],
    )


def write_robustness(study: Robustness, folder: Path, *, title: str) -> list[Path]:
    """Write ``robustness.json``, ``.csv``, ``.svg`` and ``.html`` into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "robustness.json": json.dumps(study.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n",
        "robustness.csv": robustness_csv(study),
        "robustness.svg": robustness_figure(study) + "\n",
        "robustness.html": render_robustness(study, title=title),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _condition(row: RobustnessRow, study: Robustness) -> str:
    if row.view is None:
        return str(row.bucket)
    name = "untouched" if row.view == "none" else row.view
    return name if study.seen(row.view) else _UNSEEN + name


def _average(study: Robustness, how: str, views: list[str]) -> float | None:
    values = [value for view in views if (value := study.at(how, view).accuracy) is not None]
    return sum(values) / len(values) if values else None
