"""``morelli study``: a command for each registered study, and one for studies that a file describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    ImagesArgument,
    NoCacheOption,
    SplitOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
    progress_of_asking,
)
from morelli.cli._run import register

if TYPE_CHECKING:
    from morelli.catalog import Catalog
    from morelli.studies import Frame, Study
    from morelli.studies.study_result import StudyResult

__all__ = ["app"]


class _Studies(TyperGroup):
    """The group of study commands, made when somebody looks: studies know the engine, which takes a while to load."""

    def _all(self) -> dict[str, Any]:
        if not hasattr(self, "_made"):
            self._made = {**self._given, **getattr(typer.main.get_command(_registered()), "commands", {})}
        return self._made

    def _keep(self, given: dict[str, Any]) -> None:
        self._given = dict(given)

    commands = property(_all, _keep)


app = typer.Typer(
    cls=_Studies,
    help="Experiments as lists of trials: tables, figures and a page, with intervals.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, tables, figures and finished trials."),
]
AttributorsOption = Annotated[
    str | None,
    typer.Option(
        "--attributor",
        "-a",
        metavar="NAMES",
        help="One or several, separated by commas, each NAME or NAME@ENCODER; see morelli attributors.",
        show_default="the study's own",
    ),
]
SeedsOption = Annotated[
    int,
    typer.Option("--seeds", min=1, metavar="N", help="Repetitions, each with its own folds and draws of references."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting of the study; may be given several times."),
]
JoinOption = Annotated[
    Path | None,
    typer.Option("--join", metavar="FILE", help="CSV with more columns, by prompt_id, model or image_id."),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and how long it might take.")]
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes.", show_default="one per processor"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print what study.json holds instead of a table.")]


def _command(name: str) -> Callable[..., None]:
    def study(
        catalog: ImagesArgument,
        output: OutputOption,
        attributors: AttributorsOption = None,
        seeds: SeedsOption = 1,
        seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The first seed.")] = 0,
        folds: Annotated[int, typer.Option("--folds", min=2, metavar="N", help="Folds of whole prompts.")] = 5,
        label: Annotated[
            str | None,
            typer.Option("--label", metavar="COLUMN", help="Column to tell.", show_default="the study's own"),
        ] = None,
        settings: SetOption = None,
        split: SplitOption = None,
        join: JoinOption = None,
        dry_run: DryOption = False,
        as_json: JsonOption = False,
        jobs: JobsOption = None,
        cache: CacheOption = None,
        no_cache: NoCacheOption = False,
    ) -> None:
        from morelli.studies import frame_of, make_study

        check_output(output, folder=True)
        chosen = make_study(name, _settings(settings or []))
        options = {
            "attributors": None if attributors is None else split_words(attributors),
            "seeds": seeds,
            "seed": seed,
            "folds": folds,
            "label": label,
        }
        frame = frame_of(_joined(open_catalog(catalog, split), join), type(chosen), options)
        _run(chosen, frame, output, dry_run, as_json, jobs, None if no_cache else cache, no_cache)

    return study


def _help(study: type[Study]) -> str:
    """Return the docstring of a command, made from a study's."""
    import inspect

    from morelli.studies import settings_of

    lines = [inspect.getdoc(study) or "", "Settings, given as --set NAME=VALUE, with what they are by default:"]
    lines += [f"{field.name}={_written(field.default)}: {field.metadata['help']}" for field in settings_of(study)]
    lines += ["Examples:", "\n".join(f"    {line}" for line in study.examples())]
    return "\n\n".join(lines)


def _written(value: Any) -> str:
    return (
        ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower() if value is None else str(value)
    )


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Description of a study, in TOML.")],
    output: OutputOption,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
    jobs: JobsOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Run a study that a TOML file describes: a registered one with its settings, or trials of your own.

    docs/studies.md shows what such a file holds. Paths in it start from its folder.

    Examples:

        morelli study run my-study.toml -o my-study/
        morelli study run my-study.toml -o my-study/ --dry-run
    """
    from morelli.studies import read_study

    check_output(output, folder=True)
    described = read_study(file)
    frame = described.frame(_joined(open_catalog(described.catalog, described.split), described.join))
    _run(described.study, frame, output, dry_run, as_json, jobs, None if no_cache else cache, no_cache)


def list_command() -> None:
    """List the studies: what each answers, and which experiment it follows.

    Examples:

        morelli study list
    """
    from rich.console import Console
    from rich.table import Table

    from morelli.studies import list_studies

    table = Table("study", "question", "follows", box=None, padding=(0, 2), header_style="bold")
    for study in list_studies():
        table.add_row(study.name, study.question, study.paper)
    Console().print(table)


def _settings(texts: list[str]) -> Mapping[str, str]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f'"{text}" is no NAME=VALUE', param_hint="--set")
        values[name.strip()] = value.strip()
    return values


def _joined(catalog: Catalog, table: Path | None) -> Catalog:
    from morelli.catalog import join_columns

    return catalog if table is None else join_columns(catalog, table)


def _run(
    study: Study,
    frame: Frame,
    output: Path,
    dry_run: bool,
    as_json: bool,
    jobs: int | None,
    cache: Path | None,
    no_cache: bool,
) -> None:
    from morelli._processes import processors
    from morelli.report.study import write_study
    from morelli.studies import command_line, preview_study, run_study

    store = open_cache(cache, no_cache)
    if dry_run:
        _tell_preview(preview_study(study, frame, folder=output / "trials", cache=store, jobs=jobs or processors()))
        return
    with progress("Measuring images") as measuring, progress("Running trials") as running, progress_of_asking():
        result = run_study(
            study,
            frame,
            folder=output / "trials",
            cache=store,
            jobs=jobs,
            command=command_line(),
            measuring=measuring,
            progress=running,
        )
    write_study(result, output)
    if as_json:
        typer.echo((output / "study.json").read_text(encoding="utf-8"), nl=False)
    else:
        _tell(result, output)
    if result.findings.unanswered:
        raise typer.Exit(1)


def _tell(result: StudyResult, output: Path) -> None:
    from rich.console import Console

    from morelli.report.study import study_headline, study_table

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)  # whoever reads a file has no edge of the screen
    table = study_table(result, console.width)
    if table is not None:
        console.print(table)
    typer.echo(study_headline(result))
    for sentence in result.findings.sentences[1:]:
        typer.echo(sentence)
    for note in (*result.findings.notes, *result.missing[:10]):
        typer.echo(f"Note: {note}", err=True)
    if len(result.missing) > 10:
        typer.echo(
            f"Note: {len(result.missing) - 10} more reasons why trials have no result are in study.html.", err=True
        )
    typer.echo(f"Written to {output}: study.html, study.json, tables, figures, and all that was measured")


def _tell_preview(preview: Any) -> None:
    typer.echo(
        f"{preview.trials} trials: {preview.finished} finished, {preview.fits} fits to do, "
        f"{len(preview.missing)} that cannot be run"
    )
    for encoder, view, needed, missing in preview.measure:
        typer.echo(f"  {encoder} in {view}: {missing} of {needed} images to be measured")
    for line in preview.missing[:20]:
        typer.echo(f"  missing: {line}")
    for line in preview.forecast:
        typer.echo(line)
    typer.echo(
        f"Estimate with {preview.jobs} processes: measuring {_duration(preview.measuring_seconds)}, "
        f"fitting {_duration(preview.fitting_seconds)}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


register(app, "run", run, resumes=True)
register(app, "list", list_command)


def _registered() -> typer.Typer:
    """Return an application with a command for each study."""
    from morelli.studies import list_studies

    made = typer.Typer(rich_markup_mode=None)
    made.callback()(lambda: None)  # or a single study would be the application itself
    for study in list_studies():
        command = _command(study.name)
        command.__doc__ = _help(study)
        register(made, study.name, command, resumes=True)
    return made
