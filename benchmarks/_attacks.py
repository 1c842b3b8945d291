"""What neighbours.py does to a lab: each attack is one small function, in the list ATTACKS at the end.

An attack runs in a process of its own, at a low priority (its author has a machine of their own), from addresses of
127.66.0.0/16, until it is told to stop. It does what the lab lets it: what the lab closes is made again, at
most RECONNECTS_PER_S a second, and an answer of any status is followed by the next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
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
        told: dict[str, Any] = {"host": f"127.0.0.1:{self.port}", "content-length": len(body)}
        if key is not None:
            told["authorization"] = f"Bearer {self.keys[key]}"
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items() if v is not None), "", ""]
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
)
