"""A Run tells what its own names are for those of other trackers."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import pytest

from pyhectiqlab import Run
from pyhectiqlab.client.hints import HINTS
from pyhectiqlab.read import RunView


@pytest.fixture
def run() -> Run:
    return Run("hints", dry=True)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("log", "run.add_metrics('loss', 0.5, step=1)"),
        ("log_metrics", "run.add_metrics({"),
        ("track", "run.add_metrics"),
        ("config", "run.add_config({"),
        ("log_params", "run.add_config"),
        ("summary", "run.add_meta("),
        ("finish", "run.close()"),
        ("log_artifact", "run.add_artifact("),
    ],
)
def test_names_of_other_trackers_are_answered_with_ours(run: Run, name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(instead)) as e:
        getattr(run, name)
    assert str(e.value).startswith(f"a Run has no {name!r}: ")
    assert not hasattr(run, name) and getattr(run, name, None) is None


def test_hints_name_only_what_there_is(run: Run) -> None:
    for name, hint in HINTS.items():
        assert not hasattr(Run, name), f"{name} is a name of ours"
        for ours in re.findall(r"run\.(\w+)", hint):
            assert hasattr(Run, ours), (name, ours)
        for ours in re.findall(r"Run\.existing\(name\)\.(\w+)", hint):
            assert ours in RunView.__annotations__ or hasattr(RunView, ours), (name, ours)


def test_fields_of_a_run_are_answered_too(run: Run) -> None:
    with pytest.raises(TypeError, match=r"a Run has no fields: metrics are logged by run\.add_metrics"):
        run["loss"]  # type: ignore[index]
    with pytest.raises(TypeError, match=r"run\.add_config"):
        run["params"] = {"lr": 0.1}  # type: ignore[index]
    with pytest.raises(TypeError):
        list(run)


def test_a_typing_error_is_told_by_python_and_copies_are_as_before(run: Run) -> None:
    script = "from pyhectiqlab import Run\nRun('x', dry=True).add_artefact('x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "'Run' object has no attribute 'add_artefact'. Did you mean: 'add_artifact'?" in done.stderr
    assert copy.copy(run) is run and copy.deepcopy(run) is run
    assert pickle.loads(pickle.dumps(run)).name == "hints"
