"""docs/compatibility.md, out of the docstrings of the tests: `python -m tests.standins.page` writes it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
TRIED = Path(__file__).with_name("tried.json")
HEAD = """# Compatibility

What the tests of the stand-ins for other trackers cover. Each row is a test: it runs these calls in a script of its own
against a real lab, and compares what the lab has. Rows that begin with "beside" also run the real tracker, and compare
both. The tests in `test_sources.py` need the files of public repositories: `HECTIQLAB_TEST_SOURCES` names their folder,
and without it they are skipped. The tests in `test_frameworks.py` need the frameworks.
[Other trackers](guide/trackers.md) says what becomes of each call.

`python -m tests.standins.page` writes this page.
"""


def rows(path: Path) -> list[tuple[str, str]]:
    """Return (what is tested, name of the test) of each test that says it."""
    tree = ast.parse(path.read_text())
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return [(" ".join((ast.get_docstring(test) or "").split()), test.name) for test in tests]


RELEASES = """
## Releases

These releases and commits of real frameworks and repositories were tested last. Most of them are not part of each run
of the tests. `python -m tests.standins.tried` writes this table.

| what | release, or commit | when | passed | failed | skipped | note |
|---|---|---|---|---|---|---|
"""


def releases() -> str:
    names = ("version", "date", "passed", "failed", "skipped", "note")
    tried = json.loads(TRIED.read_text())
    return RELEASES + "".join(
        f"| {' | '.join([what, *(str(row.get(name, '')) for name in names)])} |\n" for what, row in tried.items()
    )


def page() -> str:
    text = HEAD + releases()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        listed = [(what, name) for what, name in rows(path) if what]
        if not listed:
            continue
        title = (ast.get_docstring(ast.parse(path.read_text())) or "").partition(":")[0]
        text += f"\n## {title}\n\n| what | test in `{path.name}` |\n|---|---|\n"
        text += "".join(f"| {what.replace('|', chr(92) + '|')} | `{name}` |\n" for what, name in listed)
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
