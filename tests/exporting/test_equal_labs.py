"""A lab of `scripts/fill` comes out and into another lab as it was."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..labs import ForkedLab
from ..process.conftest import Site, eventually
from .equality import brought_equal

FILL = Path(__file__).parents[2] / "benchmarks" / "_fill.py"


def load_fill() -> Any:
    spec = importlib.util.spec_from_file_location("benchmarks_filling", FILL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FILL.parent))  # as for a script
    sys.modules[spec.name] = module  # its dataclasses need this
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FILL.parent))
    return module


def is_live(run: dict[str, Any]) -> bool:
    return run["state"] in ("pending", "running", "training")


def test_a_lab_of_scripts_fill_is_equal(target: Site, tmp_path: Path) -> None:
    filling = load_fill()
    wish = filling.Wish(runs=8, keys=12, keys_per_run=6, long_runs=1, long_points=30_000, wide_runs=1, wide_keys=1_200)
    filling.fill(tmp_path / "data", wish)
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--lost-after", "1") as lab, target.client() as theirs:
        source = Site(lab, tmp_path / "spool")
        with source.client() as ours:
            authors = {run["author"] for run in ours.pages("/runs")}
            for author in sorted(authors):
                theirs.post("/users", {"username": author, "password": "a long password"})
            eventually(lambda: not any(is_live(run) for run in ours.pages("/runs")), what="silent runs are lost")
        got = brought_equal(source, target, tmp_path / "out", filling.PROJECT)
    assert len(got) == 11 and len(authors) == 5
