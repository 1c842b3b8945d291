"""The guides do what they show: commands that there are with options that they have, and Python that runs."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import pytest

import pyhectiqlab
from pyhectiqlab import cli
from pyhectiqlab.read import RunView

from .markdown import blocks

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = "".join(page.read_text() for page in PAGES)

# Commands


def commands() -> Iterator[list[str]]:
    """Yield what is written of `hectiqlab …`, in consoles and in the text, word by word."""
    lines = [line for block in blocks(GUIDES, "console") for line in block.replace("\\\n", "").splitlines()]
    shown = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in [*shown, *re.findall(r"`(hectiqlab [^`\n]+)`", GUIDES)]:
        for command in re.split(r" (?:\||&&|\|\||;|>) ", line):
            words = shlex.split(command, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                del words[0]
            if words and words[0] == "hectiqlab":
                yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_in_the_guides_are_there_with_the_options_that_they_have(words: list[str]) -> None:
    command: click.Command = cli.main
    ctx = click.Context(command, **command.context_settings)
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "…")):
        subcommand = command.get_command(ctx, words[0])
        assert subcommand is not None, f"there is no command {words[0]}"
        ctx = click.Context(subcommand, parent=ctx, info_name=words[0])
        command, words = subcommand, words[1:]
    try:
        command.make_parser(ctx).parse_args([word for word in words if word != "…"])
    except click.BadOptionUsage as e:
        assert e.option_name == words[-1], e  # in the text an option may stand without its value


# Python


@pytest.mark.parametrize("block", blocks(GUIDES, "python"))
def test_python_in_the_guides_compiles(block: str) -> None:
    ast.parse(block)


def calls(tree: ast.AST) -> Iterator[tuple[Callable[..., object], ast.Call]]:
    """Yield our calls in a block: methods of a `run`, which is a view if the block reads back, and our functions."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    run = RunView if "search_runs" in names or "existing" in attributes else pyhectiqlab.Run
    known = {"run": run, "Run": pyhectiqlab.Run, "Config": pyhectiqlab.Config, "config": pyhectiqlab.Config}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "search_runs":
            yield pyhectiqlab.search_runs, node
        elif isinstance(node.func, ast.Name) and node.func.id == "Run":
            yield partial(pyhectiqlab.Run.__init__, None), node
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            cls = known.get(node.func.value.id)
            if cls is not None:
                method = inspect.getattr_static(cls, node.func.attr)  # AttributeError: a guide names one that is gone
                bound = isinstance(method, staticmethod | classmethod)
                yield getattr(cls, node.func.attr) if bound else partial(getattr(cls, node.func.attr), None), node


@pytest.mark.parametrize("block", blocks(GUIDES, "python"))
def test_python_in_the_guides_calls_what_is_there_with_arguments_that_it_takes(block: str) -> None:
    for function, call in calls(ast.parse(block)):
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue
        named = {keyword.arg: None for keyword in call.keywords if keyword.arg is not None}
        inspect.signature(function).bind(*call.args, **named)


@pytest.mark.parametrize("block", blocks(GUIDES, "python"))
def test_python_in_the_guides_imports_what_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pyhectiqlab":
            path = ROOT.joinpath(*str(node.module).split("."))
            source = (path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py").read_text()
            named = {name.name for name in node.names}
            missing = [
                name
                for name in named
                if f'"{name}"' not in source.split("__all__")[1] and not (path / name / "__init__.py").exists()
            ]
            assert not missing, f"{node.module} has no {', '.join(missing)}"


@pytest.mark.parametrize("block", blocks(GUIDES, "console"))
def test_shell_in_the_guides_is_shell_and_names_scripts_that_exist(block: str) -> None:
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=True)
    for script in re.findall(r"scripts/[a-z-]+", block):
        assert (ROOT / script).is_file(), f"{script} does not exist"


# These stand for what the reader has.
GIVEN = """
import os, sys
from types import SimpleNamespace
import matplotlib.figure
from pyhectiqlab import Config, Run
for name in ("model.pt", "samples.png", "vocabulary.json"):
    open(name, "w").close()
os.mkdir("results")
fig, batch, frame = matplotlib.figure.Figure(), [[[0.0, 1.0]]], {"a": [1]}
layer = SimpleNamespace(weight=[0.5, 1.0])
"""
NEED_A_LAB = {"export.md", "reading.md", "registry.md"}
NEED_MORE = {"environment.md", "integrations.md"}  # packages that are not there


def names(block: str) -> set[str]:
    """Return the names that somebody else must have given a value."""
    nodes = list(ast.walk(ast.parse(block)))
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    made |= {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
    return {node.id for node in nodes if isinstance(node, ast.Name)} - made - set(dir(builtins))


def test_python_in_the_guides_runs(tmp_path: Path) -> None:
    """Dry: all but what asks a lab. (tests/test_quickstart.py and tests/process run the like against a real one.)"""
    pytest.importorskip("matplotlib")
    given = {"run", "Run", "Config", "fig", "batch", "frame", "layer"}
    shown = [(page.name, block) for page in PAGES for block in blocks(page.read_text(), "python")]
    runs = [(p, block) for p, block in shown if p not in NEED_A_LAB | NEED_MORE and names(block) <= given]
    assert {page for page, _ in runs} >= {"README.md", "config.md", "logs.md", "media.md", "metrics.md", "states.md"}
    script = GIVEN + "".join(
        f"\nexec(compile({block!r}, {page!r}, 'exec'), globals() | {{'run': Run('guide')}})" for page, block in runs
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("HECTIQLAB_")}
    env |= {"HECTIQLAB_HOME": str(tmp_path / "home"), "HECTIQLAB_MODE": "dry"}
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
