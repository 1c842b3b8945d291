"""An export that is imported makes an equal lab."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from pyhectiqlab.transport.http import LabClient

from ..process.conftest import Site
from .equality import brought_equal, whole
from .test_export import exported


def imported(site: Site, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = site.cli("import", "folder", *arguments, "--json")
    assert done.returncode == code, done
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_the_lab_that_it_makes_is_equal(source: Site, target: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    got = brought_equal(source, target, folder, "source")
    assert (got["small"]["group"], got["fork"]["group"]) == ("by hand", "forks")
    assert got["fork"]["fork"] == {"parent": "everything", "step": 20, "copying": False}
    assert got["the project"]["models"][0]["used by"] == got["the project"]["datasets"][0]["used by"] == ["fork"]
    again = imported(target, str(folder))
    assert all(run["was_there"] for run in again["runs"]) and whole(target, "source") == got


def test_an_import_that_is_killed_goes_on(source: Site, target: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(source, "source", str(folder))
    command = "import sys; from pyhectiqlab.cli import main; main(sys.argv[1:])"
    for _ in range(3):
        process = target.start(command, "import", "folder", str(folder), "-p", "killed")
        with target.client() as lab:
            before = there(lab)
            while process.poll() is None and there(lab) == before:
                time.sleep(0.01)
        process.kill()
        process.communicate()
    report = imported(target, str(folder), "-p", "killed")
    assert report["problems"] == [] and whole(target, "killed") == whole(source, "source")


def there(lab: Any) -> tuple[int, int]:
    """Return how many runs and points a lab has."""
    runs = list(lab.pages("/runs"))
    return len(runs), sum(run["points"] for run in runs)


def test_what_is_damaged_is_told_and_comes_with_the_next_import(source: Site, target: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(source, "source", str(folder))
    run = source.find("everything")
    points = folder / "runs" / run["id"] / "points-000001.parquet"
    data = bytearray(points.read_bytes())
    data[100] ^= 1
    points.write_bytes(data)
    report = imported(target, str(folder), "-p", "damaged", code=1)
    # The fork of a run that is not there.
    assert {its["name"]: len(its["problems"]) for its in report["runs"]} == {"fork": 1, "small": 0}
    assert len(report["problems"]) == 1 and "points-000001.parquet is damaged" in report["problems"][0]
    shutil.rmtree(points.parent)
    exported(source, "source", str(folder))
    assert imported(target, str(folder), "-p", "damaged")["problems"] == []
    got, want = whole(target, "damaged"), whole(source, "source")
    assert got["everything"] == want["everything"] and got["fork"]["fork"] == want["fork"]["fork"]


def test_what_came_since_is_added(source: Site, target: Site, tmp_path: Path) -> None:
    script = """
    import sys
    from pyhectiqlab import Run
    run = Run("goes-on", project="goes-on", should_create_project=True)
    for step in range(int(sys.argv[1]), int(sys.argv[1]) + 10):
        run.add_metrics({"a": step / 3, "b": -step}, step=step)
    run.set_note(sys.argv[1])
    run.completed()
    assert run.flush(timeout=60)
    run.close()
    """
    folder = tmp_path / "out"
    for start in ("0", "10"):
        assert source.run(script, start).returncode == 0
        exported(source, "goes-on", str(folder))
        (report,) = imported(target, str(folder))["runs"]
        assert (report["points"] - report["before"], report["was_there"]) == (20, False)
        assert whole(target, "goes-on") == whole(source, "goes-on")


def test_an_admin_keeps_authors_and_nobody_else_does(source: Site, target: Site, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(source, "source/small", str(folder))
    author = source.find("small")["author"]
    keys = {}
    with target.client() as lab:
        for user in ("ada", "bob"):
            lab.post("/users", {"username": user, "password": "a long password"})
            with LabClient(target.lab.url, auth=(user, "a long password")) as theirs:
                keys[user] = theirs.post("/keys", {"name": "k"})["key"]
    report = imported(target, str(folder), "--user", f"{author}=ada", "-p", "first")
    assert report["problems"] == [] and target.find("first/small")["author"] == "ada"
    # An admin may bring what came since, and the run is its author's again.
    again = imported(target, str(folder), "--user", f"{author}=ada", "-p", "first")
    assert again["runs"][0]["was_there"] and target.find("first/small")["author"] == "ada"
    bob = Site(target.lab, target.home, {"HECTIQLAB_URL": target.lab.url, "HECTIQLAB_API_KEY": keys["bob"]})
    report = imported(bob, str(folder), "--user", f"{author}=ada", "-p", "second", code=1)
    assert "only an admin" in report["runs"][0]["problems"][0] and target.find("second/small")["author"] == "bob"
