"""Who may only read is told so in a line for each run. What others may bring comes; the rest, once there are rights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.transport.projects import project_path

from .conftest import Site, unique
from .kinds import KINDS, SAMPLES, prepare, runs_in


def reader(site: Site) -> tuple[Site, str]:
    """Return a user of the lab who may only read, and their name."""
    with site.client() as lab:
        name = unique("eve")
        lab.post("/users", {"username": name, "password": "a long password", "role": "viewer"})
        with LabClient(site.lab.url, auth=(name, "a long password")) as theirs:
            key = theirs.post("/keys", {"name": "k"})["key"]
    return Site(site.lab, site.home, {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": key}), name


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_only_read_is_told_and_brings_it_once_a_member(site: Site, tmp_path: Path, kind: str) -> None:
    source = prepare(kind, site, tmp_path)
    eve, name = reader(site)
    project = unique("closed")
    with site.client() as lab:
        lab.post("/projects", {"name": project})
    done = eve.cli("import", kind, str(source), "-p", project)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and lines and "Traceback" not in done.stderr, done
    assert all(line.startswith("Left out: ") for line in lines), lines
    assert any("A viewer of this project adds no runs" in line for line in lines), lines
    assert runs_in(site, project) == []
    with site.client() as lab:
        lab.put(f"/projects/{project}/members/{name}", {"role": "member"})
    done = eve.cli("import", kind, str(source), "-p", project, "--json")
    assert runs_in(site, project) and all(run["points"] for run in runs_in(site, project)), done
    assert {run["author"] for run in runs_in(site, project)} == {name}


def test_what_may_be_brought_comes_though_another_project_is_closed(site: Site, tmp_path: Path) -> None:
    closed, open_ = unique("a"), unique("b")
    eve, name = reader(site)
    with site.client() as lab:
        for project in (closed, open_):
            shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", tmp_path / f"{project}.db")
            lab.post("/projects", {"name": project})
        lab.put(f"/projects/{open_}/members/{name}", {"role": "member"})
    done = eve.cli("import", "trackio", str(tmp_path))
    assert (
        done.returncode == 1 and f"of the project {closed!r}: A viewer of this project adds no runs" in done.stderr
    ), done
    assert not runs_in(site, closed) and runs_in(site, open_)
    with site.client() as lab:
        lab.put(f"/projects/{closed}/members/{name}", {"role": "member"})
    printed = json.loads(eve.cli("import", "trackio", str(tmp_path), "--json").stdout)
    assert [(one["project"] == closed) != one["was_there"] for one in printed] == [True] * len(printed)
    assert len(runs_in(site, closed)) == len(runs_in(site, open_))


def test_a_key_for_metrics_alone_and_one_that_is_gone_are_told(site: Site, tmp_path: Path) -> None:
    source = prepare("csv", site, tmp_path)
    with site.client() as lab:
        metrics = lab.post("/keys", {"name": "prometheus", "scope": "metrics"})["key"]
    for key in (metrics, "no key"):
        them = Site(site.lab, site.home, {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": key})
        done = them.cli("import", "csv", str(source), "-p", unique("none"))
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "key" in done.stderr, done


def test_of_an_export_with_a_project_that_is_closed_the_others_come(site: Site, tmp_path: Path) -> None:
    closed, open_ = unique("a"), unique("b")
    (tmp_path / "one.csv").write_text("step,loss\n1,0.5\n")
    for project in (closed, open_):
        assert site.cli("import", "csv", str(tmp_path / "one.csv"), "-p", project).returncode == 0
    assert site.cli("export", closed, open_, str(tmp_path / "out")).returncode == 0
    eve, name = reader(site)
    with site.client() as lab:
        lab.patch(project_path(lab, closed), {"private": True})
        lab.put(f"/projects/{open_}/members/{name}", {"role": "member"})
    done = eve.cli("import", "folder", str(tmp_path / "out"))
    author, refused = done.stderr.splitlines()  # a line also says that the run gets another author
    assert done.returncode == 1 and refused.startswith(f"Left out: the project '{closed}' and its runs: "), done
    assert author.startswith("Left out: one (2): its author"), done
    assert sorted(run["name"] for run in runs_in(site, open_)) == ["one", "one (2)"]
    assert [run["name"] for run in runs_in(site, closed)] == ["one"]
