"""GET /stream: what commits changed reaches those who watch, and only them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pyhectiqlab.server.live.stream import QUEUE_MAX, READERS_AT_ONCE, RESYNC, Hub, Message
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, column, events_batch, new_id


class Watch:
    """An open stream. `next` waits for the next event and gives (kind, data)."""

    def __init__(self, api: Api, **params: Any) -> None:
        self.answer = api.raw("GET", "/stream", params=params, stream=True)
        assert self.answer.status_code == 200, self.answer.text
        assert self.answer.headers["content-type"].startswith("text/event-stream")
        self.lines: Iterator[str] = self.answer.iter_lines(chunk_size=1, decode_unicode=True)
        assert next(self.lines).startswith(":")  # from here on the lab knows that we watch

    def next(self) -> tuple[str, Any]:
        kind = ""
        for line in self.lines:
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                return kind, json.loads(line[6:])
        raise AssertionError("the stream ended")


def test_points_states_and_changes_arrive(api: Api, lab: RealLab) -> None:
    run, elsewhere = (api.attach(session=f"s{i}") for i in (1, 2))
    run_id, project = run["run"]["id"], run["run"]["project"]["id"]
    watch = Watch(Api.of(lab), run=run_id)
    writer = new_id()
    api.ingest(batch(elsewhere["run"]["id"], new_id(), 1, 5), session="s2")
    many = [column(f"k{i:03}", [i]) for i in range(100)]
    api.ingest(batch(run_id, writer, 1, 100, series=many), session="s1")
    kind, data = watch.next()
    assert (kind, data["run"], data["points"]) == ("points", run_id, 100)
    assert data["keys"] == [f"k{i:03}" for i in range(64)]
    api.ingest(events_batch(run_id, writer, 101, [("state", {"state": "training"})]), session="s1")
    assert watch.next() == ("state", {"run": run_id, "project": project, "state": "training"})
    assert watch.next() == ("run", {"run": run_id, "project": project})
    api.end("s1", run_id, "killed")
    assert watch.next() == ("state", {"run": run_id, "project": project, "state": "killed"})
    watch.answer.close()


def test_a_project_tells_of_new_runs(api: Api, lab: RealLab) -> None:
    project = api.call("POST", "/projects", 201, json={"name": new_id(4)})
    watch = Watch(Api.of(lab), project=project["name"])
    api.attach()
    run = api.attach(project=project["id"])["run"]["id"]
    items = [watch.next() for _ in range(2)]
    its = {"run": run, "project": project["id"]}
    assert ("run", its) in items and ("state", {**its, "state": "running"}) in items
    watch.answer.close()


def test_one_stream_is_of_several_runs_and_projects_that_are_known(api: Api, lab: RealLab, other: Api) -> None:
    here, there, secret = (api.call("POST", "/projects", 201, json={"name": new_id(4)})["id"] for _ in range(3))
    api.call("PATCH", f"/projects/{secret}", json={"private": True})
    run, gone = api.attach()["run"]["id"], api.attach()["run"]["id"]
    api.call("DELETE", f"/runs/{gone}")
    asked = {"run": [run, gone, "0" * 12], "project": [here, there, secret]}
    assert other.raw("GET", "/stream", params=asked).status_code in (404, 410)
    watch = Watch(other, **asked, known="true")
    assert watch.next() == ("missing", {"runs": [gone, "0" * 12], "projects": [secret]})
    api.attach(project=secret)  # not for who may not see it
    for project in (there, here):
        api.attach(project=project)
        items = [watch.next()[1]["project"] for _ in range(2)]
        assert items == [project, project]
    api.call("POST", "/runs/actions", json={"actions": [{"action": "note", "runs": [run], "text": "changed"}]})
    assert watch.next()[1]["run"] == run
    watch.answer.close()


def test_who_may_not_read_may_not_watch(api: Api, lab: RealLab) -> None:
    run = api.attach()["run"]["id"]
    assert requests.get(f"{lab.url}/api/v1/stream", params={"run": run}, timeout=30).status_code == 401
    assert api.raw("GET", "/stream", params={"run": "0" * 12}).status_code == 404
    assert api.raw("GET", "/stream", params={"project": "nowhere"}).status_code == 404
    api.call("DELETE", f"/runs/{run}")
    assert api.raw("GET", "/stream", params={"run": run}).status_code == 410


def test_open_streams_do_not_hold_up_a_stop(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    run = api.attach()["run"]["id"]
    watches = [Watch(Api.of(own_lab), run=run) for _ in range(3)]
    assert own_lab.stop() == 0
    for watch in watches:
        with pytest.raises((AssertionError, requests.ConnectionError)):
            watch.next()


def heard(*published: list[Message], watchers: int = 1) -> list[list[bytes]]:
    """Return what each of these watchers of the project p hears of these commits."""

    async def scenario() -> list[list[bytes]]:
        hub = Hub()
        hub.attach_loop()
        streams = [hub.read(frozenset(), frozenset({"p"})) for _ in range(watchers)]
        got = [[await anext(stream)] for stream in streams]
        for messages in published:
            hub.publish(messages)
        for one, stream in zip(got, streams, strict=True):
            one.append(await anext(stream))
        hub.close()
        for one, stream in zip(got, streams, strict=True):
            one += [chunk async for chunk in stream]
        assert not hub.watched
        return [one[1:] for one in got]

    return asyncio.run(scenario())


def test_a_slow_reader_is_told_to_look_again() -> None:
    assert heard([Message("run", f"r{i}", "p", {}) for i in range(QUEUE_MAX + 1)]) == [[RESYNC.encoded]]


def test_what_commits_of_a_moment_changed_is_told_once_and_together() -> None:
    def commit(keys: list[str], state: str) -> list[Message]:
        points = {"run": "r", "keys": keys, "points": 10}
        elsewhere = Message("logs", "e", "elsewhere", {"run": "e"})
        return [Message("points", "r", "p", points), elsewhere, Message("state", "r", "p", {"state": state})]

    (chunks,) = heard(commit(["a", "b"], "running"), commit(["b", "c"], "training"))
    assert b"".join(chunks) == (
        b'event: points\ndata: {"run":"r","keys":["a","b","c"],"points":20}\n\n'
        b'event: state\ndata: {"state":"training"}\n\n'
    )


def test_all_of_many_watchers_are_told() -> None:
    logs = Message("logs", "r", "p", {"run": "r"})
    assert heard([logs], watchers=3 * READERS_AT_ONCE + 1) == [[logs.encoded]] * (3 * READERS_AT_ONCE + 1)
