"""HectiqlabLogger by the two calls that torchtitan makes, and in torchtitan's own container where it is installed."""

from __future__ import annotations

import pytest

from .conftest import Site, config_of, unique

SCRIPT = """
import sys
from pyhectiqlab.integrations.torchtitan import HectiqlabLogger

def logger(**options):
    return HectiqlabLogger(sys.argv[1], config={"dim": 8}, tag="llm", **options)
"""


def test_a_training_is_a_run_on_the_rank_that_logs(site: Site) -> None:
    name = unique("titan")
    script = SCRIPT + (
        "import os\n"
        "log = logger(logging_rank=1)\n"
        "log.log({'loss_metrics/global_avg_loss': 2.5, 'tps': 10}, step=1)\n"
        "log.run.add_tag('baseline')\n"
        "log.close()\n"
        "print(log.run.mode)\n"
    )
    modes = []
    for rank in "01":
        done = site.run(script, name, RANK=rank, WORLD_SIZE="2")
        assert done.returncode == 0, done.stderr
        modes.append(done.stdout.strip())
    assert modes == ["dry", "online"]
    run = site.ended(name)
    assert [tag["name"] for tag in run["tags"]] == ["baseline"]
    assert site.points(name, "llm/loss_metrics/global_avg_loss") == [(1, 2.5, 1)]
    assert config_of(site, name) == {"dim": 8}


@pytest.mark.slow
def test_torchtitans_container_takes_it_beside_its_own_loggers(site: Site) -> None:
    pytest.importorskip("torchtitan.components.metrics")
    name = unique("container")
    script = SCRIPT + (
        "from torchtitan.components.metrics import LoggerContainer\n"
        "container = LoggerContainer()\n"
        "container.add_logger(logger())\n"
        "container.log({'loss': 1.0}, 3)\n"
        "container.close()\n"
    )
    done = site.run(script, name, timeout=110)
    assert done.returncode == 0, done.stderr
    assert site.ended(name)["state"] == "completed"
    assert site.points(name, "llm/loss") == [(3, 1.0, 0)]
