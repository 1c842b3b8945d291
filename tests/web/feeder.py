"""Feeder: puts runs and points into a real lab over HTTP, as the protocol's page describes it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import requests

Columns = Mapping[str, tuple[Sequence[int], Sequence[float]]]  # key → (steps, values), of the same length


@dataclass
class FedRun:
    """One run with one writer of its own."""

    feeder: Feeder
    id: str
    name: str
    project: str
    rank: int
    attempt: int
    session: str
    writer: str = field(default_factory=lambda: secrets.token_hex(16))
    cursor: int = 0

    def points(self, columns: Columns, start: float | None = None, spacing_s: float = 1.0) -> None:
        """Add points; the i-th of each key was taken at `start` + i · `spacing_s` (seconds since 1970; by default the
        last is taken now).
        """
        self.feeder.send(self.session, [self.batch_of_points(columns, start, spacing_s)])

    def batch_of_points(self, columns: Columns, start: float | None = None, spacing_s: float = 1.0) -> dict[str, Any]:
        series = []
        offset = 0
        for key, (steps, values) in columns.items():
            n = len(steps)
            first_time = time.time() - (n - 1) * spacing_s if start is None else start
            series.append(
                {
                    "key": key,
                    "seq": np.arange(offset, offset + n, dtype="<u4").tobytes(),
                    "step": np.asarray(steps, "<i8").tobytes(),
                    "value": np.asarray(values, "<f8").tobytes(),
                    "time": (first_time + np.arange(n) * spacing_s).astype("<f8").tobytes(),
                }
            )
            offset += n
        return self._batch(offset, series=series)

    def event(self, kind: str, **fields: Any) -> None:
        self._send(1, events=[[0, kind, int(time.time() * 1e6), fields]])

    def events(self, kind: str, fields: Sequence[Mapping[str, Any]], start: float | None = None) -> None:
        """Add events; the i-th at `start` + i seconds, by default all of them now."""
        at = [time.time()] * len(fields) if start is None else [start + i for i in range(len(fields))]
        self._send(len(fields), events=[[i, kind, int(at[i] * 1e6), dict(its)] for i, its in enumerate(fields)])

    def heartbeat(self, backlog: int = 0, losses: Mapping[str, int] | None = None) -> None:
        self.feeder.heartbeat([self], backlog, losses)

    def end(self, state: str, **more: Any) -> None:
        body = {"run": self.id, "rank": self.rank, "attempt": self.attempt, "state": state, "time": time.time(), **more}
        self.feeder.post(f"sessions/{self.session}/end", json=body)

    def _send(self, count: int, events: list[Any]) -> None:
        self.feeder.send(self.session, [self._batch(count, events=events)])

    def _batch(self, count: int, series: list[Any] | None = None, events: list[Any] | None = None) -> dict[str, Any]:
        first = self.cursor + 1
        self.cursor += count
        return {
            "writer": self.writer,
            "run": self.id,
            "rank": self.rank,
            "attempt": self.attempt,
            "first": first,
            "last": self.cursor,
            "series": series or [],
            "events": events or [],
        }


class Feeder:
    """Args: url: of the lab, without a slash at its end; key: an API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}", "Hectiqlab-Protocol": "1"})

    def run(self, name: str, project: str = "vision", rank: int = 0, world_size: int = 1, **more: Any) -> FedRun:
        fed = self._attached(name, secrets.token_hex(16), project, rank, world_size, **more)
        fed.heartbeat()
        return fed

    def runs(self, names: Sequence[str], project: str, columns: Callable[[int], Columns] | None = None) -> list[FedRun]:
        """Many runs of one session, oldest first: with one heartbeat for all, and one request for what all report.

        Args:
            columns: of the i-th run.
        """
        session = secrets.token_hex(16)
        runs = [self._attached(name, session, project) for name in names]
        self.heartbeat(runs)
        if columns:
            self.send(session, [run.batch_of_points(columns(i)) for i, run in enumerate(runs)])
        return runs

    def _attached(
        self, name: str, session: str, project: str, rank: int = 0, world_size: int = 1, **more: Any
    ) -> FedRun:
        body = {
            "name": name,
            "project": project,
            "create_project": True,
            "session": session,
            "rank": rank,
            "world_size": world_size,
            "host": "gpu-7",
            "pid": 4242,
            **more,
        }
        answer = self.post("runs/attach", json=body)
        run = answer["run"]
        return FedRun(self, run["id"], name, run["project"]["id"], rank, answer["attempt"], session)

    def heartbeat(self, runs: Sequence[FedRun], backlog: int = 0, losses: Mapping[str, int] | None = None) -> None:
        """Args: runs: of one session."""
        its = [{"run": run.id, "rank": run.rank, "attempt": run.attempt} for run in runs]
        body = {"runs": its, "backlog": backlog, "losses": dict(losses or {})}
        self.post(f"sessions/{runs[0].session}/heartbeat", json=body)

    def send(self, session: str, batches: Sequence[Mapping[str, Any]]) -> None:
        body = {"v": 1, "session": session, "clock": time.time(), "batches": batches}
        answer = self.post("ingest", data=msgpack.packb(body), headers={"Content-Type": "application/x-msgpack"})
        assert [result["status"] for result in answer["results"]] == [200] * len(batches), answer

    def post(self, path: str, **request: Any) -> Any:
        answer = self._http.post(f"{self.url}/api/v1/{path}", timeout=20, **request)
        assert answer.ok, f"{answer.status_code} {answer.text[:500]}"
        return msgpack.unpackb(answer.content) if "msgpack" in answer.headers["Content-Type"] else answer.json()

    def delete(self, path: str) -> None:
        answer = self._http.delete(f"{self.url}/api/v1/{path}", timeout=20)
        assert answer.ok, answer.text

    def close(self) -> None:
        self._http.close()
