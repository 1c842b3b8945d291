"""A lab that `scripts/fill` made, with every kind of thing in it, moves to several engines and back and is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import LabError
from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.opening import open_beside

from ..commands import run_command
from ..labs import ForkedLab
from ..server.api import Api, wait_until
from .move_places import empty_place, everything
from .seen import Seen, assert_same

FILL = Path(__file__).resolve().parents[2] / "benchmarks" / "_fill.py"
SMALL = ("--runs", "2", "--keys", "4", "--keys-per-run", "3", "--long-runs", "0", "--wide-runs", "0")
LARGE = (
    *("--runs", "300", "--keys", "40", "--keys-per-run", "20"),
    *("--long-runs", "0", "--wide-runs", "1", "--wide-keys", "10000"),
)
# The newest runs of each project, through the API; everything that is stored of all runs is compared by digest.
RUNS_SEEN = 40
ADA = {"username": "ada", "password": "correct horse 7"}
OF_STARTS = {
    "users",
    "web_sessions",
    "login_links",
    "api_keys",
    "audit",
}  # tables to which a lab's start and a login add


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Addresses, Path]]:
    with empty_place(tmp_path) as place:
        yield place


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL, marks=pytest.mark.timeout(900)),
        pytest.param(LARGE, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
    ids=["small", "large"],
)
def test_a_lab_that_fill_made_moves_there_and_back_and_is_the_same(
    size: tuple[str, ...], place: tuple[Addresses, Path], tmp_path: Path
) -> None:
    at, config = place
    filled, back = tmp_path / "filled", tmp_path / "back"
    done = subprocess.run([sys.executable, FILL, "--data", filled, *size], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    with ForkedLab(filled, tmp_path / "home", "--lost-after", "5") as lab:
        key = lab.api_key
        Api(lab.url, key).call("POST", "/users", 201, json=ADA)
        wait_until(lambda: is_settled(filled), 60)
        before = Seen(lab.url, key, RUNS_SEEN).parts
        there = ("--data", str(filled), "--to", str(config))
        move(*there, says="are copied. The lab runs: stop it")
    assert_all_kinds(before)
    stored = everything(filled)
    move(*there)
    with pytest.raises(LabError, match=r"was moved to postgresql://.*admin move --data .* --forget"):
        lab.start()
    assert everything(at) == stored
    arguments = ("--database", at.database, "--points", at.points, "--files", at.files)
    with ForkedLab(None, tmp_path / "home2", *arguments) as lab:
        assert_same(Seen(lab.url, key, RUNS_SEEN).parts, before)
        assert Api(lab.url, key).raw("POST", "/login", json=ADA).status_code == 200
        refused = run_command("admin", "move", *there)
        assert refused.returncode == 1 and "has a lab already" in refused.stderr and refused.stderr.count("\n") == 1
    move("--to", str(back), HECTIQLAB_CONFIG=str(config))
    again = everything(back)
    assert without(again, OF_STARTS) == without(stored, OF_STARTS)
    with ForkedLab(back, tmp_path / "home3") as lab:
        assert_same(Seen(lab.url, key, RUNS_SEEN).parts, before)
    move("--forget", "--data", str(filled), says="is a lab again")
    assert without(everything(filled), OF_STARTS) == without(stored, OF_STARTS)


def move(*arguments: str, says: str = "Moved and compared", **variables: str) -> None:
    printed = run_command("admin", "move", *arguments, env={**os.environ, **variables}, timeout=1800)
    assert printed.returncode == 0 and says in printed.stdout, printed


def is_settled(data: Path) -> bool:
    """Return whether the lab has copied the points of forks, and knows who is silent."""
    with closing(open_beside(data)) as storage, storage.meta.reading() as view:
        running = view.conn.exec_driver_sql("SELECT count(*) FROM runs WHERE state IN ('running', 'training')")  # type: ignore[attr-defined]
        return not view.forks_left(1) and running.scalar_one() == 0


def without(parts: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if name not in names}


def assert_all_kinds(parts: dict[str, Any]) -> None:
    """Assert that what `scripts/fill` makes has everything that could be lost."""
    paths = list(parts)
    runs = {run["name"]: run for what, part in parts.items() if what.startswith("/runs {") for run in part["items"]}
    trained, fork = runs["trained"], runs["fork"]
    its = f"/runs/{trained['id']}"
    assert (trained["ranks"], trained["attempt"], trained["group"]) == (2, 2, "pair")
    assert trained["note"] and trained["tags"] and fork["fork"]["parent"] == trained["id"]
    assert {group["kind"] for group in parts[f"{its}/media {{}}"]["items"]} == {
        *("figure", "histogram", "image", "table", "text")
    }
    assert parts[f"{its}/logs {{}}"]["items"] and parts[f"{its}/config {{}}"]
    assert len(parts[f"{its}/attempts {{}}"]["items"]) == 2
    assert max(item["version"] for item in parts[f"{its}/artifacts {{'versions': 'all'}}"]["items"]) == 2
    for kind in ("models", "datasets", "views"):
        assert any(f"/{kind}" in path and part["items"] for path, part in parts.items() if "versions" not in path), kind
    assert sum("/content" in path for path in paths) > 10 and "deleted" not in runs
