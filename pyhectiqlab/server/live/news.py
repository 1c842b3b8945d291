"""News: what commits changed, for whoever watches at this lab, or at its peers, which get ids alone."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import StoreError
from ...store.meta import Changes, MetaStore, MetaView
from ...store.peers import PAYLOAD_BYTES_MAX, Peers
from ..writing.ingest_plan import IngestJob
from .stream import KEYS_MAX, Hub, Message

log = logging.getLogger("hectiqlab.server")

RUNS_MAX = 5_000  # runs that wait to be told to peers; if there are more, the peers' pages look at everything again
RESYNC = json.dumps({"resync": True})


@dataclass
class Arrived:
    """Points that came for a run. `keys`: of these; None: too many to name."""

    points: int = 0
    keys: dict[str, None] | None = field(default_factory=dict)

    def add(self, keys: Sequence[str] | None, points: int) -> None:
        self.points += points
        if keys is None:
            self.keys = None
        elif self.keys is not None:
            for key in keys[: KEYS_MAX - len(self.keys)]:
                self.keys[key] = None


@dataclass
class News:
    """Sets are dicts, which keep an order."""

    arrived: dict[str, Arrived] = field(default_factory=dict)
    logged: dict[str, None] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    projects: dict[str, None] = field(default_factory=dict)
    runs: dict[str, None] = field(default_factory=dict)

    def add(self, changes: Changes, jobs: Sequence[IngestJob]) -> None:
        """Add what a commit changed."""
        for job in jobs:
            for batch in job.accepted:
                run = batch.columns.run
                keys = [column.key for column in batch.columns.columns]
                self.arrived.setdefault(run, Arrived()).add(keys, batch.points)
                if any(event.kind == "log" for event in batch.events):
                    self.logged[run] = None
        self.states |= changes.states
        self.projects |= dict.fromkeys(changes.projects)
        self.runs |= dict.fromkeys(changes.runs)

    def __len__(self) -> int:
        return len(self.arrived) + len(self.logged) + len(self.states) + len(self.projects) + len(self.runs)

    def messages(self, view: MetaView) -> list[Message]:
        """Return what subscribers are told. Blocks on the store."""
        runs = view.run_ids(sorted({*self.arrived, *self.logged, *self.states, *self.runs}))
        messages = []

        def tell(kind: str, run: str, **data: Any) -> None:
            if run in runs:  # else it was purged meanwhile
                messages.append(Message.of_run(kind, run, runs[run].project_id, **data))

        for run, its in self.arrived.items():
            if its.points:
                tell("points", run, keys=None if its.keys is None else list(its.keys), points=its.points)
        for run in self.logged:
            tell("logs", run)
        for run, state in self.states.items():
            tell("state", run, state=state)
        for project in self.projects:
            messages.append(Message("project", project, project, {"project": project}))
        for run in self.runs:
            tell("run", run)
        return messages

    # As peers hear it.

    def payloads(self) -> list[str]:
        """Return texts of at most PAYLOAD_BYTES_MAX bytes, all ASCII."""
        payloads: list[str] = []
        some: dict[str, list[Any]] = {}
        size = 0
        for name, item in self._items():
            text = json.dumps(item)
            if len(text) > PAYLOAD_BYTES_MAX // 2:  # many long keys
                item = [item[0], item[1], None]
                text = json.dumps(item)
            if size + len(text) + 64 > PAYLOAD_BYTES_MAX and some:
                payloads.append(json.dumps(some))
                some, size = {}, 0
            some.setdefault(name, []).append(item)
            size += len(text) + 2
        return [*payloads, json.dumps(some)] if some else payloads

    def _items(self) -> Iterator[tuple[str, Any]]:
        for run, its in self.arrived.items():
            yield "points", [run, its.points, None if its.keys is None else list(its.keys)]
        for run, state in self.states.items():
            yield "states", [run, state]
        for name, of in (("logs", self.logged), ("projects", self.projects), ("runs", self.runs)):
            for one in of:
                yield name, one

    @classmethod
    def heard(cls, said: dict[str, Any]) -> News:
        """Return what a payload says. Ignores what only a newer lab knows."""
        news = cls()
        for run, points, keys in said.get("points", ()):
            news.arrived.setdefault(run, Arrived()).add(keys, points)
        news.states = dict(said.get("states", ()))
        news.logged = dict.fromkeys(said.get("logs", ()))
        news.projects = dict.fromkeys(said.get("projects", ()))
        news.runs = dict.fromkeys(said.get("runs", ()))
        return news


class Exchange:
    """Brings news to this lab's subscribers, and to the other labs: a Hearer of its Peers.

    Args:
        ends: called with why this lab must end.
    """

    def __init__(self, peers: Peers, hub: Hub, meta: MetaStore, ends: Callable[[str], None]) -> None:
        self._peers, self._hub, self._meta, self._ends = peers, hub, meta, ends
        self._lock = threading.Lock()
        self._waiting = News()  # for the others
        self._resync = False

    def tell(self, changes: Changes, jobs: Sequence[IngestJob]) -> None:
        """Tell what a commit changed. Blocks on the store if somebody watches. Raises StoreError."""
        if self._peers.several:
            with self._lock:
                self._waiting.add(changes, jobs)
                if len(self._waiting) > RUNS_MAX:
                    self._waiting, self._resync = News(), True
            self._peers.hurry()
        if self._hub.watched:
            news = News()
            news.add(changes, jobs)
            self._publish(news)

    def _publish(self, news: News) -> None:
        with self._meta.reading() as view:
            messages = news.messages(view)
        self._hub.publish(messages)

    def outgoing(self) -> list[str]:
        with self._lock:
            waiting, self._waiting = self._waiting, News()
            resync, self._resync = self._resync, False
        return [RESYNC] if resync else waiting.payloads()

    def lost(self) -> None:
        self._resync = True
        self._peers.hurry()

    def heard(self, payload: str) -> None:
        if not self._hub.watched:
            return
        try:
            said = json.loads(payload)
            if said.get("resync"):
                self._hub.resync()
            else:
                self._publish(News.heard(said))
        except (StoreError, ValueError, TypeError, AttributeError) as e:
            log.warning("news of another lab were not understood, so pages look again: %s", e)
            self._hub.resync()

    def missed(self) -> None:
        self._hub.resync()
        self.lost()

    def replaced(self, why: str) -> None:
        self._ends(why)
