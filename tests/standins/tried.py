"""With which releases the real frameworks were tried: `python -m tests.standins.tried RESULTS.xml…` keeps it.

The results are those of `pytest --junitxml=RESULTS.xml tests/standins tests/integrations`, of the environment that runs
this; a folder behind them is that of HECTIQLAB_TEST_SOURCES. `tried.json` has them, and page.py writes them into
docs/compatibility.md. A `note` that somebody writes into a row, such as why a test failed, stays until it is replaced.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from .page import TRIED

# Package or repository → the tests about it, as FILE::TEST.
ABOUT = {
    "transformers": r"test_frameworks::test_(the_trainer|one_variable)|test_huggingface::",
    "trl": r"test_frameworks::test_trl",
    "accelerate": r"test_frameworks::test_accelerate",
    "lightning": r"test_frameworks::test_loggers_of_lightning|test_autolog::.*lightning|test_lightning::",
    "ray": r"test_frameworks::test_ray|test_ray::",
    "keras": r"test_keras::",
    "fastai": r"test_fastai::",
    "ultralytics": r"test_ultralytics::",
    "stable-baselines3": r"test_stable_baselines3::",
    "optuna": r"test_optuna::",
    "hydra-core": r"test_hydra::",
    "xgboost-cpu": r"test_trees::.*xgboost",
    "lightgbm": r"test_trees::.*lightgbm",
    "scikit-learn": r"test_trees::.*(scikit|search|sklearn)|test_autolog::.*scikit",
    "pytorch-ignite": r"test_ignite::",
    "mlflow-skinny": r"test_autolog::|beside_the_real_ones|test_mlflow_beside",
    "wandb": r"(wandb|frameworks|sources|equal_runs)::.*(beside|real_ones|mirror|nanogpt)",
    "nanoGPT": r"test_sources::test_nanogpt",
    "verl": r"test_sources::test_verl",
    "torchtitan": r"test_sources::test_torchtitan",
    "cleanrl": r"test_sources::test_cleanrl",
    "pytorch-lightning": r"test_sources::test_lightning",
}


def version(name: str, sources: Path | None) -> str:
    """Return the release that is installed, or the commit of a clone."""
    if sources is not None and (sources / name).is_dir():
        show = ["git", "-C", str(sources / name), "log", "-1", "--format=%h, %cs"]
        return subprocess.run(show, capture_output=True, text=True).stdout.strip()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def results(paths: list[Path]) -> dict[str, str]:
    """Return FILE::TEST → passed, failed or skipped; of a test that ran several times, the last one."""
    ended = {}
    for path in paths:
        for case in ElementTree.parse(path).iter("testcase"):
            test = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
            ended[test] = "skipped" if kinds == {"skipped"} else "failed" if kinds else "passed"
    return ended


def main(paths: list[Path], sources: Path | None) -> None:
    """Replace the rows of what these results are about; the others stay."""
    known = json.loads(TRIED.read_text()) if TRIED.exists() else {}
    ended = results(paths)
    for name, pattern in ABOUT.items():
        counts = Counter(how for test, how in ended.items() if re.search(pattern, test))
        if counts["passed"] + counts["failed"]:
            row = {"version": version(name, sources), "date": str(datetime.date.today())}
            known[name] = row | {how: counts[how] for how in ("passed", "failed", "skipped")}
    TRIED.write_text(json.dumps({name: known[name] for name in ABOUT if name in known}, indent=1) + "\n")


if __name__ == "__main__":
    *given, last = map(Path, sys.argv[1:])
    main([*given, last] if last.suffix == ".xml" else given, None if last.suffix == ".xml" else last)
