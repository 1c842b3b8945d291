"""The documents say what the code does: commands, settings, links, modules, benchmarks."""

from __future__ import annotations

import ast
import importlib.util
import re
from difflib import ndiff
from functools import cache
from pathlib import Path

import click
import pytest

import pyhectiqlab
from pyhectiqlab import cli, settings
from pyhectiqlab.capture import variables
from pyhectiqlab.protocol import limits
from pyhectiqlab.server.accounts import accounts, login
from pyhectiqlab.store import accounts as stored_accounts
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.store.sqlite_points.database import SCHEMA_VERSION

from .docs_outline import OUTLINE, outline
from .markdown import code, section, table

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
PAGES = sorted(
    page
    for pattern in ("*.md", "benchmarks/*.md", "docs/**/*.md", "pyhectiqlab/*/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
    if "node_modules" not in page.parts
)


def commands() -> dict[str, click.Command]:
    """Return the commands that the help shows, by name."""
    ctx = click.Context(cli.main)
    made = {name: cli.main.get_command(ctx, name) for name in cli.main.list_commands(ctx)}
    return {name: command for name, command in made.items() if command and not command.hidden}


def options(command: click.Command) -> set[str]:
    """Return the options of a command and of those below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return {option for param in command.params for option in param.opts}.union(*map(options, below))


def test_the_settings_in_the_reference_are_those_that_there_are() -> None:
    listed = table(section(REFERENCE, "## Settings"))
    for setting in settings.TABLE.values():
        default = f"`{setting.default}`" if setting.default is not None else ""
        row = [f"`{setting.variable}`", setting.unit, default, setting.meaning]
        written = " | ".join(cell.replace("|", "\\|") for cell in row)
        assert row in listed, f"docs/reference.md, Settings, lacks the row\n| {written} |"
    assert len(listed) == len(settings.TABLE), "docs/reference.md has a setting that is gone"


def test_the_environment_variables_that_are_stored_are_those_that_are_told() -> None:
    rows = table(section((ROOT / "docs" / "guide" / "environment.md").read_text(), "## Environment variables"))
    assert [name for _, names in rows for name in code(names)] == list(variables.KNOWN)


UNITS = {"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1, "days": 86_400}
BOUNDS = {name: row[1] for row in table(SECURITY) for name in code(row[0]) if name.isupper()}
NO_BOUNDS = {
    "PROTOCOL_VERSION",
    "PROTOCOL_MIN",
    "STEP_MIN",
    "STEP_MAX",
    "TIME_MAX_US",
    "KILL_OUTRANKS_S",
    "REQUEST_OUTRANKS_S",
}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_bound_that_is_told_is_there_and_is_that(name: str) -> None:
    number, _, unit = BOUNDS[name].strip().partition(" ")
    places = (settings, limits, login, accounts, stored_accounts)
    items = [getattr(place, name) for place in places if hasattr(place, name)]
    assert items == [float(number.replace(",", "")) * UNITS[unit]], f"docs/security.md is wrong about {name}"


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


def test_the_commands_in_the_reference_are_those_that_there_are_with_options_that_they_have() -> None:
    rows = {code(first)[0].split()[1]: first + what for first, what in table(section(REFERENCE, "## Commands"))}
    known = commands()
    assert set(rows) == set(known)
    for name, row in rows.items():
        named = {word for words in code(row) for word in words.split() if re.fullmatch(r"--?[a-z-]+", word)}
        assert named <= options(known[name]), f"docs/reference.md, {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing, f"{page.name} links to files that do not exist: {', '.join(missing)}"


def test_every_part_of_the_package_is_in_the_architecture() -> None:
    rows = table(section((ROOT / "ARCHITECTURE.md").read_text(), "## The map"))
    package = Path(pyhectiqlab.__file__).parent
    parts = {p.name for p in package.iterdir() if p.suffix == ".py" and not p.name.startswith("_")}
    parts |= {f"{p.name}/" for p in package.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))}
    assert {name for first, _ in rows for name in code(first)} == parts


INSIDE = [ROOT / "ARCHITECTURE.md", *sorted((ROOT / "pyhectiqlab").glob("*/README.md"))]  # for developers
EXAMPLES = {"token.py", "src/schema/lab.d.ts"}  # no file of ours; made by scripts/build-web


@cache
def files() -> list[str]:
    folders = ("pyhectiqlab", "tests", "benchmarks", "docs")
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.*") if "node_modules" not in path.parts)
    return [str(path) for path in paths]


@pytest.mark.parametrize("page", INSIDE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_files_that_the_architecture_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`([\w/.-]+\.(?:py|ts|tsx|sql|md))`", page.read_text()))
    missing = [name for name in sorted(named - EXAMPLES) if not any(file.endswith(f"/{name}") for file in files())]
    assert not missing, f"{page.relative_to(ROOT)} names files that are not there: {', '.join(missing)}"


def test_every_kind_of_event_is_in_the_format() -> None:
    sources = [p.read_text() for p in (ROOT / "pyhectiqlab").rglob("*.py") if "node_modules" not in p.parts]
    made = {kind for source in sources for kind in re.findall(r"\bevent\(\s*\"([a-z_]+)\"", source)}
    assert made >= {"note", "state", "loss"}
    page = (ROOT / "pyhectiqlab" / "protocol" / "FORMAT.md").read_text()
    listed = {kind for first, *_ in table(section(page, "### Kinds of events")) for kind in code(first)}
    assert made <= listed, "protocol/FORMAT.md, Kinds of events, lacks rows"


@pytest.mark.parametrize("cls", [pyhectiqlab.Run, pyhectiqlab.Config], ids=lambda cls: cls.__name__)
def test_every_public_method_is_in_the_api_reference(cls: type) -> None:
    page = (ROOT / "docs" / "api" / f"{cls.__name__.lower()}.md").read_text()
    own = {name for one in cls.__mro__ if one.__module__.startswith("pyhectiqlab.") for name in vars(one)}
    listed = re.findall(rf"^\.\. auto(?:method|property|attribute):: {cls.__name__}\.(\w+)$", page, re.MULTILINE)
    for members in re.findall(rf"^\.\. autoclass:: pyhectiqlab\.{cls.__name__}\n +:members: (.*)$", page, re.MULTILINE):
        listed += members.split(", ")
    assert sorted(listed) == sorted(name for name in own if not name.startswith("_"))


def test_every_benchmark_asks_a_question_and_is_listed() -> None:
    rows = table((ROOT / "benchmarks" / "README.md").read_text())
    listed = {first for first, *_ in rows}
    for script in sorted((ROOT / "benchmarks").glob("[a-z]*.py")):
        question = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0]
        assert question.endswith("?"), f"{script.name} should open with its question"
        assert f"[{script.name}]({script.name})" in listed, f"benchmarks/README.md has no row for {script.name}"


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_benchmark_finds_what_it_imports(script: Path) -> None:
    """Running one takes too long for a test, so a name that moved would be noticed by whoever measures next."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pyhectiqlab":
            module = importlib.import_module(node.module or "")
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                assert hasattr(module, name.name) or importlib.util.find_spec(whole), whole


def test_the_changelog_begins_with_this_version() -> None:
    """Between releases it is that of the next one, which the changelog calls Unreleased."""
    first = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert first == ("Unreleased" if "dev" in pyhectiqlab.__version__ else pyhectiqlab.__version__)


def test_upgrading_has_every_step_of_the_migrations_and_the_schemas_of_now() -> None:
    page = (ROOT / "docs" / "upgrading.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\| (\S+ \| \d+ \| .*) \|$", page, re.M)]
    steps = [name for _, _, _, names in rows for name in names.split(", ")]
    assert steps == [name for name, _ in MIGRATIONS], "docs/upgrading.md: add the step to the newest release's row"
    for release, meta, _, names in rows:
        last = names.split(", ")[-1]
        assert int(meta) == steps.index(last) + 1, f"docs/upgrading.md: the schema of lab.db of {release}"
    assert int(rows[-1][2]) == SCHEMA_VERSION, "docs/upgrading.md: the schema of points.db"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_conflict_that_was_not_solved(page: Path) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(), re.MULTILINE)


def test_no_page_has_lost_a_section() -> None:
    differ = [line for line in ndiff(OUTLINE.read_text().splitlines(), outline().splitlines()) if line[0] in "+-"]
    assert not differ, "\n".join(["Headings changed. If you meant that: python -m tests.docs_outline", *differ])


def test_each_page_of_a_folder_is_on_the_site() -> None:
    pages = {f"../{path.relative_to(ROOT).with_suffix('')}" for path in ROOT.glob("pyhectiqlab/*/README.md")}
    missing = pages - set((ROOT / "docs/index.md").read_text().split())
    assert not missing, "name them in docs/index.md"
