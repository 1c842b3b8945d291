"""Which sessions a sync takes, what it leaves alone, and when a session's folder may go. No lab is asked."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.capture.process import Process, this_process
from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.profile import key_mark, resolve, save_profile
from pyhectiqlab.spool import SessionDir, Writer, read_json, write_json
from pyhectiqlab.transport.connecting import reach
from pyhectiqlab.uploader import adopt, living, quarantine, sync
from pyhectiqlab.uploader.aim import RefusedError, Wishes, aim
from pyhectiqlab.uploader.lease import Lease


def gone() -> Process:
    me = this_process()
    return Process(me.pid, me.start - 1, me.host, me.boot_id, me.pid_ns)


def session(home: Path, owner: Process, *writers: dict[str, Any]) -> SessionDir:
    made = SessionDir.create(home / "spool", owner, time.time())
    for i, fields in enumerate(writers):
        plain: dict[str, Any] = {"mode": "online", "url": "http://lab", "profile": "p", "attach": {"name": "r"}}
        plain |= {"run": None, "ends_run": True, "created": 0.0, "queue": str(made.path / "none.q"), "owner": owner}
        made.save_writer(Writer(writer=f"{i:032x}", **{**plain, **fields}))
    return made


def chosen(names: list[str] | None = None, *, all: bool = False) -> set[str]:
    return {s.name for s in sync.chosen(names, all)}


def test_a_sync_takes_what_has_something_left_and_whose_owner_is_gone(home: Path) -> None:
    left = session(home, gone(), {}, {"done": True})
    session(home, gone(), {"done": True})
    session(home, gone())
    live = session(home, this_process(), {})
    assert chosen() == {left.name}
    assert chosen(all=True) == {left.name, live.name}


@pytest.mark.parametrize("mode", ["offline", "kept"])
def test_what_was_kept_is_taken_from_a_living_session_too(home: Path, mode: str) -> None:
    """Nobody else would ever send it."""
    kept = session(home, this_process(), {"mode": mode})
    assert chosen() == {kept.name}


def test_a_session_is_named_by_its_beginning_if_that_is_one(home: Path) -> None:
    one, other = session(home, this_process(), {}), session(home, this_process(), {})
    assert chosen([one.name[:12]]) == {one.name}
    assert chosen([one.name, other.name]) == {one.name, other.name}
    for wrong in ("zzzz", ""):
        with pytest.raises(ConfigurationError, match="hectiqlab status"):
            chosen([wrong])


def test_no_spool_is_nothing_to_sync(home: Path) -> None:
    assert chosen() == set()
    assert sync.sync_sessions(None).errors == []


def test_a_broken_session_does_not_stop_the_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = session(home, gone(), {}), session(home, gone(), {})
    monkeypatch.setenv("HECTIQLAB_URL", "http://lab")
    monkeypatch.setenv("HECTIQLAB_API_KEY", "k")

    def one(folder: SessionDir, lease: Lease, order: sync.Order, **more: Any) -> sync.Outcome:
        lease.release()
        if folder.name == first.name:
            raise RuntimeError("broken")
        return sync.Outcome(5, 1, "the lab is full")

    monkeypatch.setattr(sync, "work_as_uploader", one)
    result = sync.sync_sessions(None)
    assert (result.sent_events, result.left_events) == (5, 1)
    assert sorted(result.errors) == sorted(
        [f"session {first.name}: RuntimeError: broken", f"session {second.name}: the lab is full"]
    )


def test_a_session_whose_uploader_is_at_work_is_woken_and_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = session(home, this_process(), {"mode": "kept"})
    monkeypatch.setattr("pyhectiqlab.settings.ALIVE_INTERVAL_S", 0.01)
    monkeypatch.setattr("pyhectiqlab.settings.CUT_INTERVAL_S", 0.0)
    (writer,) = made.writers()
    write_json(made.path / "status.json", {"writers": {writer.writer: {"journaled": 9, "acked": 9}}, "trouble": ""})
    lease, said = Lease(made.path), list[str]()
    assert lease.acquire()
    result = sync.sync_sessions([made.name], sync.Order(report=said.append))
    lease.release()
    assert (made.path / "wake").exists() and any("at work" in line for line in said)
    assert result.errors == []


def test_what_an_uploader_leaves_that_ends_while_it_is_waited_for_is_sent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was on its way out, and did not see that it was woken."""
    made = session(home, gone(), {"mode": "offline"})
    (writer,) = made.writers()
    write_json(made.path / "status.json", {"writers": {writer.writer: {"journaled": 9, "acked": 4}}, "trouble": ""})
    leaving = Lease(made.path)
    assert leaving.acquire()
    monkeypatch.setattr(living, "wake", lambda *arguments: leaving.release())

    def send(folder: SessionDir, lease: Lease, order: sync.Order, **more: Any) -> sync.Outcome:
        lease.release()
        return sync.Outcome(5, 0)

    monkeypatch.setattr(sync, "work_as_uploader", send)
    result = sync.sync_sessions([made.name])
    assert (result.sent_events, result.left_events, result.errors) == (5, 0, [])


def test_old_delivered_sessions_are_removed_and_no_others(home: Path) -> None:
    def aged(made: SessionDir) -> SessionDir:
        old = time.time() - 2 * 86_400
        for path in (*made.path.iterdir(), made.path):
            os.utime(path, (old, old))
        return made

    delivered = aged(session(home, gone(), {"done": True}))
    young = session(home, gone(), {"done": True})
    unsent = aged(session(home, gone(), {}))
    damaged = session(home, gone(), {"done": True})
    (damaged.path / "journal" / "0001-000000.seg").write_bytes(b"nothing that is a journal")
    aged(damaged)
    for made in (delivered, young, unsent, damaged):
        adopt.remove_if_old(made)
    assert [m.path.exists() for m in (delivered, young, unsent, damaged)] == [False, True, True, False]
    (kept,) = quarantine.contents(home)
    assert (kept.session, kept.damaged, kept.bytes) == (damaged.name, 1, 25)


def test_a_writer_comes_back_from_its_file_and_what_is_newer_is_ignored(home: Path) -> None:
    made = session(home, this_process(), {"attach": {"name": "é"}, "run": {"run": {"id": "r"}, "attempt": 2}})
    (writer,) = made.writers()
    path = made.writers_dir / f"{writer.writer}.json"
    raw = read_json(path)
    assert raw is not None
    write_json(path, {**raw, "from_the_future": 1})
    assert list(made.writers()) == [writer]
    (made.writers_dir / "garbage.json").write_text("{")
    (made.writers_dir / "poor.json").write_text("{}")
    (made.writers_dir / ".half.json").write_text("{}")
    assert list(made.writers()) == [writer]
    assert made.path.stat().st_mode & 0o777 == 0o700 and path.stat().st_mode & 0o777 == 0o600


# Which lab ---------------------------------------------------------------------------------------------------------


def known(name: str, url: str, key: str = "", lab_id: str = "f00d") -> None:
    save_profile(name, url=url, username="u", secret_api_key=key or f"key {name}", api_key_uuid="", lab_id=lab_id)


def aimed(made: SessionDir, **wishes: Any) -> tuple[str, list[str]]:
    """Return (URL that its writer goes to now, what is wrong)."""
    (info,) = made.writers()
    changes, problems = aim(made, Wishes(**wishes), lambda line: None)
    return changes.get(info.writer, {}).get("url", info.url), problems


def test_a_lab_is_reached_where_it_is_now_and_another_at_its_address_is_not_taken_for_it(home: Path) -> None:
    known("local", "http://127.0.0.1:8090", lab_id="f00d")
    assert reach("http://127.0.0.1:8080", "local", "f00d").url == "http://127.0.0.1:8090"
    known("local", "http://127.0.0.1:8080", lab_id="beef")
    for of_which in ("f00d", "cafe"):
        with pytest.raises(ConfigurationError, match="another one"):
            reach("http://127.0.0.1:8080", "local", of_which)
    assert reach("http://localhost:8080/", "gone", "beef").name == "local"
    assert reach("http://127.0.0.1:8080", "", "").name == "local", "an older spool knows no id"


def test_the_key_that_was_used_tells_which_lab_was_meant(home: Path) -> None:
    known("a", "http://a.lab", key="secret", lab_id="aa")
    known("b", "http://b.lab", lab_id="bb")
    made = session(home, gone(), {"url": "http://127.0.0.1:9", "key_mark": key_mark("secret")})
    assert aimed(made) == ("http://a.lab", [])
    unmarked = session(home, gone(), {"url": "http://127.0.0.1:9", "profile": "x"})
    url, (problem,) = aimed(unmarked)
    assert url == "http://127.0.0.1:9" and "--to PROFILE" in problem and "a (http://a.lab), b (http://b.lab)" in problem
    assert aimed(unmarked, to=resolve("b")) == ("http://b.lab", [])


def test_what_was_logged_for_a_lab_goes_to_no_other_unless_its_runs_are_to_be_made_anew(home: Path) -> None:
    known("b", "http://b.lab", lab_id="bb")
    made = session(home, gone(), {"url": "http://a.lab", "lab_id": "aa"})
    for wishes in ({}, {"to": resolve("b")}):
        url, (problem,) = aimed(made, **wishes)
        assert url == "http://a.lab" and "No profile is for the lab http://a.lab" in problem
    with pytest.raises(RefusedError, match="--to b --as-new-runs"):
        aimed(made, to=resolve("b"), named=True)
    assert aimed(made, to=resolve("b"), named=True, as_new_runs=True) == ("http://b.lab", [])


def test_a_run_that_a_lab_has_goes_to_that_lab_alone(home: Path) -> None:
    known("b", "http://b.lab", lab_id="bb")
    made = session(home, gone(), {"url": "http://a.lab", "lab_id": "aa", "run": {"run": {"id": "r"}, "attempt": 1}})
    url, (problem,) = aimed(made, to=resolve("b"))
    assert url == "http://a.lab" and "can go there alone" in problem
    for anew in (False, True):
        with pytest.raises(RefusedError, match="can go there alone"):
            aimed(made, to=resolve("b"), named=True, as_new_runs=anew)
    known("c", "http://moved.lab", lab_id="aa")
    assert aimed(made) == ("http://a.lab", []), "its profile is found by whoever connects"
    assert reach("http://a.lab", "", "aa").url == "http://moved.lab"
    assert aimed(made, to=resolve("c")) == ("http://moved.lab", [])


def test_machines_that_are_said_to_be_gone_must_be_known(home: Path) -> None:
    away = Process(1, 1.0, "node7", "another boot", 0)
    session(home, away, {"owner": away})
    said: list[str] = []
    sync.check_hosts(["node7"], said.append)
    assert said == []
    with pytest.raises(ConfigurationError, match=r"'node8'; there are sessions of: node7 \(1 with something left\)"):
        sync.check_hosts(["node8"], said.append)
