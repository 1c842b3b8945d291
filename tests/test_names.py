"""Names say what a value is: none is called after how it came about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pyhectiqlab

PACKAGE = Path(pyhectiqlab.__file__).parent
VAGUE = {"told", "found"}  # name the thing instead: row, fields, answer, payload, matches
KEPT = {("spool/entries.py", "told")}  # a member of a JSON file that spools have


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_nothing_is_called_told_or_found() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts]
    assert len(paths) > 100
    named = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in paths
        for name in names_in(ast.parse(path.read_text()))
        if name.strip("_").lower() in VAGUE
    }
    assert named == KEPT


def test_no_module_gives_a_constant_two_values() -> None:
    """The second one of two that were renamed to one name counted for both: an export read 1,000 points at a time."""
    twice = []
    for path in PACKAGE.rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        assigned = [
            target.id
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        ]
        twice += [f"{path.relative_to(PACKAGE)}: {name}" for name in {*assigned} if assigned.count(name) > 1]
    assert not twice
