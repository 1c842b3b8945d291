"""Feeder: puts runs and points into a real lab over HTTP, as the protocol's page describes it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
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
        """Adds points; the i-th of each key was taken at `start` + i · `spacing_s` (seconds since 1970; by default
        the last is taken now)."""
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
        self._send(offset, series=series)

    def event(self, kind: str, **fields: Any) -> None:
        self._send(1, events=[[0, kind, int(time.time() * 1e6), fields]])

    def events(self, kind: str, fields: Sequence[Mapping[str, Any]], start: float | None = None) -> None:
        """The i-th at `start` + i seconds; by default all of them now."""
        at = [time.time()] * len(fields) if start is None else [start + i for i in range(len(fields))]
        self._send(len(fields), events=[[i, kind, int(at[i] * 1e6), dict(its)] for i, its in enumerate(fields)])

    def heartbeat(self, backlog: int = 0, losses: Mapping[str, int] | None = None) -> None:
        self.feeder.post(
            f"sessions/{self.session}/heartbeat",
            json={
                "runs": [{"run": self.id, "rank": self.rank, "attempt": self.attempt}],
                "backlog": backlog,
                "losses": dict(losses or {}),
            },
        )

    def end(self, state: str, **told: Any) -> None:
        body = {"run": self.id, "rank": self.rank, "attempt": self.attempt, "state": state, "time": time.time(), **told}
        self.feeder.post(f"sessions/{self.session}/end", json=body)

    def _send(self, count: int, series: list[Any] | None = None, events: list[Any] | None = None) -> None:
        batch = {
            "writer": self.writer,
            "run": self.id,
            "rank": self.rank,
            "attempt": self.attempt,
            "first": self.cursor + 1,
            "last": self.cursor + count,
            "series": series or [],
            "events": events or [],
        }
        body = {"v": 1, "session": self.session, "clock": time.time(), "batches": [batch]}
        answer = self.feeder.post("ingest", data=msgpack.packb(body), headers={"Content-Type": "application/x-msgpack"})
        result = answer["results"][0]
        assert result["status"] == 200, result
        self.cursor += count


class Feeder:
    """Args: url: of the lab, without a slash at its end; key: an API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}", "Hectiqlab-Protocol": "1"})

    def run(self, name: str, project: str = "vision", rank: int = 0, world_size: int = 1, **more: Any) -> FedRun:
        session = secrets.token_hex(16)
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
        told = self.post("runs/attach", json=body)
        fed = FedRun(self, told["run"]["id"], name, told["run"]["project"]["id"], rank, told["attempt"], session)
        fed.heartbeat()
        return fed

    def post(self, path: str, **request: Any) -> Any:
        answer = self._http.post(f"{self.url}/api/v1/{path}", timeout=20, **request)
        assert answer.ok, f"{answer.status_code} {answer.text[:500]}"
        return msgpack.unpackb(answer.content) if "msgpack" in answer.headers["Content-Type"] else answer.json()

    def delete(self, path: str) -> None:
        answer = self._http.delete(f"{self.url}/api/v1/{path}", timeout=20)
        assert answer.ok, answer.text

    def close(self) -> None:
        self._http.close()
