"""Imports go the ways that ARCHITECTURE.md states, every way that it states is gone, and none leads in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pyhectiqlab

PACKAGE = Path(pyhectiqlab.__file__).parent
ROOT = PACKAGE.parent
PAGE = ROOT / "ARCHITECTURE.md"
PAGES = {  # of each package whose parts have their ways stated
    "ARCHITECTURE.md": (PACKAGE.name,),
    "pyhectiqlab/server/README.md": (PACKAGE.name, "server"),
}
EVERYTHING = "everything"
PUBLIC = ("__init__", "__main__")  # what users import and run
TOP = {
    "config",
    "errors",
    "paper",
    "profile",
    "run",
    "settings",
    "tf_callback",
    "utils",
}  # modules; everything else is in a room


def stated(page: Path = PAGE) -> dict[str, set[str]]:
    """Return {part: the parts that it may import}, as a page states it."""
    section = page.read_text().split("### Which way imports go\n")[1].split("\n## ")[0]
    lines = re.findall(r"^    (\S.*?) +→ (.*)$", section, re.MULTILINE)
    return {part: set(names.split(", ")) for parts, names in lines for part in parts.split(", ")}


def part_of(module: tuple[str, ...], within: tuple[str, ...] = (PACKAGE.name,)) -> str:
    """Return the part of a package that a module belongs to: `uploader` for pyhectiqlab.uploader.main, "" for the
    package itself.
    """
    return module[len(within)] if len(module) > len(within) else ""


def exists(module: tuple[str, ...]) -> bool:
    path = PACKAGE.joinpath(*module[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(tree: ast.AST, package: tuple[str, ...], *, types: bool) -> Iterator[tuple[str, ...]]:
    """Yield the modules of ours that a module imports, at once or later. `types`: also those for the type checker
    alone.
    """
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
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
def modules() -> dict[tuple[str, ...], ast.Module]:
    """Return all modules of the package, by name; a package's own module is called `__init__`."""
    paths = (path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts)
    return {
        (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text()) for path in paths
    }


@cache
def actual(within: tuple[str, ...] = (PACKAGE.name,)) -> dict[tuple[str, str], str]:
    """Return {(part, part that it imports): a module that does so}, of the parts of a package."""
    arrows = {}
    for module, tree in modules().items():
        if module[: len(within)] == within:
            for other in imported(tree, module[:-1], types=False):
                if other[: len(within)] == within:
                    arrows[part_of(module, within), part_of(other, within)] = ".".join(module)
    return {(a, b): module for (a, b), module in arrows.items() if a != b and a not in PUBLIC and b}


def circles(arrows: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the groups of nodes in which arrows lead from each node to every other one."""
    reached = {start: reachable(arrows, start) for start in arrows}
    groups = (frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in arrows)
    return {group for group in groups if len(group) > 1}


def reachable(arrows: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    left = [start]
    while left:
        for other in arrows.get(left.pop(), ()):
            if other not in reached:
                reached.add(other)
                left.append(other)
    return reached


@pytest.mark.parametrize("page, within", PAGES.items(), ids=lambda one: str(one))
def test_every_import_between_parts_is_stated(page: str, within: tuple[str, ...]) -> None:
    ways = stated(ROOT / page)
    wrong = [
        f"{module} imports {b}"
        for (a, b), module in sorted(actual(within).items())
        if b not in ways.get(EVERYTHING, ()) and b not in ways.get(a, ())
    ]
    assert not wrong, f"{page}, Which way imports go, has no arrow for: {', '.join(wrong)}"


@pytest.mark.parametrize("page, within", PAGES.items(), ids=lambda one: str(one))
def test_every_stated_import_is_there(page: str, within: tuple[str, ...]) -> None:
    there = actual(within).keys()
    ways = stated(ROOT / page).items()
    gone = [f"{a} → {b}" for a, names in ways for b in sorted(names) if a != EVERYTHING and (a, b) not in there]
    assert not gone, f"{page}, Which way imports go, states what is gone: {', '.join(gone)}"


def test_no_imports_of_modules_lead_in_a_circle() -> None:
    """This holds for imports at the top of a module, in functions, and for the type checker."""
    arrows = {}
    for module, tree in modules().items():
        own = ".".join(module[1:])
        others = imported(tree, module[:-1], types=True)
        names = {".".join((*other, "__init__") if (*other, "__init__") in modules() else other) for other in others}
        arrows[own] = {name.removeprefix(f"{PACKAGE.name}.") for name in names} - {own}
    assert not circles(arrows)


@pytest.mark.parametrize("page", PAGES)
def test_no_stated_arrows_lead_in_a_circle(page: str) -> None:
    assert not circles({part: names for part, names in stated(ROOT / page).items() if part != EVERYTHING})


def test_the_top_of_the_package_holds_what_people_import() -> None:
    assert {p.stem for p in PACKAGE.glob("*.py") if not p.stem.startswith("_")} == TOP


def test_nothing_imports_the_command_the_demo_or_the_fakes() -> None:
    assert not [way for way in actual() if way[1] in ("cli", "demo", "testing")]
