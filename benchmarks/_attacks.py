"""What neighbours.py does to a lab: each attack is one small function, in the list ATTACKS at the end.

An attack runs in a process of its own, at a low priority (its author has a machine of their own), from addresses of
127.66.0.0/16, until it is told to stop. It does what the lab lets it: what the lab closes is made again, at
most RECONNECTS_PER_S a second, and an answer of any status is followed by the next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Any

import msgpack

RECONNECTS_PER_S = 500
ANSWER_S = 30.0  # that an attacker waits for an answer
MSGPACK = "application/x-msgpack"


@dataclass(frozen=True)
class Target:
    """The lab on loopback, and what an attacker has of it."""

    port: int
    keys: dict[str, str]  # "owner", "member" (of the lab), "viewer" (of the lab): their API keys
    project: str  # which all of them may read
    runs: tuple[str, ...]  # of the owner, in it

    def request(
        self, method: str, path: str, body: bytes = b"", *, key: str | None = None, **headers: str | int | None
    ) -> bytes:
        """A whole request. `key`: whose; None: nobody's. `headers`: with _ for -; None leaves one out."""
        fields: dict[str, Any] = {"host": f"127.0.0.1:{self.port}", "content-length": len(body)}
        if key is not None:
            fields["authorization"] = f"Bearer {self.keys[key]}"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None), "", ""]
        return "\r\n".join(lines).encode() + body

    def post(self, path: str, value: Any, *, key: str | None = None) -> bytes:
        """A whole POST of JSON."""
        return self.request("POST", path, json.dumps(value).encode(), key=key, content_type="application/json")

    def ingest(self, batches: Sequence[Any], *, key: str) -> bytes:
        """A whole POST of batches."""
        body = msgpack.packb({"v": 1, "session": "ba5e1e55", "clock": time.time(), "batches": list(batches)})
        return self.request("POST", "/api/v1/ingest", body, key=key, content_type=MSGPACK)


def address(i: int) -> str:
    return f"127.66.{i // 250 % 256}.{i % 250 + 1}"


class Door:
    """Where an attacker's connections come from: not more of them a second than RECONNECTS_PER_S."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._next = 0.0

    async def open(self, i: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """From the address of that number."""
        while True:
            now = time.monotonic()
            self._next = max(now, self._next + 1 / RECONNECTS_PER_S)
            await asyncio.sleep(self._next - now)
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                opening = asyncio.open_connection("127.0.0.1", self._target.port, local_addr=(address(i), 0))
                return await asyncio.wait_for(opening, 5)


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, once it was read whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length:")
    if rest:
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    else:
        while await reader.readline() not in {b"0\r\n", b""}:
            pass
    return int(head[9:12])


def flood(
    target: Target,
    stop: Event,
    n: int,
    request: Callable[[int, int], bytes],
    *,
    addresses: int = 1,
    pause_s: float = 0.0,
) -> None:
    """n connections, each of which sends request(its number, count so far) and waits for the answer, over and over."""

    async def one(i: int, door: Door) -> None:
        count = 0
        while True:
            reader, writer = await door.open(i % addresses)
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.TimeoutError):
                while True:
                    count += 1
                    writer.write(request(i, count))
                    await writer.drain()
                    status = await asyncio.wait_for(answered(reader), ANSWER_S)
                    await asyncio.sleep(pause_s or (0.05 if status in {429, 503} else 0.0))
            writer.close()

    door = Door(target)
    _until(stop, lambda: [one(i, door) for i in range(n)])


def hold(target: Target, stop: Event, n: int, begin: Callable[[int], bytes], *, addresses: int = 1) -> None:
    """n connections that send the beginning of a request and nothing more; those that the lab closes come again."""

    async def one(i: int, door: Door) -> None:
        while True:
            reader, writer = await door.open(i % addresses)
            with contextlib.suppress(OSError):
                writer.write(begin(i))
                while await reader.read(1 << 16):
                    pass
            writer.close()

    door = Door(target)
    _until(stop, lambda: [one(i, door) for i in range(n)])


def _until(stop: Event, tasks: Callable[[], Sequence[Any]]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))

    async def main() -> None:
        running = [asyncio.ensure_future(task) for task in tasks()]
        while not stop.is_set():
            await asyncio.sleep(0.05)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(main())


# The attacks


def endless_header(target: Target, stop: Event) -> None:
    """One socket, a header that does not end."""

    async def send(door: Door) -> None:
        while True:
            _, writer = await door.open()
            with contextlib.suppress(OSError):
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                for _ in range(4096):  # 256 MiB
                    writer.write(b"a" * (64 << 10))
                    await writer.drain()
            writer.close()

    _until(stop, lambda: [send(Door(target))])


def half_requests(target: Target, stop: Event) -> None:
    """900 heads that never end, at a lab with 256 descriptors."""
    hold(target, stop, 900, lambda i: b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: 1\r\n")


def half_bodies(target: Target, stop: Event) -> None:
    """900 bodies that never end, at a lab with 256 descriptors."""
    hold(
        target,
        stop,
        900,
        lambda i: target.request("POST", "/api/v1/login", b"{", content_length=1000, content_type="application/json"),
    )


def silent_connections(target: Target, stop: Event) -> None:
    """900 connections, each from an address of its own, that say nothing, at a lab with 256 descriptors."""
    hold(target, stop, 900, lambda i: b"", addresses=900)


def _login(target: Target, i: int, count: int) -> bytes:
    return target.post("/api/v1/login", {"username": f"nobody{i}", "password": f"guess number {count}"})


def logins(target: Target, stop: Event) -> None:
    """400 logins at once, from one address."""
    flood(target, stop, 400, lambda i, count: _login(target, i, count))


def logins_from_everywhere(target: Target, stop: Event) -> None:
    """400 logins at once, from 1,000 addresses in turn."""
    flood(target, stop, 400, lambda i, count: _login(target, i + 400 * count, count), addresses=1000)


def announced_bodies(target: Target, stop: Event) -> None:
    """A viewer's 32 sockets announce 16 MiB and send 1 byte."""
    announced = {"content_length": 16 << 20, "content_type": MSGPACK}
    hold(target, stop, 32, lambda i: target.request("POST", "/api/v1/ingest", b"\x84", key="viewer", **announced))


def long_heartbeats(target: Target, stop: Event) -> None:
    """A viewer's heartbeats name 4,096 runs each."""
    body = {"runs": [{"run": f"{i:012x}", "rank": 0, "attempt": 1} for i in range(4096)], "clock": time.time()}
    request = target.post("/api/v1/sessions/ba5e1e55/heartbeat", body, key="viewer")
    flood(target, stop, 4, lambda i, count: request)


def foreign_batches(target: Target, stop: Event) -> None:
    """A viewer's ingest of 256 batches for runs of somebody else."""
    point = {"key": "x", "seq": bytes(4), "step": bytes(8), "value": bytes(8), "time": bytes(8)}
    where = {"rank": 0, "attempt": 1, "first": 1, "last": 1, "series": [point], "events": []}

    def request(i: int, count: int) -> bytes:
        writers = [os.urandom(16).hex() for _ in range(256)]
        return target.ingest(
            [{"writer": w, "run": target.runs[n % len(target.runs)], **where} for n, w in enumerate(writers)],
            key="viewer",
        )

    flood(target, stop, 4, request)


def gzip_bomb(target: Target, stop: Event) -> None:
    """A viewer's 15 KiB of gzip that are 15.7 million empty maps."""
    row = b"\xdd" + (1 << 18).to_bytes(4, "big") + b"\x80" * (1 << 18)
    plain = b"\x84\xa1v\x01\xa7session\xa2ab\xa5clock\x01\xa7batches\xdc" + (60).to_bytes(2, "big") + row * 60
    body = gzip.compress(plain, 9)
    request = target.request(
        "POST", "/api/v1/ingest", body, key="viewer", content_type=MSGPACK, content_encoding="gzip"
    )
    flood(target, stop, 2, lambda i, count: request)


def streams(target: Target, stop: Event) -> None:
    """A viewer's 516 event streams."""
    request = target.request("GET", f"/api/v1/stream?project={target.project}", key="viewer")
    hold(target, stop, 516, lambda i: request)


# What a member or a reader can make the lab pay


def _call(target: Target, method: str, path: str, value: Any = None, key: str = "member") -> Any:
    """Before an attack: a request that is answered, as often as it takes: who is told to wait waits."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    body, kind = (value, MSGPACK) if isinstance(value, bytes) else (json.dumps(value).encode(), "application/json")
    headers = {"authorization": f"Bearer {target.keys[key]}", "content-type": kind}
    connection.request(method, f"/api/v1{path}", None if value is None else body, headers)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    if answer.status == 429:
        time.sleep(float(answer.headers["Retry-After"]))
        return _call(target, method, path, value, key)
    if answer.status >= 300:
        raise RuntimeError(content)
    return content


def _own_run(target: Target, name: str, session: str = "ba5e1e55") -> str:
    attach = {"name": name, "project": target.project, "session": session, "pid": 1}
    return str(_call(target, "POST", "/runs/attach", attach)["run"]["id"])


def _events(run: str, first: int, events: Sequence[tuple[str, dict[str, Any]]], writer: str = "") -> dict[str, Any]:
    rows = [[i, kind, int(time.time() * 1e6), fields] for i, (kind, fields) in enumerate(events)]
    where = {"writer": writer or os.urandom(16).hex(), "run": run, "rank": 0, "attempt": 1, "series": []}
    return {**where, "first": first, "last": first + len(rows) - 1, "events": rows}


def _tell(target: Target, run: str, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Events of a member's run, in requests of some megabytes."""
    some: list[tuple[str, dict[str, Any]]] = []
    size = 0
    for event in [*events, None]:
        if event is None or (some and (size > 2 << 20 or len(some) >= 5000)):
            batches = [_events(run, 1, some)]
            body = msgpack.packb({"v": 1, "session": "ba5e1e55", "clock": time.time(), "batches": batches})
            while _call(target, "POST", "/ingest", body)["results"][0]["status"] == 503:
                time.sleep(0.1)
            some, size = [], 0
        if event is not None:
            some.append(event)
            size += len(msgpack.packb(event[1]))


def _ingest_each(target: Target, stop: Event, n: int, name: str, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
    run = _own_run(target, name)
    flood(target, stop, n, lambda i, count: target.ingest([_events(run, 1, events)], key="member"))


def large_sessions(target: Target, stop: Event) -> None:
    """A member's sessions that each end with 512 KiB of details, all of one run."""
    run = _own_run(target, "sessions")
    attach = {"name": "sessions", "project": target.project, "pid": 1}

    def request(i: int, count: int) -> bytes:
        rank = 1_000_000 * i + count // 2
        session = f"{rank:016x}"
        if count % 2 == 0:
            return target.post("/api/v1/runs/attach", {**attach, "session": session, "rank": rank}, key="member")
        end = {"run": run, "rank": rank, "attempt": 1, "state": "completed", "detail": "d" * (512 << 10)}
        return target.post(f"/api/v1/sessions/{session}/end", end, key="member")

    flood(target, stop, 4, request)


def large_configs(target: Target, stop: Event) -> None:
    """A member's config events of 360,000 values, of which the lab keeps 50,000, and small ones behind."""
    values = {f"g{g}": {f"{i:x}": [1, 2, 3] for i in range(9_000)} for g in range(10)}
    run = _own_run(target, "config")
    large = target.ingest([_events(run, 1, [("config", {"values": values})])], key="member")
    small = [("config", {"values": {"lr": 0.1}})]
    flood(target, stop, 2, lambda i, n: large if n % 10 == 1 else target.ingest([_events(run, 1, small)], key="member"))


def many_tags(target: Target, stop: Event) -> None:
    """A member's 5,000 tags in one go."""
    _ingest_each(target, stop, 2, "tags", [("tag", {"name": f"t{i}", "color": "red"}) for i in range(5000)])


def many_meta(target: Target, stop: Event) -> None:
    """A member's 5,000 values of meta in one go."""
    _ingest_each(target, stop, 2, "meta", [("meta", {"key": f"k{i}", "value": i}) for i in range(5000)])


def many_states(target: Target, stop: Event) -> None:
    """A member's 5,000 states in one go."""
    states = [("state", {"state": ("training", "running")[i % 2]}) for i in range(5000)]
    _ingest_each(target, stop, 2, "states", states)


def _with_notes(target: Target) -> None:
    for i in range(200):
        _tell(target, _own_run(target, f"noted-{i}"), [("note", {"text": "n" * (1 << 20)})])


def read_notes(target: Target, stop: Event) -> None:
    """A reader's four lists at once of 200 runs with notes of 1 MiB."""
    request = target.request("GET", "/api/v1/runs?limit=1000", key="viewer")
    flood(target, stop, 4, lambda i, count: request)


def _with_logs(target: Target) -> None:
    _tell(target, _own_run(target, "logs"), [("log", {"text": "x" * (1 << 20), "level": "INFO"})] * 200)


def read_events(target: Target, stop: Event) -> None:
    """A reader's four pages at once of 1,000 events of 1 MiB."""
    run = _own_run(target, "logs")
    request = target.request("GET", f"/api/v1/runs/{run}/events?limit=1000", key="viewer")
    flood(target, stop, 4, lambda i, count: request)


def search_logs(target: Target, stop: Event) -> None:
    """A reader's four searches at once in logs of 1 MiB."""
    run = _own_run(target, "logs")
    request = target.request("GET", f"/api/v1/runs/{run}/logs?q=nothing&limit=5000", key="viewer")
    flood(target, stop, 4, lambda i, count: request)


def _with_series(target: Target) -> None:
    import numpy as np

    run, n = _own_run(target, "series"), np.arange(20_000)
    for i in range(256):
        columns = {"seq": n.astype("<u4"), "step": n.astype("<i8"), "value": n.astype("<f8"), "time": n.astype("<f8")}
        series = [{"key": f"k{i}", **{name: column.tobytes() for name, column in columns.items()}}]
        batch = {**_events(run, 1, []), "last": len(n), "series": series}
        body = msgpack.packb({"v": 1, "session": "ba5e1e55", "clock": time.time(), "batches": [batch]})
        while _call(target, "POST", "/ingest", body)["results"][0]["status"] == 503:
            time.sleep(0.1)


def read_buckets(target: Target, stop: Event) -> None:
    """A reader's four times 256 series in 10,000 buckets."""
    run = _own_run(target, "series")
    asked = {"selectors": [{"run": run, "key": f"k{i}"} for i in range(256)], "n": 10_000}
    request = target.post("/api/v1/series/buckets", asked, key="viewer")
    flood(target, stop, 4, lambda i, count: request)


def _with_tags(target: Target) -> None:
    _tell(target, _own_run(target, "tagged"), [("tag", {"name": f"t{i}"}) for i in range(100_000)])


def list_tagged(target: Target, stop: Event) -> None:
    """A reader's lists with a run of 100,000 tags in them."""
    request = target.request("GET", "/api/v1/runs?limit=100", key="viewer")
    flood(target, stop, 2, lambda i, count: request)


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Attributes:
        prepare: what is there before, called while the lab is not measured yet.
        descriptors: `ulimit -n` of the lab.
    """

    who: str
    run: Callable[[Target, Event], None]
    prepare: Callable[[Target], None] | None = None
    descriptors: int | None = None

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def what(self) -> str:
        return (self.run.__doc__ or "").splitlines()[0].rstrip(".")


ATTACKS = (
    Attack("stranger", endless_header),
    Attack("stranger", half_requests, descriptors=256),
    Attack("stranger", half_bodies, descriptors=256),
    Attack("stranger", silent_connections, descriptors=256),
    Attack("stranger", logins),
    Attack("stranger", logins_from_everywhere),
    Attack("viewer", announced_bodies),
    Attack("viewer", long_heartbeats),
    Attack("viewer", foreign_batches),
    Attack("viewer", gzip_bomb),
    Attack("viewer", streams),
    Attack("member", large_sessions),
    Attack("member", large_configs),
    Attack("member", many_tags),
    Attack("member", many_meta),
    Attack("member", many_states),
    Attack("reader", read_notes, prepare=_with_notes),
    Attack("reader", read_events, prepare=_with_logs),
    Attack("reader", search_logs, prepare=_with_logs),
    Attack("reader", read_buckets, prepare=_with_series),
    Attack("reader", list_tagged, prepare=_with_tags),
)
