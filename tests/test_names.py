"""Names say what a value is, first lines and READMEs say what a module is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pyhectiqlab

PACKAGE = Path(pyhectiqlab.__file__).parent
TESTS = Path(__file__).parent
VAGUE = {"told", "found"}  # name the thing instead: row, fields, answer, payload, matches
ROOMS = (PACKAGE, TESTS, TESTS.parent / "benchmarks")  # where no name is vague; scripts has no Python
KEPT = {("pyhectiqlab/spool/entries.py", "told")}  # a member of a JSON file that spools have


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
    paths = [(room, path) for room in ROOMS for path in room.rglob("*.py") if "node_modules" not in path.parts]
    assert {room for room, _ in paths} == {*ROOMS}
    named = {
        (path.relative_to(room.parent).as_posix(), name)
        for room, path in paths
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


def test_the_first_line_of_a_module_is_a_sentence() -> None:
    """ARCHITECTURE.md says that it tells what the module is: `head -qn1 pyhectiqlab/transport/*.py`."""
    without = [
        str(path.relative_to(PACKAGE.parent))
        for path in (*PACKAGE.rglob("*.py"), *TESTS.rglob("*.py"))
        if "node_modules" not in path.parts and path.name != "_version.py" and path.stat().st_size > 0
        if not re.match(r'"""\S.*[.?!:]\)?("""|\n)', path.read_text())
    ]
    assert not without, f"say in one line what the module is, then leave a line empty: {', '.join(without)}"


def test_every_module_of_a_folder_is_named_in_its_readme() -> None:
    """It is named by its own name, by a pattern such as `models*.py`, or by the folder that it is in."""
    unnamed = []
    for readme in PACKAGE.rglob("README.md"):
        if "node_modules" in readme.parts:
            continue
        names = set(re.findall(r"[\w*]+\.py|\w+/", readme.read_text()))
        for path in readme.parent.rglob("*.py"):
            rooms = [room for room in path.parents if readme.parent in room.parents]
            if path.name.startswith("__") or any((room / "README.md").exists() for room in rooms):
                continue
            candidates = {path.name, *(f"{room.name}/" for room in rooms)}
            if not any(fnmatchcase(candidate, name) for candidate in candidates for name in names):
                unnamed.append(str(path.relative_to(PACKAGE)))
    assert not unnamed, f"not in the README of their folder: {', '.join(unnamed)}"


def test_docstrings_of_functions_begin_with_what_is_done() -> None:
    """Return, yield, raise, a verb: never with "Of …", "By …", "None: …", which leave the reader to guess it."""
    guessed = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list
        if re.match(r"(Of|By|None|Its|Also|Behind|Those|These|Whether|How many|From)\b", ast.get_docstring(node) or "")
    ]
    assert not guessed, f"begin with a verb, such as Return: {', '.join(guessed)}"
