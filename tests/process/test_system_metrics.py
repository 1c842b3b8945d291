"""System metrics, as the uploader logs them beside the script."""

from __future__ import annotations

import os
import signal

from .conftest import Site, eventually
from .test_ends import unique

SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 1.0, 1)
print(run.id, flush=True)
ballast = bytearray(50 << 20)
sys.stdin.readline()
"""
KEYS = ["system/cpu", "system/disk_free", "system/memory", "system/network/received", "system/network/sent"]


def keys(site: Site, name: str) -> list[str]:
    with site.client() as client:
        run = client.get("/runs/resolve", {"ref": name})
        return [item["key"] for item in client.pages(f"/runs/{run['id']}/keys")]


def test_the_machine_and_the_processes_of_the_script_are_told_while_it_lives(site: Site) -> None:
    name = unique("system")
    script = site.start(SCRIPT, name, HECTIQLAB_SYSTEM_METRICS="0.2")
    assert script.stdout is not None and script.stdout.readline()
    eventually(lambda: "system/cpu" in keys(site, name) and len(site.points(name, "system/process/memory")) >= 3)
    script.communicate("\n", timeout=30)
    run = site.ended(name)
    assert run["state"] == "completed" and run["losses"] == {} and run["last"]["loss"] == 1.0
    assert set(keys(site, name)) >= {*KEYS, "system/process/cpu", "system/process/memory", "loss"}
    assert max(value for _, value, _ in site.points(name, "system/process/memory")) > 50 << 20
    assert all(0 <= value <= 100 for _, value, _ in site.points(name, "system/cpu"))
    steps = [step for step, _, _ in site.points(name, "system/cpu")]
    assert steps == sorted(steps)
    assert not list((site.home / "spool").glob("*/queues/*"))


def test_an_uploader_after_a_killed_one_goes_on_and_loses_no_sample_of_it(site: Site) -> None:
    name = unique("system-kill")
    script = site.start(SCRIPT.replace("sys.stdin", "run.flush(); sys.stdin"), name, HECTIQLAB_SYSTEM_METRICS="0.2")
    assert script.stdout is not None and script.stdout.readline()
    eventually(lambda: "system/cpu" in keys(site, name))
    (pid,) = site.uploaders()
    os.kill(pid, signal.SIGKILL)
    script.communicate("\n", timeout=30)  # the end of the script starts another
    run = site.ended(name)
    assert run["state"] == "completed" and run["losses"] == {}


def test_they_can_be_turned_off_and_a_setting_that_is_none_is_no_harm(site: Site) -> None:
    for setting in ("0", "often"):
        name = unique("system-off")
        done = site.run(SCRIPT, name, HECTIQLAB_SYSTEM_METRICS=setting)
        assert done.returncode == 0, done.stderr
        site.ended(name)
        assert keys(site, name) == ["loss"]
