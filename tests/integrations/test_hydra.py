"""HectiqlabCallback with the real Hydra: a job and a multirun."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, config_of, unique

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hydra") is None, reason="hydra is not installed")

APPLICATION = """
import hydra
from pyhectiqlab.integrations.hydra import current_run

@hydra.main(version_base=None, config_name="conf", config_path=".")
def main(config):
    current_run().add_metrics("loss", config.lr, 0)
    if config.lr > 1:
        raise ZeroDivisionError("too fast")

main()
"""
CONFIG = """
lr: 0.1
double: ${lr}
needed: ???
broken: ${nowhere}
model: {widths: [4, 8]}
"""
START = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
CALLBACK = "+hydra.callbacks.lab._target_=pyhectiqlab.integrations.hydra.HectiqlabCallback"


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(APPLICATION)
    (tmp_path / "conf.yaml").write_text(CONFIG)
    return tmp_path


def test_a_job_is_a_run_with_its_config_and_overrides(site: Site, application: Path) -> None:
    output = application / "outputs" / unique("day") / "12-00-00"
    done = site.run(
        START, str(application / "train.py"), CALLBACK, "+hydra.callbacks.lab.output=true", "lr=0.5",
        f"hydra.run.dir={output}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'broken' is stored as it is written" in done.stderr
    name = f"train-{output.parent.name}-12-00-00"
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("completed", "the job is complete")
    config = config_of(site, name)
    assert (config["lr"], config["double"], config["needed"], config["broken"]) == (0.5, 0.5, "???", "${nowhere}")
    assert config["model"] == {"widths": [4, 8]}
    assert config["hydra"]["overrides"] == ["lr=0.5"]
    assert config["hydra"]["output_dir"] == str(output)
    assert site.points(name, "loss") == [(0, 0.5, 0)]
    with site.client() as client:
        assert [a["name"] for a in client.get(f"/runs/{run['id']}/artifacts")["items"]] == [".hydra.zip"]


def test_each_job_of_a_multirun_is_a_run_that_ends_as_the_job_does(site: Site, application: Path) -> None:
    name = unique("sweep")
    done = site.run(
        START, str(application / "train.py"), "-m", CALLBACK, f"+hydra.callbacks.lab.name={name}", "lr=0.1,0.2,3",
        f"hydra.sweep.dir={application}",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr  # Hydra ends with the first job that fails
    runs = [site.ended(f"{name}-{number}") for number in range(3)]
    assert [run["state"] for run in runs] == ["completed", "completed", "failed"]
    assert [run["group"] for run in runs] == [name] * 3
    assert runs[2]["state_why"] == "ZeroDivisionError: too fast"
    assert config_of(site, f"{name}-1")["hydra"]["number"] == 1
    assert site.points(f"{name}-1", "loss") == [(0, 0.2, 0)]
