"""Retention of a real lab: the command, HTTP, a rule that is taken up at once, a kill in a step, a clock that leapt."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from pyhectiqlab.cli import main
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.store.retention import DAY_S
from pyhectiqlab.testing.lab import RealLab

from ..stores import new_store, sql
from .ageing import World
from .api import Api, error_of, new_id, wait_until
from .test_artifacts import add
from .test_killed_upkeep import killed_at


def admin(data: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["admin", "retention", *words, "--data", str(data)])
    assert done.exit_code == code, done.output
    return done.output


def backdate(data: Path, run: str, days: float) -> None:
    """Make everything that is known of the run so many days older. A lab may run meanwhile."""
    with sql(data) as conn:
        for change in (
            "UPDATE runs SET last_activity = last_activity - :by WHERE id = :run",
            "UPDATE sessions SET last_seen = last_seen - :by WHERE run_id = :run",
            "UPDATE blobs SET used = used - :by WHERE digest IN (SELECT digest FROM artifacts WHERE run_id = :run)",
            "UPDATE artifacts SET created = created - :by WHERE run_id = :run",
        ):
            conn.execute(text(change), {"by": days * DAY_S, "run": run})


def ended(api: Api, name: str, project: str) -> str:
    session = new_id(8)
    run = api.attach(name, session=session, project=project, create_project=True)["run"]["id"]
    api.end(session, run, "completed")
    return str(run)


@pytest.fixture
def project(api: Api) -> str:
    return str(api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["name"])


def test_the_command_sets_lists_and_previews(lab: RealLab, api: Api, project: str) -> None:
    run = ended(api, "old one", project)
    for i in range(3):  # no other test has these: a file that others need, too, is not freed
        add(api, f"/runs/{run}", "x", f"{run}, version {i}".encode())
    backdate(lab.data_dir, run, 100)
    previewed = admin(lab.data_dir, "--project", project, "--versions-max", "2", "--dry-run")
    assert "old one/x, version 1" in previewed and "0 runs and 1 version of artifacts would go: 23 B" in previewed
    previewed = admin(lab.data_dir, "--project", project, "--runs-days", "99", "--versions-max", "1", "--dry-run")
    assert "old one" in previewed and "1 run and 0 versions of artifacts would go: 69 B of files" in previewed
    (preview,) = json.loads(admin(lab.data_dir, "--project", project, "--runs-days", "99", "--dry-run", "--json"))
    assert [r["id"] for r in preview["runs"]] == [run] and preview["versions"] == [] and preview["freed_bytes"] == 69
    assert api.run(run)["kept_until"] is None, "nothing was set"

    admin(lab.data_dir, "--project", project, "--runs-days", "200", "--versions-max", "ever", "--keep-tag", "golden")
    listed = admin(lab.data_dir)
    (line,) = [line.split() for line in listed.splitlines() if line.startswith(project)]
    assert line[1:] == ["200", "ever", "(ever)", "golden"], "in brackets: as the lab has it"
    assert api.get(f"/projects/{project}")["retention"] == {
        "runs_days": 200, "versions_max": None, "versions_days": None, "keep_tag": "golden",
        "own": ["keep_tag", "runs_days", "versions_max"],
    }  # fmt: skip
    assert api.run(run)["kept_until"] == pytest.approx(time.time() + 100 * DAY_S, abs=600)
    admin(lab.data_dir, "--project", project, "--runs-days", "default", "--keep-tag", "default")
    assert api.get(f"/projects/{project}")["retention"]["own"] == ["versions_max"]
    change = api.get("/audit", limit=1)["items"][0]
    assert (change["action"], change["subject"], change["detail"]) == (
        "set the retention", f"project {project}", "versions_max ever"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--runs-days", "soon"), "write 1 to 36500, ever or default"),
        (("--runs-days", "0"), "'0' is not a number of days"),
        (("--versions-max", "-1"), "is not a number of versions"),
        (("--versions-days", "9" * 5000), "is not a number of days"),
        (("--keep-tag", ""), "is not a tag"),
    ],
)
def test_what_is_no_rule_is_said(lab: RealLab, words: tuple[str, ...], message: str) -> None:
    output = admin(lab.data_dir, *words, code=2)
    assert message in output.splitlines()[-1]


def test_a_project_or_a_lab_that_is_not_there_is_said(lab: RealLab, tmp_path: Path) -> None:
    for words in (("--project", "none such"), ("--data", str(tmp_path))):
        done = CliRunner().invoke(main, ["admin", "retention", "--runs-days", "9", "--data", str(lab.data_dir), *words])
        assert done.exit_code == 1 and done.output.count("\n") == 1 and done.output.startswith("Error: "), done.output


def test_an_admin_of_the_project_sets_it_over_http(api: Api, other: Api, project: str) -> None:
    answer = api.call("PUT", f"/projects/{project}/retention", json={"runs_days": 90, "versions_days": None})
    assert answer["retention"]["runs_days"] == 90 and answer["retention"]["own"] == ["runs_days", "versions_days"]
    assert other.raw("PUT", f"/projects/{project}/retention", json={"runs_days": 1}).status_code == 403
    for body in (
        {"runs_days": 0},
        {"runs_days": "90"},
        {"versions_max": 1 << 40},
        {"keep_tag": ""},
        {"keep_tag": None},
    ):
        assert error_of(api.raw("PUT", f"/projects/{project}/retention", json=body))["code"] == "invalid"
    assert api.call("PUT", f"/projects/{project}/retention", json={})["retention"]["own"] == []


def test_a_running_lab_takes_a_rule_up_at_once(lab: RealLab, api: Api, project: str) -> None:
    old, young = ended(api, "old", project), ended(api, "young", project)
    first, _ = add(api, f"/runs/{young}", "x", b"1"), add(api, f"/runs/{young}", "x", b"2")
    backdate(lab.data_dir, old, 100)
    backdate(lab.data_dir, young, 2)
    admin(lab.data_dir, "--project", project, "--runs-days", "30", "--versions-max", "1")
    wait_until(lambda: api.raw("GET", f"/artifacts/{first['uuid']}").status_code == 410)
    assert error_of(api.raw("GET", f"/artifacts/{first['uuid']}"))["code"] == "version_removed"
    assert error_of(api.raw("GET", f"/runs/{old}"))["code"] == "run_deleted"
    body = {"id": first["uuid"], "name": "x", "digest": first["digest"], "bytes": 1}
    assert error_of(api.raw("POST", f"/runs/{young}/artifacts", json=body))["code"] == "version_removed"
    changes = [c for c in api.get("/audit", limit=50)["items"] if c["who"] == "retention" and project in c["subject"]]
    assert [(c["via"], c["action"]) for c in changes] == [("lab", "removed"), ("lab", "deleted")]
    api.call("POST", f"/runs/{old}/restore")
    assert api.run(old)["kept_until"] == pytest.approx(time.time() + 30 * DAY_S, abs=60)


@pytest.fixture
def old_lab(own_lab: RealLab) -> tuple[RealLab, list[str]]:
    """Make a lab that is not started, with a rule, three runs that it ends, and one that lives."""
    own_lab.arguments = ("--lost-after", "1")
    own_lab.data_dir.mkdir(parents=True)
    with closing(new_store(own_lab.data_dir)) as meta:
        world = World(meta, time.time())
        runs = [world.run(f"r{i}", days=400) for i in range(3)]
        world.run("young", days=0.1)
        world.set(runs_days=30)
    return own_lab, runs


def test_killed_in_a_step_it_is_done_once(old_lab: tuple[RealLab, list[str]], tmp_path: Path) -> None:
    lab, runs = old_lab
    killed_at(lab, "upkeep.retained", 1, tmp_path / "died")
    with sql(lab.data_dir) as conn:
        deleted = conn.execute(text("SELECT count(*) FROM runs WHERE deleted IS NOT NULL")).scalar()
    assert deleted == 0, "all or nothing"
    api = Api.of(lab.start())
    wait_until(lambda: all(api.raw("GET", f"/runs/{run}").status_code == 410 for run in runs))
    items = [c["subject"] for c in api.get("/audit", limit=100)["items"] if c["who"] == "retention"]
    assert sorted(items) == [f"run p/r{i} ({run})" for i, run in enumerate(runs)], "each once"
    assert [run["name"] for run in api.get("/runs", project="p")["items"]] == ["young"]


def test_a_lab_that_wakes_up_in_another_year_says_so_and_deletes_nothing(old_lab: tuple[RealLab, list[str]]) -> None:
    lab, runs = old_lab
    with closing(open_beside(lab.data_dir)) as storage, storage.meta.writing() as tx:
        tx.set_lab_value("clock", json.dumps({"seen": time.time() - 399 * DAY_S, "steady_from": 0.0}))
    assert "Nothing goes before" not in admin(lab.data_dir)
    api = Api.of(lab.start())
    wait_until(lambda: "nothing is removed by its age until" in lab.log())
    wait_until(lambda: "Nothing goes before" in admin(lab.data_dir))
    assert "3 runs" in admin(lab.data_dir, "--dry-run")
    assert all(api.run(run)["kept_until"] < time.time() for run in runs), "due, and still there"
