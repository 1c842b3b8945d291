"""Scripts and the lives of their projects: a rename is no matter; an archived or deleted one loses nothing."""

from __future__ import annotations

from pyhectiqlab.transport.http import LabClient

from .conftest import Site

WHILE_IT_RUNS = """
import sys
from pathlib import Path
from pyhectiqlab import Run, read
run = Run("living", project=sys.argv[1], should_create_project=True)
for step in range(100):
    run.add_metrics("loss", 1.0, step)
assert run.flush()
project = read.project(sys.argv[1])
getattr(project, sys.argv[2])(*sys.argv[3:])
for step in range(100, 200):
    run.add_metrics("loss", 1.0, step)
print("close:", run.close())
"""
BEGIN = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[2], project=sys.argv[1], should_create_project=True)
run.add_metrics("loss", 1.0, 0)
run.flush()
print("mode:", run.mode)
run.close()
"""


def points(client: LabClient, project: str) -> dict[str, int]:
    return {run["name"]: run["points"] for run in client.get("/runs", {"project": project})["items"]}


def test_a_script_goes_on_while_its_project_is_renamed_and_the_next_finds_it_by_the_old_name(site: Site) -> None:
    done = site.run(WHILE_IT_RUNS, "named so", "rename", "named otherwise")
    assert (done.returncode, done.stdout) == (0, "close: True\n"), done.stderr
    again = site.run(BEGIN, "named so", "second")
    assert "mode: online" in again.stdout, again.stderr
    with site.client() as client:
        assert points(client, "named otherwise") == {"living": 200, "second": 1}


def test_a_script_goes_on_in_an_archived_project_and_a_new_run_is_kept_until_it_is_none(site: Site) -> None:
    done = site.run(WHILE_IT_RUNS, "shelved", "archive")
    assert (done.returncode, done.stdout) == (0, "close: True\n"), done.stderr
    kept = site.run(BEGIN, "shelved", "second")
    assert "mode: kept" in kept.stdout and "takes no new runs" in kept.stderr and "unarchive" in kept.stderr
    with site.client() as client:
        assert points(client, "shelved") == {"living": 200}
        client.patch("/projects/shelved", {"archived": False})
        assert site.cli("sync").returncode == 0
        assert points(client, "shelved") == {"living": 200, "second": 1}


def test_what_a_script_logs_to_a_deleted_project_is_put_aside_for_when_it_is_back(site: Site) -> None:
    site.run(WHILE_IT_RUNS, "dropped", "delete")
    with site.client() as client:
        client.post("/projects/dropped/restore")
        assert points(client, "dropped") == {"living": 100}
        assert site.cli("quarantine", "restore").returncode == 0
        assert site.cli("sync").returncode == 0
        assert points(client, "dropped") == {"living": 200}
