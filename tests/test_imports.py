"""Imports go the ways that ARCHITECTURE.md states, and every way that it states is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyhectiqlab

PACKAGE = Path(pyhectiqlab.__file__).parent
PAGE = PACKAGE.parent / "ARCHITECTURE.md"
EVERYTHING = "everything"
PUBLIC = ("__init__", "__main__")  # what users import and run
TOP = {"config", "errors", "paper", "profile", "run", "settings", "utils"}  # modules; all others are in a room


def stated() -> dict[str, set[str]]:
    """Part → the parts that it may import."""
    section = PAGE.read_text().split("### Which way imports go\n")[1].split("\n## ")[0]
    lines = re.findall(r"^    (\S.*?) +→ (.*)$", section, re.MULTILINE)
    return {part: set(names.split(", ")) for parts, names in lines for part in parts.split(", ")}


def part_of(module: tuple[str, ...]) -> str:
    """`uploader` of pyhectiqlab.uploader.main, "" of the package itself."""
    return module[1] if len(module) > 1 else ""


def exists(module: tuple[str, ...]) -> bool:
    path = PACKAGE.joinpath(*module[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules of ours that a module imports when it runs: not for the type checker alone."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (tuple(name.name.split(".")) for name in node.names if name.name.split(".")[0] == PACKAGE.name)
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            base = package[: len(package) - node.level + 1] + module if node.level else module
            if base[0] == PACKAGE.name:
                for name in node.names:
                    yield (*base, name.name) if exists((*base, name.name)) else base
        elif not isinstance(node, ast.expr):
            left += ast.iter_child_nodes(node)


@cache
def actual() -> dict[tuple[str, str], str]:
    """(part, part that it imports) → a module that does."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        module = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
        for other in imported(ast.parse(path.read_text()), module[:-1]):
            found[part_of(module), part_of(other)] = ".".join(module)
    return {(a, b): module for (a, b), module in found.items() if a != b and a not in PUBLIC and b}


def test_every_import_between_parts_is_stated() -> None:
    ways = stated()
    wrong = [
        f"{module} imports {b}"
        for (a, b), module in sorted(actual().items())
        if b not in ways[EVERYTHING] and b not in ways.get(a, ())
    ]
    assert not wrong, f"ARCHITECTURE.md, Which way imports go, has no arrow for: {', '.join(wrong)}"


def test_every_stated_import_is_there() -> None:
    there = actual().keys()
    gone = [
        f"{a} → {b}" for a, names in stated().items() for b in sorted(names) if a != EVERYTHING and (a, b) not in there
    ]
    assert not gone, f"ARCHITECTURE.md, Which way imports go, states what is gone: {', '.join(gone)}"


def test_the_top_of_the_package_holds_what_people_import() -> None:
    assert {p.stem for p in PACKAGE.glob("*.py") if not p.stem.startswith("_")} == TOP


def test_nothing_imports_the_command_the_demo_or_the_fakes() -> None:
    assert not [way for way in actual() if way[1] in ("cli", "demo", "testing")]
