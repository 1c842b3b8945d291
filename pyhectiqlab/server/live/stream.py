"""Live updates: what commits changed, sent to whoever watches.

What the commits of a moment changed is sent together, once. The more watch, the longer that moment is, so that sending
takes a few hundredths of the lab's time however many watch, and however often others commit.

Lives on the event loop; `publish` may be called from any thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

QUEUE_MAX = 1024  # messages that wait for one subscriber; beyond it they are dropped, and it is asked to look again
COMMENT_EVERY_S = 15.0
KEYS_MAX = 64
REST_S, REST_OF_ONE_S, REST_MAX_S = 0.02, 0.002, 0.5  # between two sendings: at least, for each subscriber, at most
READERS_AT_ONCE = 16  # that are served in one turn of the event loop


@dataclass(frozen=True)
class Message:
    kind: str  # points | logs | state | run | project | resync | missing
    run: str  # of news of a project: the project
    project: str
    data: dict[str, Any]

    @classmethod
    def of_run(cls, kind: str, run: str, project: str, **data: Any) -> Message:
        return cls(kind, run, project, {"run": run, "project": project, **data})

    @cached_property
    def encoded(self) -> bytes:
        return f"event: {self.kind}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()

    def after(self, other: Message) -> Message:
        """Return what this one and an earlier one of its kind and run say together."""
        if self.kind != "points":
            return self
        mine, others = self.data["keys"], other.data["keys"]
        keys = None if mine is None or others is None else list(dict.fromkeys([*others, *mine]))[:KEYS_MAX]
        return replace(self, data={**self.data, "keys": keys, "points": other.data["points"] + self.data["points"]})


RESYNC = Message("resync", "", "", {})


class Subscription:
    """The messages that wait to be sent to one reader, of these runs or of these projects."""

    def __init__(self, runs: frozenset[str], projects: frozenset[str]) -> None:
        self._runs, self._projects = runs, projects
        self._waiting: list[bytes] = []
        self.heard = asyncio.Event()  # something waits, or it was closed
        self.closed = False

    def offer(self, messages: Sequence[Message]) -> None:
        mine = [m.encoded for m in messages if m.run in self._runs or m.project in self._projects]
        if not mine:
            return
        self._waiting = [*self._waiting, *mine] if len(self._waiting) + len(mine) <= QUEUE_MAX else [RESYNC.encoded]
        self.heard.set()

    def offer_resync(self) -> None:
        self._waiting = [RESYNC.encoded]
        self.heard.set()

    def take(self) -> bytes:
        """Return all that waits."""
        taken, self._waiting = b"".join(self._waiting), []
        self.heard.clear()
        return taken

    def close(self) -> None:
        self.closed = True
        self.heard.set()


class Hub:
    """All subscriptions. `close` ends every stream at once, so that a stopping lab does not wait for open pages."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._pending: dict[tuple[str, str], Message] = {}  # by kind and run
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0

    def attach_loop(self) -> None:
        self._loop = asyncio.get_running_loop()

    @property
    def watched(self) -> bool:
        return bool(self._subscriptions)

    @property
    def watchers(self) -> int:
        return len(self._subscriptions)

    @property
    def closed(self) -> bool:
        return self._closed

    def publish(self, messages: Sequence[Message]) -> None:
        if self._loop is not None and messages and self._subscriptions and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._gather, self._loop, messages)

    def resync(self) -> None:
        """Have all who watch look again: news may have been missed. From any thread."""
        if self._loop is not None and self._subscriptions and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._offer_resync)

    def _offer_resync(self) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer_resync()

    def close(self) -> None:
        """Call only on the event loop."""
        self._closed = True
        self._end_all()

    def _end_all(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    def _gather(self, loop: asyncio.AbstractEventLoop, messages: Sequence[Message]) -> None:
        for message in messages:
            key = message.kind, message.run
            earlier = self._pending.get(key)
            self._pending[key] = message if earlier is None else message.after(earlier)
        if self._timer is None:
            rest = min(REST_MAX_S, REST_S + REST_OF_ONE_S * len(self._subscriptions))
            self._timer = loop.call_at(self._sent_at + rest, self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._sent_at = None, loop.time()
        messages = tuple(self._pending.values())
        self._pending.clear()
        if not self._closed:
            self._send_some(loop, messages, tuple(self._subscriptions))

    def _send_some(
        self, loop: asyncio.AbstractEventLoop, messages: Sequence[Message], to: Sequence[Subscription]
    ) -> None:
        for subscription in to[:READERS_AT_ONCE]:
            subscription.offer(messages)
        if len(to) > READERS_AT_ONCE:
            loop.call_soon(self._send_some, loop, messages, to[READERS_AT_ONCE:])

    async def read(
        self, runs: frozenset[str], projects: frozenset[str], first: Sequence[Message] = ()
    ) -> AsyncIterator[bytes]:
        """Return the stream of one subscriber, as server-sent events; `first` before all else."""
        subscription = Subscription(runs, projects)
        self._subscriptions.add(subscription)
        try:
            yield b": connected\n\n" + b"".join(message.encoded for message in first)
            while not (self._closed or subscription.closed):
                try:
                    await asyncio.wait_for(subscription.heard.wait(), COMMENT_EVERY_S)
                except asyncio.TimeoutError:
                    yield b": alive\n\n"
                    continue
                if not subscription.closed:
                    yield subscription.take()
        finally:
            self._subscriptions.discard(subscription)
