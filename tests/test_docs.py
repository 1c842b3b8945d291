"""The documents say what the code does: commands, settings, links, modules, benchmarks."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import click
import pytest

import pyhectiqlab
from pyhectiqlab import cli, settings
from pyhectiqlab.protocol import limits
from pyhectiqlab.read import RunView
from pyhectiqlab.server import accounts, login
from pyhectiqlab.store import accounts as stored_accounts

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
GUIDES = README + "".join(page.read_text() for page in sorted((ROOT / "docs").rglob("*.md")))
PAGES = sorted(
    page
    for pattern in ("*.md", "benchmarks/*.md", "docs/**/*.md", "pyhectiqlab/*/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
    if "node_modules" not in page.parts
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDES, re.MULTILINE | re.DOTALL)


def row(first_cell: str) -> str:
    """The row of a table in the reference whose first cell starts so, or ""."""
    return next((line for line in REFERENCE.splitlines() if line.startswith(f"| {first_cell}")), "")


def commands() -> set[str]:
    """All of `hectiqlab NAME`, those that the help shows."""
    ctx = click.Context(cli.main)
    names = cli.main.list_commands(ctx)
    found = {name: cli.main.get_command(ctx, name) for name in names}
    return {f"hectiqlab {name}" for name, command in found.items() if command and not command.hidden}


@pytest.mark.parametrize("setting", settings.TABLE.values(), ids=lambda s: s.variable)
def test_every_setting_is_in_the_reference_with_its_default(setting: settings.Setting) -> None:
    default = f" `{setting.default}`" if setting.default is not None else ""
    unit = setting.unit.replace("|", "\\|")
    expected = f"| `{setting.variable}` | {unit} |{default} | {setting.meaning} |"
    assert expected in REFERENCE.splitlines(), f"docs/reference.md, Settings, lacks the row\n{expected}"


UNITS = {"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1, "days": 86_400}
BOUNDS = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \| ", SECURITY, re.MULTILINE))
NO_BOUNDS = {"PROTOCOL_VERSION", "PROTOCOL_MIN", "STEP_MIN", "STEP_MAX", "TIME_MAX_US", "KILL_OUTRANKS_S"}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_bound_that_is_told_is_there_and_is_that(name: str) -> None:
    number, _, unit = BOUNDS[name].strip().partition(" ")
    places = (settings, limits, login, accounts, stored_accounts)
    found = [getattr(place, name) for place in places if hasattr(place, name)]
    assert found == [float(number.replace(",", "")) * UNITS[unit]], f"docs/security.md is wrong about {name}"


def test_every_bound_is_told() -> None:
    bounds = [name for name in vars(settings) if name.startswith("LAB_")]
    bounds += [name for name in vars(limits) if name.isupper() and name not in NO_BOUNDS]
    missing = [name for name in bounds if name not in BOUNDS]
    assert not missing, f"docs/security.md has no row `| \\`NAME\\` | value | what |` for: {', '.join(missing)}"


def test_the_tests_that_security_speaks_of_are_there() -> None:
    named = re.findall(r"`((?:tests/)?[a-z/]*test_[a-z_]+\.py)`", SECURITY)
    assert len(named) >= 5
    missing = [name for name in named if not list((ROOT / "tests").rglob(Path(name).name))]
    assert not missing, f"docs/security.md names {missing}"


def test_every_command_is_in_the_reference() -> None:
    missing = [name for name in sorted(commands()) if not re.match(rf"\| `{name}[ `]", row(f"`{name}"))]
    assert not missing, f"docs/reference.md, Commands, has no row for: {', '.join(missing)}"


def test_no_guide_names_a_command_that_is_gone() -> None:
    code = "\n".join(re.findall(r"`[^`\n]+`|^\$ .*$", GUIDES, re.MULTILINE))
    gone = set(re.findall(r"hectiqlab [a-z][a-z_-]+", code)) - commands()
    assert not gone, f"README.md or docs/ speak of {', '.join(gone)}"


@pytest.mark.parametrize("block", blocks("python"))
def test_python_in_the_guides_compiles(block: str) -> None:
    ast.parse(block)


def calls(tree: ast.AST) -> Iterator[tuple[Callable[..., object], ast.Call]]:
    """What a block calls of ours: methods of a `run`, which is a view where the block reads back, and our functions."""
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


@pytest.mark.parametrize("block", blocks("python"))
def test_python_in_the_guides_calls_what_is_there_with_arguments_that_it_takes(block: str) -> None:
    for function, call in calls(ast.parse(block)):
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue
        named = {keyword.arg: None for keyword in call.keywords if keyword.arg is not None}
        inspect.signature(function).bind(*call.args, **named)


@pytest.mark.parametrize("block", blocks("python"))
def test_python_in_the_guides_imports_what_is_there(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pyhectiqlab":
            path = ROOT.joinpath(*str(node.module).split("."))
            source = (path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py").read_text()
            missing = [name.name for name in node.names if f'"{name.name}"' not in source.split("__all__")[1]]
            assert not missing, f"{node.module} has no {', '.join(missing)}"


@pytest.mark.parametrize("block", blocks("console"))
def test_shell_in_the_guides_is_shell_and_names_scripts_that_exist(block: str) -> None:
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=True)
    for script in re.findall(r"scripts/[a-z-]+", block):
        assert (ROOT / script).is_file(), f"{script} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing, f"{page.name} links to files that do not exist: {', '.join(missing)}"


def test_every_part_of_the_package_is_in_the_architecture() -> None:
    page = ROOT / "ARCHITECTURE.md"
    text = page.read_text() if page.exists() else ""
    package = Path(pyhectiqlab.__file__).parent
    parts = [p.name for p in package.iterdir() if p.suffix == ".py" and not p.name.startswith("_")]
    parts += [f"{p.name}/" for p in package.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))]
    missing = [part for part in sorted(parts) if part not in text]
    assert not missing, f"ARCHITECTURE.md does not mention: {', '.join(missing)}"


INSIDE = [ROOT / "ARCHITECTURE.md", *sorted((ROOT / "pyhectiqlab").glob("*/README.md"))]  # for developers
EXAMPLES = {"token.py", "src/schema/lab.d.ts"}  # no file of ours; made by scripts/build-web


@cache
def files() -> list[str]:
    folders = ("pyhectiqlab", "tests", "benchmarks", "docs")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.*") if "node_modules" not in path.parts)
    return [str(path) for path in found]


@pytest.mark.parametrize("page", INSIDE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_files_that_the_architecture_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`([\w/.-]+\.(?:py|ts|tsx|sql|md))`", page.read_text()))
    missing = [name for name in sorted(named - EXAMPLES) if not any(file.endswith(f"/{name}") for file in files())]
    assert not missing, f"{page.relative_to(ROOT)} names files that are not there: {', '.join(missing)}"


def test_every_kind_of_event_is_in_the_format() -> None:
    sources = [p.read_text() for p in (ROOT / "pyhectiqlab").rglob("*.py") if "node_modules" not in p.parts]
    kinds = {kind for source in sources for kind in re.findall(r"\bevent\(\s*\"([a-z_]+)\"", source)}
    assert kinds >= {"note", "state", "loss"}
    table = (ROOT / "pyhectiqlab" / "protocol" / "FORMAT.md").read_text().split("### Kinds of events")[1]
    missing = [kind for kind in sorted(kinds) if f"\n| `{kind}` | " not in table]
    assert not missing, f"protocol/FORMAT.md, Kinds of events, has no row for: {', '.join(missing)}"


@pytest.mark.parametrize("cls", [pyhectiqlab.Run, pyhectiqlab.Config], ids=lambda cls: cls.__name__)
def test_every_public_method_is_in_the_api_reference(cls: type) -> None:
    page = (ROOT / "docs" / "api" / f"{cls.__name__.lower()}.md").read_text()
    own = {name for one in cls.__mro__ if one.__module__.startswith("pyhectiqlab.") for name in vars(one)}
    listed = set(re.findall(r"\w+", page))
    missing = sorted(name for name in own if not name.startswith("_") and name not in listed)
    assert not missing, f"docs/api has no line for {cls.__name__}'s: {', '.join(missing)}"


def test_every_benchmark_asks_a_question_and_is_listed() -> None:
    listed = (ROOT / "benchmarks" / "README.md").read_text()
    for script in sorted((ROOT / "benchmarks").glob("[a-z]*.py")):
        question = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0]
        assert question.endswith("?"), f"{script.name} should open with its question"
        assert f"({script.name})" in listed, f"benchmarks/README.md does not list {script.name}"


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == pyhectiqlab.__version__
