"""Compute nodes without network log to a shared disk, and another machine sends it.

It sends while they run, after they have ended, and where they are gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from pyhectiqlab.spool import SessionDir, read_json

from . import elsewhere
from .conftest import Site, eventually
from .elsewhere import needs_another_machine
from .test_ends import unique

pytestmark = needs_another_machine

# Log as many points as each line says; 0 ends it.
NODE = """
import sys
from pyhectiqlab import Run
run, n = Run(sys.argv[1]), 0
print(run.mode, flush=True)
for line in sys.stdin:
    if not int(line):
        break
    for _ in range(int(line)):
        run.add_metrics("loss", float(n), n)
        n += 1
    run.flush(20)
    print("journaled", flush=True)
"""


class Node:
    """A job on another machine."""

    def __init__(self, site: Site, name: str, host: str = "node7", **env: str) -> None:
        self.process = elsewhere.start(site, host, NODE, name, **{"HECTIQLAB_MODE": "offline", **env})
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.mode = self.stdout.readline().strip()

    def log(self, points: int) -> None:
        self.stdin.write(f"{points}\n")
        self.stdin.flush()
        assert self.stdout.readline() == "journaled\n"

    def end(self) -> int:
        """End its script, and then its uploader."""
        self.process.communicate("0\n", timeout=30)
        return self.process.returncode

    def dies(self) -> None:
        """Kill the machine and everything that runs there, at once."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        self.process.stdout.read()  # to its end: if its standard input ended first, the script would complete
        self.process.communicate(timeout=10)


def session_of(site: Site) -> SessionDir:
    (path,) = site.sessions()
    return SessionDir(path)


def steps(site: Site, name: str) -> list[int]:
    return [step for step, _, _ in site.points(name, "loss")]


def silent(site: Site) -> None:
    """Make the lease as it is a while after its machine has gone."""
    old = time.time() - 1000
    os.utime(session_of(site).path / "lease.json", (old, old))


def reports(site: Site) -> list[dict[str, Any]]:
    printed: list[dict[str, Any]] = json.loads(site.cli("status", "--json").stdout)
    return printed


def test_what_a_living_machine_journals_is_sent_beside_it_and_the_rest_when_it_has_ended(site: Site) -> None:
    name = unique("beside")
    node = Node(site, name)
    assert node.mode == "offline"
    node.log(1000)
    first = site.cli("sync")
    assert first.returncode == 0, first
    assert steps(site, name) == list(range(1000))
    assert site.state(name) == "running"
    # The uploader there finds out what the lab has.
    status_file = session_of(site).path / "status.json"
    eventually(lambda: [w["acked"] for w in (read_json(status_file) or {})["writers"].values()] == [1000])
    node.log(500)
    eventually(lambda: reports(site)[0]["journaled"] == 1500)
    (report,) = reports(site)
    assert (report["state"], report["host"], report["here"]) == ("alive", "node7", False)
    assert report["acked"] == 1000 and report["backlog"] == 500 and not report["reachable"]
    assert node.end() == 0
    assert site.cli("sync").returncode == 0
    assert steps(site, name) == list(range(1500))
    assert site.state(name) == "completed"
    assert reports(site) == []
    verified = site.cli("verify", name)
    assert verified.returncode == 0 and "agrees" in verified.stdout, verified


def test_a_machine_that_is_gone_is_not_taken_for_delivered_until_somebody_says_that_it_is_gone(site: Site) -> None:
    name = unique("gone")
    node = Node(site, name)
    node.log(1000)
    node.dies()
    silent(site)
    synced = site.cli("sync")
    assert synced.returncode == 1 and "memory of node7" in synced.stderr and "--host-gone node7" in synced.stderr
    assert steps(site, name) == list(range(1000))
    (report,) = reports(site)
    assert report["state"] == "waits" and not report["reachable"]
    given_up = site.cli("sync", "--host-gone", "node7")
    assert given_up.returncode == 0, given_up
    assert reports(site) == [] and site.state(name) not in ("running", "pending", "completed")
    (session,) = site.find(name)["sessions"]
    assert "node7 is gone" in session["cause"]


def test_a_lease_of_another_machine_is_respected_while_it_is_renewed(site: Site) -> None:
    name = unique("lease")
    node = Node(site, name)
    node.log(10)
    lease = read_json(session_of(site).path / "lease.json")
    assert lease is not None and lease["host"] == "node7"
    assert site.cli("sync").returncode == 0
    assert read_json(session_of(site).path / "lease.json") == lease
    node.end()


def test_both_sides_send_at_once_and_nothing_is_doubled(site: Site) -> None:
    """An uploader there that reaches the lab, and a relay here that is told to send the same."""
    name = unique("both")
    script = """
    import sys, time
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    print("open", flush=True)
    for n in range(20_000):
        run.add_metrics("loss", float(n), n)
        if n % 100 == 0:
            time.sleep(0.01)
    sys.exit(0 if run.flush(60) else 1)
    """
    process = site.start(script, name)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    relay = """
    import sys, time
    from pathlib import Path
    from pyhectiqlab.spool import SessionDir
    from pyhectiqlab.uploader.relay import Relay
    relay = Relay(SessionDir(Path(sys.argv[1])))
    assert relay.take()
    while not sys.stdin.closed and Path(sys.argv[2]).exists():
        relay.turn()
        time.sleep(0.01)
    relay.close()
    """
    going = site.home / "going"
    going.touch()
    beside = site.start(relay, str(session_of(site).path), str(going))
    assert process.communicate(timeout=60) and process.returncode == 0
    going.unlink()
    _, err = beside.communicate(timeout=20)
    assert beside.returncode == 0, err
    assert steps(site, name) == list(range(20_000))
    eventually(lambda: not site.uploaders())
    assert site.cli("verify", name).returncode == 0


def test_watch_follows_new_and_living_sessions_past_a_bad_one(site: Site) -> None:
    name, other = unique("watch"), unique("watch")
    bad = SessionDir.create(site.home / "spool", _me(), time.time())
    (bad.writers_dir / f"{0:032x}.json").write_text(
        json.dumps({**_writer(bad), "url": "http://127.0.0.1:9", "mode": "offline", "lab_id": "of another"})
    )
    command = [sys.executable, "-m", "pyhectiqlab", "sync", "--watch"]
    watch = subprocess.Popen(command, env=site.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    site.started.append(watch)
    nodes = [Node(site, name, "node1"), Node(site, other, "node2")]
    for i, node in enumerate(nodes):
        node.log(100 * (i + 1))

    def arrived(wanted: str, points: int) -> bool:
        with site.client() as client:
            answer = client.get("/runs", {"q": wanted})["items"]
            return bool(answer) and answer[0]["points"] == points

    eventually(lambda: arrived(name, 100) and arrived(other, 200), 40)
    nodes[0].log(50)
    eventually(lambda: arrived(name, 150), 20)
    assert [node.end() for node in nodes] == [0, 0]
    eventually(lambda: site.state(name) == site.state(other) == "completed", 30)
    watch.send_signal(signal.SIGTERM)
    out, err = watch.communicate(timeout=20)
    assert watch.returncode == 1 and f"session {bad.name}" in err, (out, err)
    assert "Traceback" not in err


def _me() -> Any:
    from pyhectiqlab.capture.process import this_process

    me = this_process()
    return type(me)(me.pid, me.start - 1, me.host, me.boot_id, me.pid_ns)


def _writer(session: SessionDir) -> dict[str, Any]:
    owner = session.owner()
    assert owner is not None
    attach = {"name": "bad", "project": None, "create_project": False, "rank": 0, "session": session.name}
    plain = {"writer": f"{0:032x}", "queue": "/none", "owner": owner.as_dict(), "profile": "", "run": None}
    return {**plain, "attach": attach, "ends_run": True, "created": 0.0}
