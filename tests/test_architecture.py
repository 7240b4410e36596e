"""The rules of the house that a machine can check, see docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import morelli

ROOT = Path(morelli.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

LEVELS = (
    ("images",),
    ("networks",),
    ("views",),
    ("catalog",),
    ("encoders",),
    ("attributors",),
    ("trials", "explain"),
    ("studies",),
    ("leaderboard", "provenance", "collect"),
    ("audit",),
    ("report",),
    ("serve",),
    ("cli",),
)
"""Rooms from the lowest to the highest: a room imports only from rooms before its own level."""

FREE = {"_files", "_interrupts", "_plugins", "_processes", "_sqlite", "_text", "_version", "errors", "sample"}
"""Belong to no room: everybody may import them, and they import no room."""

LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

MAX_LINES = 450
LONGER: dict[str, str] = {}
"""Files over the limit, and why they may be."""

FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "torch.serialization"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MEMBERS = {
    ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("torch", "load"), ("joblib", "load"),
    ("pd", "read_pickle"), ("pandas", "read_pickle"), ("jsonpickle", "decode"),
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every import of a file, also those inside functions, as line and absolute dotted name."""
    package = ["morelli", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_folder_is_a_room():
    top = {room_of(path) for path in FILES} - {"__init__", "__main__"}
    assert top <= LEVEL.keys() | FREE, "give a new room its place in LEVELS"


def test_rooms_import_only_rooms_above_them():
    wrong = []
    for path in FILES:
        here = room_of(path)
        for line, name in imported(path):
            parts = name.split(".")
            if parts[0] != "morelli" or len(parts) == 1:
                continue
            there = parts[1]
            if there == here or there in FREE or there not in LEVEL:
                continue
            if here == "__main__" or (here in LEVEL and LEVEL[there] < LEVEL[here]):
                continue
            wrong.append(f"{name_of(path)}:{line} imports {name}")
    assert wrong == []


def test_files_are_small():
    long = {name_of(path): n for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES}
    assert {name: n for name, n in long.items() if name not in LONGER} == {}
    assert all((ROOT / name).is_file() for name in LONGER)


def test_nothing_runs_data():
    """A bundle, a catalog or an image from a stranger is data: nothing that is read can be run."""
    wrong = []
    for path in FILES:
        for line, name in imported(path):
            owners = {name, name.rpartition(".")[0], name.partition(".")[0]}
            member = tuple(name.rsplit(".", 1))
            if owners & FORBIDDEN_MODULES or member in FORBIDDEN_MEMBERS:
                wrong.append(f"{name_of(path)}:{line} imports {name}")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                wrong.append(f"{name_of(path)}:{node.lineno} calls {node.func.id}")
            if isinstance(node, ast.Attribute) and (ast.unparse(node.value), node.attr) in FORBIDDEN_MEMBERS:
                wrong.append(f"{name_of(path)}:{node.lineno} uses {ast.unparse(node)}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                wrong.append(f"{name_of(path)}:{node.value.lineno} allows pickle")
    assert wrong == []
