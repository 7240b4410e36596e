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

    A chain is written with bars, as in "resize:512|jpeg:85". A severity from 1 to 5 takes the place of parameters, as
    in "jpeg@3", where there are severities. The page docs/views.md says more.

    Examples:

        morelli views
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from morelli.views import list_views

    heads = ("view", "group", "what it does", "parameters", "severities 1 to 5", "cost")
    table = Table(*heads, box=None, padding=(0, 2), header_style="bold")
    for view in list_views():
        ranges = "; ".join(f"{parameter.name}: {parameter.range}" for parameter in view.parameters)
        severities = "  ".join(view.severities)
        cost = "costly" if view.costly else ""
        table.add_row(escape(view.signature), view.group, view.description, escape(ranges), severities, cost)
    Console().print(table)
