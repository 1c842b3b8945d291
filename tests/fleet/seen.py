"""What the API shows of a whole lab: projects, runs, points, charts, logs, media, files, versions, views."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import requests

from ..server.api import Api

# What changes by itself, or when somebody asks; and cursors, which each store has of its own.
MOVING = {"duration", "last_seen", "last_used", "order", "next", "previous", "end"}
OF_RUN = ("", "/sessions", "/capture", "/config", "/meta", "/events", "/writers", "/attempts", "/steps", "/logs")
SORTS = ("-created", "name", "-points", '-metric."train/loss".max', '-metric."valid/loss".last', "config.lr", "state")
COLUMNS = ["config.lr", 'metric."train/loss".last', 'metric."valid/loss".mean']
CHARTS_OF_RUN = 8


class Seen:
    """Args:
        runs_max: of how many runs of each project, the newest ones, everything is asked.

    Attributes:
        parts: what was answered, by what was asked for.
    """

    def __init__(self, url: str, key: str, runs_max: int = 1000) -> None:
        self.api, self._url = Api(url, key), url
        self.parts: dict[str, Any] = {"lab": self.api.get("/handshake")["lab_id"]}
        self._see("/users")
        for project in self._see("/projects")["items"]:
            self._project(project["id"])
            for run in self._see("/runs", project=project["id"])["items"][:runs_max]:
                assert requests.get(run["url"], timeout=30).status_code == 200, "its link is good"
                self._run(run["id"])

    def _project(self, ref: str) -> None:
        for path in ("", "/members"):
            self._see(f"/projects/{ref}{path}")
        self._see(f"/projects/{ref}/views", documents=True)
        self._files(f"/projects/{ref}/artifacts")
        for kind in ("models", "datasets"):
            for name in (its["name"] for its in self._see(f"/projects/{ref}/{kind}")["items"]):
                path = f"/projects/{ref}/{kind}/{name}/versions"
                for version in self._see(path)["items"]:
                    whole = self._see(f"{path}/{version['version']}")
                    for file in whole["contents"]:
                        self._content(f"/{kind}/{version['uuid']}/content", path=file["path"])
        for sort in SORTS:
            self._see("/table", project=ref, sort=sort, column=COLUMNS)
        self._see("/table/groups", project=ref, by="state", column=COLUMNS)
        self._see("/table/columns", project=ref)

    def _run(self, run: str) -> None:
        for path in OF_RUN:
            self._see(f"/runs/{run}{path}")
        self._files(f"/runs/{run}/artifacts")
        for group in self._see(f"/runs/{run}/media")["items"]:
            self._see(f"/runs/{run}/media/items", kind=group["kind"], name=group["name"])
        keys = [item["key"] for item in self._see(f"/runs/{run}/keys")["items"]]
        for key in keys[:CHARTS_OF_RUN]:
            self._see(f"/runs/{run}/points", key=key, limit=1000)
        selectors = [{"run": run, "key": key, "rank": "each"} for key in keys[:CHARTS_OF_RUN]]
        for axis in ("step", "time", "relative"):
            body = {"selectors": selectors, "axis": axis, "n": 50}
            answer = self.api.call("POST", "/series/buckets", json=body, headers={"Accept": "application/json"})
            self._note(f"charts of {run} by {axis}", answer)

    def _see(self, path: str, **params: Any) -> Any:
        """Note all pages of an answer."""
        answer = page = self.api.get(path, **params)
        while page.get("next"):
            page = self.api.get(path, **params, after=page["next"])
            answer["items"] += page["items"]
        self._note(f"{path} {params}", answer)
        return answer

    def _files(self, path: str) -> None:
        for item in self._see(path, versions="all")["items"]:
            self._content(f"/artifacts/{item['uuid']}/content")

    def _content(self, url: str, **params: Any) -> None:
        data = self.api.raw("GET", url, params=params)
        assert data.status_code == 200, data.text
        self._note(f"{url} {params}", hashlib.sha256(data.content).hexdigest())

    def _note(self, what: str, answer: Any) -> None:
        assert what not in self.parts
        self.parts[what] = self._plain(answer)

    def _plain(self, value: Any) -> Any:
        """Return an answer without the lab's address, and without what changes by itself."""
        if isinstance(value, dict):
            return {name: self._plain(part) for name, part in value.items() if name not in MOVING}
        if isinstance(value, list):
            return [self._plain(part) for part in value]
        return value.replace(self._url, "") if isinstance(value, str) else value


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Assert that two are the same, part by part, so that a difference is small enough to be read."""
    assert now.keys() == before.keys()
    for what, part in before.items():
        assert_same_part(what, now[what], part)


def assert_same_part(what: str, now: Any, before: Any) -> None:
    if isinstance(before, dict) and isinstance(now, dict) and now.keys() == before.keys():
        for name in before:
            assert_same_part(f"{what}: {name}", now[name], before[name])
    elif isinstance(before, list) and isinstance(now, list) and len(now) == len(before):
        for n, (one, other) in enumerate(zip(now, before, strict=True)):
            assert_same_part(f"{what}, {n}", one, other)
    elif isinstance(before, float) and isinstance(now, float):  # means are sums in another order
        assert math.isclose(now, before, rel_tol=1e-9, abs_tol=1e-12), what
    else:
        assert now == before, what
