"""Write docs/cli.md: the reference of the command line, from the commands themselves.

Run it after a change of a command; ``tests/test_docs.py`` fails where the page and the commands differ::

    python tools/make_cli_docs.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from morelli.cli._app import app
from morelli.cli._text import examples_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
HEAD = """# The command line

<!-- Made by tools/make_cli_docs.py from the commands themselves. Do not edit. -->

`morelli COMMAND --help` says the same in a terminal. Results go to standard output, notes and errors to standard error.

| exit status | meaning |
|---|---|
| 0 | Done. A file that could not be read is a row with its error, and no failure, unless `--strict` is given. |
| 1 | Something is wrong with a file, or there are too few data: one sentence on standard error says what. |
| 2 | The command line itself is wrong. |
| 130 | Interrupted (Ctrl-C). `fit`, `evaluate` and `catalog build` go on where they stopped. |
"""


def commands(group: Any = None, path: tuple[str, ...] = ("morelli",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command with the words that call it, groups before their members."""
    group = typer.main.get_command(app) if group is None else group
    yield path, group
    for name, command in sorted(getattr(group, "commands", {}).items()):
        yield from commands(command, (*path, name))


def is_argument(parameter: Any) -> bool:
    """Say whether a parameter is positional."""
    return str(parameter.param_type_name) == "argument"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    parts += [_section(path, command) for path, command in commands()]
    return "\n".join(parts)


def _section(path: tuple[str, ...], command: Any) -> str:
    words, text = " ".join(path), command.help or ""
    prose = [paragraph for paragraph in text.split("\n\n") if not paragraph.startswith(("\b", "Examples:"))]
    lines = [f"{'#' * min(len(path) + 1, 3)} {words}", "", "```", _usage(words, command), "```", ""]
    for paragraph in prose:
        lines += [" ".join(paragraph.split()), ""]
    if examples := examples_of(text):
        lines += ["```console", *examples, "```", ""]
    members = getattr(command, "commands", {})
    if members:
        lines += ["| command | what it does |", "|---|---|"]
        for name, member in sorted(members.items()):
            anchor = "-".join((*path, name))
            lines.append(f"| [`{words} {name}`](#{anchor}) | {_cell(member.short_help or member.help)} |")
        lines.append("")
    arguments = [parameter for parameter in command.params if is_argument(parameter)]
    options = [parameter for parameter in command.params if not is_argument(parameter)]
    if arguments:
        lines += ["| argument | what it is |", "|---|---|"]
        lines += [f"| `{_cell(_metavar(parameter))}` | {_cell(parameter.help)} |" for parameter in arguments]
        lines.append("")
    if options:
        lines += ["| option | what it does | default |", "|---|---|---|"]
        lines += [f"| {_names(option)} | {_cell(option.help)} | {_default(option)} |" for option in options]
        lines.append("")
    return "\n".join(lines)


def _usage(words: str, command: Any) -> str:
    if getattr(command, "commands", None):
        return f"{words} [OPTIONS] COMMAND ..."
    arguments = [_metavar(parameter) for parameter in command.params if is_argument(parameter)]
    required = [
        f"{option.opts[-1] if len(option.opts) == 1 else min(option.opts, key=len)} {option.metavar}"
        for option in command.params
        if not is_argument(option) and option.required
    ]
    optional = any(not is_argument(parameter) and not parameter.required for parameter in command.params)
    return " ".join([words, *arguments, *required, *(["[OPTIONS]"] if optional else [])])


def _metavar(parameter: Any) -> str:
    return f"{parameter.metavar} ..." if parameter.nargs == -1 else str(parameter.metavar)


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    return names if option.metavar is None else f"{names} `{_cell(option.metavar)}`"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if isinstance(option.show_default, str):
        return _cell(option.show_default)
    if isinstance(option.default, bool):
        return ""
    default = "" if option.default is None else f"`{_cell(str(option.default))}`"
    bounds = option if hasattr(option, "min") else option.type  # where it stands depends on the version of typer
    low, high = getattr(bounds, "min", None), getattr(bounds, "max", None)
    return f"{default} ({low:g} to {high:g})".strip() if low is not None and high is not None else default


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Written to {PAGE}")
