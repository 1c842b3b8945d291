"""Two labs: one with runs of every kind in it, and an empty one, in which exports arrive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..labs import ForkedLab
from ..process.conftest import Site, eventually

RUNS = """
import math, pathlib, sys, os
import numpy as np
from pyhectiqlab import Config, Run


run = Run("everything", project="source", should_create_project=True)
run.add_config(Config(lr=0.1, nan=math.nan, model=Config(layers=3, sizes=[1, 2, 3])))
run.add_meta("seed", 17)
run.training()
run.start_recording_logs(capture_console=True).warning("a log")
for step in range(60):
    run.add_metrics("loss", math.nan if step % 17 == 3 else math.sin(step * 0.1) / 3, step=step)
    run.add_metrics({"valid/acc": step / 40, "valid/size": 1e300 if step == 5 else -math.inf}, step=step // 2)
run.add_metrics("loss", 0.25, step=3)
run.add_metrics("loss", 0.25, step=3)
run.add_metrics("late", 1.0, step=-5)
for step in (0, 10):
    run.add_histogram(np.arange(100) * (step + 1.0), "weights", step=step)
run.add_text("a text", "samples/one", step=1)
run.add_table([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "errors", step=2)
run.add_image(np.zeros((4, 5, 3), np.uint8), "train/sample", step=3)
run.add_tag("kept", description="why", color="red")
run.add_tag("baseline")
run.set_note("a note\\nof two lines")
run.set_paper("# Paper\\n\\nText")
folder = pathlib.Path(os.environ["HECTIQLAB_HOME"], "made")
folder.mkdir(parents=True)
(folder / "weights.bin").write_bytes(bytes(range(256)) * 40)
(folder / "README.md").write_text("# A model")
run.add_artifact(str(folder / "weights.bin"))
run.add_artifact(str(folder / "weights.bin"), step=5)
run.add_mlmodel(str(folder), "net", version="1.0.0", short_description="small")
print("printed by the script")
print("to stderr", file=sys.stderr)
run.completed()
assert run.flush(timeout=60)
run.close()

again = Run("everything", project="source")
again.add_config(Config(lr=0.2))
again.add_metrics("loss", 0.5, step=40)
again.add_metrics("loss", 0.125, step=41)
again.failed()
assert again.flush(timeout=60)
again.close()

small = Run("small", project="source")
small.add_metrics("loss", 2.0, step=0)
assert small.flush(timeout=60)
small.close()

fork = Run("fork", project="source", group="forks", fork_of="everything", at_step=20)
fork.add_metrics("loss", 1.0, step=21)
fork.add_mlmodel_usage("net", "1.0.0")
fork.add_dataset(str(folder), "set", version="2.1.0", short_description="of files")
fork.add_dataset_usage("set", "2.1.0")
fork.add_shared_artifact(str(folder / "README.md"))
fork.add_package_versions()
fork.set_metrics_cache_settings(aggr="mean", max_cache_length=4)
for step in range(8):
    fork.add_metrics("cached", step, step=step)
assert fork.flush(timeout=60)
fork.close()
"""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a lab with the project `source`."""
    folder = tmp_path_factory.mktemp("source")
    with ForkedLab(folder / "data", folder / "home") as lab:
        site = Site(lab, folder / "spool")
        done = site.run(RUNS)
        assert done.returncode == 0, done
        with site.client() as client:
            run = site.find("everything")
            eventually(lambda: not site.find("fork")["fork"]["copying"], what="the points of the fork")
            actions = [
                {"action": "tag", "runs": [run["id"]], "name": "by hand", "color": "#00ff00", "description": None},
                {"action": "note", "runs": [site.find("small")["id"]], "text": "written later"},
                {"action": "group", "runs": [site.find("small")["id"]], "group": "by hand"},
                {"action": "archive", "runs": [site.find("small")["id"]]},
            ]
            client.post("/runs/actions", {"actions": actions})
            at = f"/projects/{run['project']['id']}"
            client.post(f"{at}/views", {"name": "mine", "document": {"columns": ["config.lr"]}, "shared": True})
            client.put(f"{at}/objective", {"key": "loss", "goal": "min"})
            client.put(f"{at}/models/net/aliases/best", {"version": "1.0.0"})
        yield site


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start another lab. Each test imports into projects of its own."""
    folder = tmp_path_factory.mktemp("target")
    with ForkedLab(folder / "data", folder / "home") as lab:
        yield Site(lab, folder / "spool")
