"""``morelli families`` and ``morelli views``: what there is."""

from __future__ import annotations

__all__ = ["families", "views"]


def families() -> None:
    """List the forensic families: the kinds of trace that are measured.

    Examples:

        morelli families
    """
    from rich.console import Console
    from rich.table import Table

    from morelli.encoders.forensic import list_families

    table = Table("family", "version", "what it measures", box=None, padding=(0, 2), header_style="bold")
    for family in list_families():
        table.add_row(family.name, str(family.version), family.summary)
    Console().print(table)


def views() -> None:
    """List the views: named transforms of images, to be chained.

    A chain is written with bars, as in "resize:512|jpeg:85".

    Examples:

        morelli views
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from morelli.views import list_views

    table = Table("view", "group", "what it does", box=None, padding=(0, 2), header_style="bold")
    for view in list_views():
        parameters = ",".join(parameter.name for parameter in view.parameters)
        table.add_row(escape(f"{view.name}:{parameters}" if parameters else view.name), view.group, view.description)
    Console().print(table)
