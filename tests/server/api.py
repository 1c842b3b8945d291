"""What the server's tests talk with: a caller of the lab's API, and makers of batches."""

from __future__ import annotations

import os
import time
from typing import Any

import msgpack
import numpy as np
import requests

from pyhectiqlab.testing.lab import RealLab

from ..waiting import eventually

INGEST_HEADERS = {"Content-Type": "application/x-msgpack"}
NOW_US = 1_700_000_000_000_000
wait_until = eventually


def new_id(n_bytes: int = 16) -> str:
    return os.urandom(n_bytes).hex()


def column(key: str, seq: Any, value: Any = None, step: Any = None, time_us: Any = None) -> dict[str, Any]:
    seq = np.asarray(seq)
    value = seq / 7 if value is None else value
    step = seq if step is None else step
    time_us = NOW_US + seq if time_us is None else time_us
    return {
        "key": key,
        "seq": seq.astype("<u4").tobytes(),
        "step": np.asarray(step).astype("<i8").tobytes(),
        "value": np.asarray(value).astype("<f8").tobytes(),
        "time": (np.asarray(time_us) / 1e6).astype("<f8").tobytes(),
    }


def batch(
    run: str, writer: str, first: int, last: int, *, key: str = "loss", rank: int = 0, attempt: int = 1, **more: Any
) -> dict[str, Any]:
    """Return points of one series at first … last: step = sequence number, value = sequence number / 7."""
    numbers = np.arange(first, last + 1)
    series = [column(key, numbers - first, numbers / 7, numbers, NOW_US + numbers)]
    return {
        "writer": writer,
        "run": run,
        "rank": rank,
        "attempt": attempt,
        "first": first,
        "last": last,
        "series": series,
        "events": [],
        **more,
    }


def events_batch(
    run: str, writer: str, first: int, events: list[tuple[str, dict[str, Any]]], attempt: int = 1, rank: int = 0
) -> dict[str, Any]:
    items = [[i, kind, int(time.time() * 1e6), fields] for i, (kind, fields) in enumerate(events)]
    return {
        "writer": writer,
        "run": run,
        "rank": rank,
        "attempt": attempt,
        "first": first,
        "last": first + len(events) - 1,
        "series": [],
        "events": items,
    }


def packed(batches: list[Any], session: str = "5e551011", **more: Any) -> bytes:
    body: bytes = msgpack.packb({"v": 1, "session": session, "clock": time.time(), "batches": batches, **more})
    return body


class Api:
    """Calls of one user. Methods return the decoded answer and check the status; `raw` returns the response."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {key}"

    @classmethod
    def of(cls, lab: RealLab) -> Api:
        return cls(lab.url, lab.api_key)

    def raw(self, method: str, path: str, **kw: Any) -> requests.Response:
        return self.http.request(method, f"{self.url}/api/v1{path}", timeout=30, **kw)

    def call(self, method: str, path: str, status: int = 200, **kw: Any) -> Any:
        answer = self.raw(method, path, **kw)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        return self.call("GET", path, status, params=params)

    def attach(self, name: str | None = None, session: str | None = None, status: int = 200, **more: Any) -> Any:
        body = {"name": name or f"run-{new_id(4)}", "session": session or new_id(8), **more}
        return self.call("POST", "/runs/attach", status, json=body)

    def ingest_raw(self, body: bytes, **headers: str) -> requests.Response:
        return self.raw("POST", "/ingest", data=body, headers={**INGEST_HEADERS, **headers})

    def ingest(self, *batches: Any, session: str = "5e551011") -> list[dict[str, Any]]:
        answer = self.ingest_raw(packed(list(batches), session))
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def statuses(self, *batches: Any, session: str = "5e551011") -> list[int]:
        return [r["status"] for r in self.ingest(*batches, session=session)]

    def points(self, run: str, key: str = "loss") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        after = None
        while True:
            page = self.get(f"/runs/{run}/points", key=key, **({"after": after} if after else {}))
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def steps(self, run: str, key: str = "loss") -> list[int]:
        return [p["step"] for p in self.points(run, key)]

    def run(self, run: str) -> Any:
        return self.get(f"/runs/{run}")

    def state(self, run: str) -> str:
        return str(self.run(run)["state"])

    def heartbeat(self, session: str, run: str, rank: int = 0, attempt: int = 1, **more: Any) -> Any:
        body = {"runs": [{"run": run, "rank": rank, "attempt": attempt}], "clock": time.time(), **more}
        return self.call("POST", f"/sessions/{session}/heartbeat", json=body)

    def end(
        self, session: str, run: str, state: str, rank: int = 0, attempt: int = 1, status: int = 200, **more: Any
    ) -> Any:
        body = {"run": run, "rank": rank, "attempt": attempt, "state": state, "time": time.time(), **more}
        return self.call("POST", f"/sessions/{session}/end", status, json=body)


def error_of(answer: requests.Response) -> dict[str, Any]:
    """Return the error of an answer, after a check of its only shape."""
    body = answer.json()
    assert set(body) == {"error"}, body
    error: dict[str, Any] = body["error"]
    assert error["status"] == answer.status_code
    assert isinstance(error["code"], str) and error["code"]
    assert isinstance(error["message"], str) and error["message"] and "\n" not in error["message"]
    return error
