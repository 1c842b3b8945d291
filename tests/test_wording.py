"""Texts for people count well: one event, two events.

What is counted goes through `counted` of base/texts.py, so that no text says "1 events".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pyhectiqlab

PACKAGE = Path(pyhectiqlab.__file__).parent
NOUNS = (
    "attempts|batches|cells|columns|connections|copies|datasets|days|events|files|hours|keys|labs|"
    "lines|members|minutes|models|objects|parts|points|processes|projects|ranks|records|rows|runs|seconds|sessions|"
    "shards|steps|tags|tries|uploads|users|values|versions|writers"
)
KEPT = {("standins/wandb/table.py", "{len(self.columns)} columns: ")}  # W&B's own words


def counted_by_hand(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of the f-strings that put a number before the plural of a noun. A bound is more
    than one: its name is in capitals, or says `most`.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for number, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            name = ast.unparse(number.value)
            if re.match(rf" (new |more |other )?({NOUNS})\b", str(text.value)) and not re.search(
                r"[A-Z]{3}|most", name
            ):
                yield node.lineno, f"{{{name}}}{str(text.value)[:30]}"


def test_a_number_before_a_noun_has_a_rule_for_one() -> None:
    by_hand = {
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        if "node_modules" not in path.parts
        for _, text in counted_by_hand(ast.parse(path.read_text()))
    }
    assert by_hand == KEPT, "count with `counted` of base/texts.py"


def test_the_web_app_has_a_rule_for_one_too() -> None:
    """Numbers before nouns are written by `plural` of base/format.ts. "3 of 7 runs" needs no rule."""
    number = r"(?<!of )(?<!of \$)\{format(?:Integer|Compact|Value)\((?P<name>[^{}`]*)\)\}"
    by_hand = [
        f"{path.name}: {match[0]}"
        for path in (PACKAGE / "web" / "src").rglob("*.ts*")
        if not path.name.endswith(".test.ts") and "schema" not in path.parts
        for match in re.finditer(rf"{number} ({NOUNS}|bytes|charts|groups|panels)\b", path.read_text())
        if not re.search(r"[A-Z]{3}", match["name"])
    ]
    assert not by_hand, "count with `plural` of base/format.ts"
