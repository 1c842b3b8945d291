"""LabClient: what a lab may be asked for through HTTP, and its answers as Python values.

How a request is sent, and within which bounds, is in calls.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from . import answers
from .answers import JSON, MSGPACK, Answer, Handshake
from .calls import LabCalls
from .columns import Buckets, Points

__all__ = ["Buckets", "Handshake", "LabClient", "Points", "quoted"]


class LabClient(LabCalls):
    """What a lab may be asked for. Implements `Transport`.

    LabCalls says what is true of each call: it blocks within a bound, and raises LabRequestError.
    """

    # The pipeline

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        answer = self._call("POST", "/runs/attach", body=_packed(request), timeout_s=timeout_s)
        return answers.attached(answer.value(), self.url)

    def ingest(self, body: bytes) -> dict[str, Any]:
        answer = self._call("POST", "/ingest", body=body, content_type=MSGPACK, accept=MSGPACK)
        return answers.ingested(answer.value(), self.url)

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        self.post(f"/sessions/{quoted(session)}/heartbeat", payload)

    def end(self, session: str, payload: dict[str, Any]) -> None:
        self.post(f"/sessions/{quoted(session)}/end", payload)

    # JSON; paths are relative to /api/v1, names in them pass through `quoted`

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._map(self._call("GET", path, params=params))

    def post(self, path: str, value: Any = None) -> Any:
        return self._map(self._call("POST", path, body=_packed(value)))

    def put(self, path: str, value: Any) -> Any:
        return self._map(self._call("PUT", path, body=_packed(value)))

    def patch(self, path: str, value: Any) -> Any:
        return self._map(self._call("PATCH", path, body=_packed(value)))

    def config(self, run: str, attempt: int | None = None) -> dict[str, Any]:
        """Return the config of a run, or of one of its attempts. Values have the types that they were logged with."""
        answer = self._call("GET", f"/runs/{quoted(run)}/config", params={"attempt": attempt}, accept=MSGPACK).value()
        config = answer.get("config") if isinstance(answer, dict) else None
        if not isinstance(config, dict):
            raise answers.not_a_lab(self.url, "its config has another shape")
        return config

    def delete(self, path: str) -> Any:
        return self._map(self._call("DELETE", path))

    def _map(self, answer: Answer) -> Any:
        """Return the value of an answer: a map, or None where it has no body."""
        value = answer.value()
        if value is not None and not isinstance(value, dict):
            raise answers.not_a_lab(self.url, "its answer has another shape")
        return value

    def pages(
        self, path: str, params: dict[str, Any] | None = None, *, exact: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, page after page. `limit` in `params` is the size of one page. `exact` asks for
        msgpack, in which NaN and the infinities are numbers.
        """
        for page in self._pages(path, params, MSGPACK if exact else JSON):
            items = page.get("items")
            if not isinstance(items, list):
                raise answers.not_a_lab(self.url, "its list has another shape")
            for item in items:
                if not isinstance(item, dict):
                    raise answers.not_a_lab(self.url, "its list has another shape")
                yield item

    def table(self, params: dict[str, Any], *, page: int = 500) -> Iterator[dict[str, Any]]:
        """Yield every row of a table of runs, with exact numbers, but for runs that are deleted meanwhile."""
        order, offset = "", 0
        while True:
            asked = {**params, "order": order, "offset": offset, "limit": page}
            answer = self._call("GET", "/table", params=asked, accept=MSGPACK).value()
            try:
                rows, order, total = answer["rows"], str(answer["order"]), int(answer["total"])
                yield from (dict(row) for row in rows if row is not None)
                offset += len(rows)
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its table has another shape") from None
            if not rows or offset >= total:
                return

    def points(
        self, run: str, key: str, *, rank: int | None = None, attempt: int | None = None, page: int = 50_000
    ) -> Iterator[Points]:
        """Yield the points of a series in order of arrival, `page` of them at a time."""
        params = {"key": key, "rank": rank, "attempt": attempt, "limit": page}
        for columns in self._pages(f"/runs/{quoted(run)}/points", params, MSGPACK):
            try:
                yield Points.of(columns)
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None

    def points_behind(
        self, run: str, key: str, after: str | None, *, page: int = 50_000
    ) -> Iterator[tuple[Points, str | None]]:
        """Like `points`, from a cursor on (None: the first point). Each page comes with the cursor behind it."""
        params = {"key": key, "limit": page, "after": after}
        for columns in self._pages(f"/runs/{quoted(run)}/points", params, MSGPACK):
            try:
                yield Points.of(columns), columns.get("end")
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None

    def points_of_keys(
        self, run: str, keys: list[tuple[str, str | None]], *, limit: int = 50_000
    ) -> Iterator[tuple[str, Points, str | None]]:
        """Yield the points of many keys, each from a cursor on (None: the first point), with the cursor behind them.
        A key comes in several parts where it has many. Raises NotFoundError, InvalidRequestError where the lab is
        older than this call.
        """
        left = list(keys)
        while left:
            asked = [{"key": key, "after": after} for key, after in left[:1000]]
            body = _packed({"keys": asked, "limit": limit})
            answer = self._call("POST", f"/runs/{quoted(run)}/points", body=body, accept=MSGPACK).value()
            try:
                series = answer["series"]
                for one in series:
                    yield one["key"], Points.of(one), one.get("end")
                again = [(one["key"], one["next"]) for one in series if one.get("next") is not None]
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None
            if not series:
                raise answers.not_a_lab(self.url, "its points have another shape")
            left = again + left[len(series) :]

    def record(self, run: str, events_after: str | None) -> dict[str, Any]:
        """Return all that the lab has of a run but its points, with events from a cursor on (None: the first): see
        GET /runs/{run_id}/record. Raises LabRequestError with status 405 where the lab is older than this call.
        """
        path, params = f"/runs/{quoted(run)}/record", {"events_after": events_after}
        answer = self._call("GET", path, params=params, accept=MSGPACK).value()
        lists = ("events", "keys", "sessions", "attempts", "artifacts")
        if not isinstance(answer, dict) or not all(
            isinstance(answer.get(name), dict) and isinstance(answer[name].get("items"), list) for name in lists
        ):
            raise answers.not_a_lab(self.url, "its record of a run has another shape")
        return answer

    def events_behind(self, run_path: str, after: str | None) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Yield pages of a run's events in order of arrival, from a cursor on (None: the first), with the types that
        their fields came with. Each page comes with the cursor behind it; None where it is empty.
        """
        for page in self._pages(f"{run_path}/events", {"limit": 1000, "after": after}, MSGPACK):
            items, end = page.get("items"), page.get("end")
            if not isinstance(items, list) or (items and not isinstance(end, str)):
                raise answers.not_a_lab(self.url, "its events have another shape")
            yield items, end

    def buckets(self, query: dict[str, Any]) -> list[Buckets]:
        """Ask for buckets (POST /series/buckets). Return one answer for each selector."""
        answer = self._call("POST", "/series/buckets", body=_packed(query), accept=MSGPACK).value()
        try:
            return [Buckets.of(series) for series in answer["series"]]
        except (KeyError, TypeError, ValueError):
            raise answers.not_a_lab(self.url, "its buckets have another shape") from None

    def _pages(self, path: str, params: dict[str, Any] | None, accept: str) -> Iterator[dict[str, Any]]:
        params = dict(params or {})
        while True:
            page = self._call("GET", path, params=params, accept=accept).value()
            if not isinstance(page, dict):
                raise answers.not_a_lab(self.url, "its list has another shape")
            yield page
            following = page.get("next")
            if following is None:
                return
            if not isinstance(following, str):
                raise answers.not_a_lab(self.url, "its list has another shape")
            if following == params.get("after"):  # else the list would never end
                raise answers.not_a_lab(self.url, "its list repeats itself")
            params["after"] = following


def quoted(name: str) -> str:
    """Return `name` as one segment of a path."""
    return quote(name, safe="")


def _packed(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
