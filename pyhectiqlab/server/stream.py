"""Live updates: what commits changed, to whoever watches.

Lives on the event loop; `publish` may be called from any thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

QUEUE_MAX = 256  # messages that wait for one subscriber; beyond it they are dropped and it is told to look again
COMMENT_EVERY_S = 15.0
KEYS_MAX = 64


@dataclass(frozen=True)
class Message:
    kind: str  # points | logs | state | run | resync
    run: str
    project: str
    data: dict[str, Any]

    def encode(self) -> bytes:
        return f"event: {self.kind}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


RESYNC = Message("resync", "", "", {})


class Subscription:
    """One reader's queue: messages of these runs, or of this project."""

    def __init__(self, runs: frozenset[str], project: str | None) -> None:
        self._runs, self._project = runs, project
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue(QUEUE_MAX)

    def offer(self, message: Message) -> None:
        if message.run not in self._runs and message.project != self._project:
            return
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            message = RESYNC
        self.queue.put_nowait(message)

    def close(self) -> None:
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Hub:
    """All subscriptions. `close` ends every stream at once, so that a stopping lab does not wait for open pages."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

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
            self._loop.call_soon_threadsafe(self._fan_out, messages)

    def close(self) -> None:
        """On the event loop."""
        self._closed = True
        self._end_all()

    def _end_all(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    def _fan_out(self, messages: Sequence[Message]) -> None:
        if self._closed:
            return
        for subscription in self._subscriptions:
            for message in messages:
                subscription.offer(message)

    async def read(self, runs: frozenset[str], project: str | None) -> AsyncIterator[bytes]:
        """The stream of one subscriber, as server-sent events."""
        subscription = Subscription(runs, project)
        self._subscriptions.add(subscription)
        try:
            yield b": connected\n\n"
            while not self._closed:
                try:
                    message = await asyncio.wait_for(subscription.queue.get(), COMMENT_EVERY_S)
                except asyncio.TimeoutError:
                    yield b": alive\n\n"
                    continue
                if message is None:
                    return
                yield message.encode()
        finally:
            self._subscriptions.discard(subscription)
