"""``morelli networks list | fetch | name | apply``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import CacheOption, ImagesArgument, SplitOption, open_catalog, progress
from morelli.cli._run import register
from morelli.errors import MorelliError

__all__ = ["app"]

SUMMARY = "List and fetch networks that views and studies use, and put catalogs through them."

app = typer.Typer(help=SUMMARY, short_help=SUMMARY, no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Network, as morelli networks list names it.")]


def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the networks that are known by name, which views need them, and whether they are here.

    Of several for one purpose the first is the default. Of those that are here, the size on the disk is told. Networks
    that were given a name of yours come last. Views and studies take the path of a folder too, and the id of a
    repository that is in the Hugging Face hub's cache.

    Examples:

        morelli networks list
        morelli networks list --json
    """
    from morelli.networks import TASKS, list_networks, names_given, place_of, weights_folder

    specs, users = list_networks(), _users()
    if as_json:
        rows = [
            {
                "name": spec.name,
                "task": spec.task,
                "used_by": users[spec.task],
                "default": spec == list_networks(spec.task)[0],
                "summary": spec.summary,
                "licence": spec.licence,
                "repository": spec.repository,
                "revision": spec.revision,
                "folder": None if (place := place_of(spec)) is None else str(place),
                "bytes": None if place is None else _bytes_of(place),
            }
            for spec in specs
        ]
        given = {name: str(folder) for name, folder in names_given().items()}
        typer.echo(json.dumps({"networks": rows, "names": given}, ensure_ascii=False, indent=2))
        return
    for task, what in TASKS.items():
        typer.echo(f"{', '.join(users[task])}: {what}")
        for number, spec in enumerate(list_networks(task)):
            place = place_of(spec)
            here = "not here" if place is None else f"here, {_bytes_of(place) / 1e6:.1f} MB"
            default = "" if number else "  (default)"
            typer.echo(f"  {spec.name}{default}  {here}  {spec.licence}  {spec.repository}")
            typer.echo(f"      {spec.summary}")
    for name, folder in names_given().items():
        typer.echo(f"{name} stands for {folder}")
    typer.echo(f"Networks are kept in {weights_folder() / 'networks'}")


def _users() -> dict[str, list[str]]:
    """Return what needs networks for each task: views, by the networks that they name by default, and a command."""
    from morelli.networks import TASKS, list_networks
    from morelli.views import list_views

    users: dict[str, list[str]] = {task: [] for task in TASKS}
    for view in list_views():
        texts = [str(parameter.default) for parameter in view.parameters] if view.recipe is not None else []
        named = {name for text in texts for name in text.split("+")}
        for task in TASKS:
            if any(spec.name in named for spec in list_networks(task)):
                users[task].append(view.name)
    users["similarity"].append("morelli presence")
    return users


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def fetch(
    name: NameArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Take the files from a folder, without the Hugging Face hub."),
    ] = None,
) -> None:
    """Put a network onto this machine, from the Hugging Face hub or from a folder, checked by the sums of its files.

    Networks are not part of Morelli and have licences of their own: see morelli networks list.

    Examples:

        morelli networks fetch depth-anything-v2-small
        morelli networks fetch depth-anything-v2-small --from Depth-Anything-V2-Small-hf/
    """
    from morelli.networks import get_network
    from morelli.networks.fetching import fetch_network
    from morelli.networks.places import network_folder
    from morelli.networks.weights import LOCK

    spec = get_network(name)
    if source is None and not (network_folder(spec) / LOCK).is_file():
        typer.echo(f"Asking the Hugging Face hub for {spec.repository} ...", err=True)
    folder = fetch_network(name, source)
    typer.echo(f"{name} is in {folder} (licence: {spec.licence})")


def name(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, dots and hyphens.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that holds the network.")],
) -> None:
    """Give the folder of a network a name, for paths that are long, or that a view cannot hold.

    Examples:

        morelli networks name my-depth "/models of mine/depth"
    """
    from morelli.networks import add_name

    place = add_name(name, folder)
    typer.echo(f"{name} stands for {place.folder}")


def apply(
    catalog: ImagesArgument,
    view: Annotated[str, typer.Argument(metavar="VIEW", help='View or chain of views, see "morelli views".')],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="DIR", help="Where the views are kept.", show_default="views, beside the feature cache"
        ),
    ] = None,
    split: SplitOption = None,
    cache: CacheOption = None,
) -> None:
    """Make a view of all images of a catalog once, for studies that will read it from the store.

    Studies do this by themselves; the command is for making views beforehand, perhaps in the night, or on another
    machine of the same kind. Images on which the view fails are named, and the others are made.

    Examples:

        morelli networks apply images.parquet depth
        morelli networks apply images.parquet "resize:512|segmentation" --store views/
    """
    import numpy as np

    from morelli.encoders import default_cache_path
    from morelli.images import Limits
    from morelli.views import ViewStore, materialise, parse_view

    parsed = parse_view(view)
    if not parsed.costly:
        raise MorelliError(f"{parsed.name} is cheaper to make anew than to keep; nothing is stored of it.")
    parsed.key  # noqa: B018 -- what is not here is told before images are read
    images = open_catalog(catalog, split)
    place = ViewStore(store or (cache or default_cache_path()).parent / "views")
    readable = np.flatnonzero(images.table["error"].is_null().to_numpy())
    paths, ids = images.paths, images.column("image_id")
    jobs = [(str(paths[row]), str(ids[row])) for row in readable]
    with progress("Making views") as report:
        failed = materialise(jobs, parsed, place, limits=Limits(), progress=report)
    for error in list(failed.values())[:5]:
        typer.echo(f"Note: {error}", err=True)
    typer.echo(f"{parsed.name}: {len(jobs) - len(failed)} of {len(images)} images, in {place.folder}")


register(app, "list", list_)
register(app, "fetch", fetch)
register(app, "name", name)
register(app, "apply", apply, resumes=True)
