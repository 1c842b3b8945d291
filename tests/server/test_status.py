"""The state of the lab, as its admins ask for it: over HTTP, and by `hectiqlab admin status`, of a stopped one too."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab._version import __version__
from pyhectiqlab.server.counts.activity import RUNS_MAX, Activity
from pyhectiqlab.server.status.status_advice import advice
from pyhectiqlab.store.backups.backup import note
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from .api import Api, batch, events_batch, new_id, wait_until
from .test_notices import Chat, add, chat, ended

__all__ = ["chat"]


def command(lab: RealLab, *arguments: str, data: bool = True) -> subprocess.CompletedProcess[str]:
    words = ["--data", str(lab.data_dir)] if data else []
    env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")} | {"HECTIQLAB_HOME": str(lab.home)}
    done = run_command("admin", "status", *arguments, *words, env=env)
    assert done.returncode == 0, done.stderr
    return done


def attach(api: Api, name: str, project: str, **more: Any) -> str:
    return str(api.attach(name, project=project, create_project=True, **more)["run"]["id"])


def test_the_state_tells_who_takes_what_and_what_to_do(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        api = Api.of(own_lab)
        busy = attach(api, "busy", "vision", session="5e551011", host="node7", pid=1, client_version="0.0.1")
        quiet = attach(api, "quiet", "speech")
        api.ingest(batch(busy, new_id(), 1, 3000))
        api.ingest(batch(quiet, new_id(), 1, 1000))
        api.ingest(events_batch(busy, new_id(), 1, [("loss", {"reason": "spool_full", "count": 1, "events": 12})]))
        api.heartbeat("5e551011", busy, backlog=250_000)
        target, _ = add(own_lab, chat.url)
        chat.status = 404
        ended(api, "broken", "failed")
        wait_until(lambda: api.get("/admin/status")["notices"][0]["failed"], 30)

        def whole() -> Any:
            state = api.get("/admin/status")
            return state if {p["name"] for p in state["projects"]} >= {"vision", "speech"} else None

        answer = wait_until(whole, 30)  # totals are looked up now and then
        assert answer["version"] == __version__ and time.time() - answer["started"] < 120
        assert {d["name"] for d in answer["disk"]["databases"]} == {"lab.db", "points.db"}
        by_name = {p["name"]: p for p in answer["projects"]}
        assert by_name["vision"]["points"] == 3000
        assert by_name["vision"]["points_bytes"] > 2 * by_name["speech"]["points_bytes"] > 0
        first, second = answer["busiest_runs"]
        assert (first["id"], second["id"]) == (busy, quiet)
        assert first["points_per_s"] == pytest.approx(50, rel=0.5)
        client = answer["clients"][0]
        assert (client["session"], client["host"], client["version"], client["backlog"]) == (
            "5e551011",
            "node7",
            "0.0.1",
            250_000,
        )
        assert answer["client_versions"]["0.0.1"] == 1
        assert answer["losses"] == {"spool_full": 12}
        assert answer["notices"][0]["error"] == "it answered 404" and answer["waiting"]["notices"] == 1
        assert {"writer", "watch", "notifier", "compaction", "disk"} <= {t["name"] for t in answer["threads"]}
        advised = {item["what"]: item["do"] for item in answer["advice"]}
        for what, do in (
            ("No backup of this lab", "hectiqlab admin backup"),
            ("do not get through: it answered 404; 1 wait.", f"notify test {target}"),
            ("spool_full 12", "HECTIQLAB_SPOOL_MAX_BYTES"),
            ("node7 has 250,000 events", "hectiqlab status"),
            ("0.0.1 (1)", "upgrade"),
        ):
            assert [do for w, d in advised.items() if what in w and do in d], (what, advised)
        assert "secret-path" not in json.dumps(answer)

        api.call("DELETE", f"/runs/{quiet}")
        assert [run["id"] for run in api.get("/admin/status")["busiest_runs"]] == [busy], "a deleted run has no page"

        shown = command(own_lab).stdout
        for word in ("vision/busy", "node7", "Last backup: none", "it answered 404", "spool_full 12", "threads", "up "):
            assert word in shown or word.title() in shown, (word, shown)
        assert json.loads(command(own_lab, "--json").stdout)["threads"], "the lab that runs was asked"
        assert json.loads(command(own_lab, "--json", data=False).stdout)["lab_id"] == answer["lab_id"], "by the profile"
        kept = own_lab.credentials.read_text()
        own_lab.credentials.write_text("")
        assert "not asked: no profile here is one of this lab: `hectiqlab add-profile`" in command(own_lab).stdout
        own_lab.credentials.write_text(kept.replace("secret_api_key = ", "secret_api_key = 'x' # "))
        assert "not asked: profile 'local': The API key is wrong" in command(own_lab).stdout
        own_lab.credentials.write_text(kept)
        own_lab.stop()
        stopped = json.loads(command(own_lab, "--json").stdout)
        assert stopped["started"] is None and stopped["threads"] == [] and stopped["waiting"]["jobs"] is None
        assert {p["name"]: p["points"] for p in stopped["projects"]}["vision"] == 3000
        assert "not asked: it is stopped" in command(own_lab).stdout


def test_the_last_backup_is_told_and_that_it_is_old(own_lab: RealLab, tmp_path: Path) -> None:
    from pyhectiqlab.store.backups.backup import backup

    with own_lab:
        api = Api.of(own_lab)
        taken = backup(own_lab.data_dir, tmp_path / "backups")
        with contextlib.closing(open_beside(own_lab.data_dir)) as storage, storage.meta.writing() as tx:
            note(tx, taken)
        answer = api.get("/admin/status")
        assert answer["backup"]["path"] == taken.path and not [a for a in answer["advice"] if "backup" in a["what"]]
        assert "days old" in json.dumps(advice(answer, time.time() + 5 * 86_400))


def test_activity_fades_and_its_memory_is_bounded() -> None:
    now = 0.0
    activity = Activity(lambda: now)
    activity.note("steady", 600, 0)
    now = 600.0
    assert activity.busiest(10) == [], "ten minutes later nothing is left of it"
    for i in range(3 * RUNS_MAX):
        activity.note(f"r{i}", i, 0)
    assert len(activity._rates) <= RUNS_MAX
    assert [run for run, _ in activity.busiest(2)] == [f"r{3 * RUNS_MAX - 1}", f"r{3 * RUNS_MAX - 2}"]


@pytest.mark.parametrize(
    ("change", "what", "level"),
    [
        (
            {"disk": {"level": "full", "free": 10, "total": 100, "databases": []}},
            "The disk has 10 B left of 100 B, and files are refused below 67.1 MB.",
            "error",
        ),
        ({"damage": ["Points are damaged.", "Others, too."]}, "Points are damaged. And 1 more.", "error"),
        ({"threads": [{"name": "notifier", "failing_since": 1.0, "error": "no"}]}, "notifier fails: no", "error"),
        ({"waiting": {"jobs": 900}}, "900 requests wait", "warning"),
        (
            {"projects": [{"name": "p", "files": 95, "points_bytes": 1, "quota": 100}]},
            "files of p take 95 B",
            "warning",
        ),
        (
            {"disk": {"level": "ok", "databases": [{"name": "points.db", "bytes": 800 << 20, "unused": 600 << 20}]}},
            "of points.db are free pages",
            "info",
        ),
    ],
)
def test_each_trouble_has_its_advice(change: dict[str, Any], what: str, level: str) -> None:
    well = {
        "disk": {"level": "ok", "databases": []},
        "in_folder": True,
        "damage": [],
        "threads": [],
        "losses": {},
        "backup": {"taken": 0.0},
        "notices": [],
        "projects": [],
        "waiting": {"jobs": 0},
        "clients": [],
        "client_versions": {__version__: 3},
    }
    assert advice(well, 1.0) == []
    (item,) = advice({**well, **change}, 1.0)
    assert what in item["what"] and item["level"] == level and item["do"]
