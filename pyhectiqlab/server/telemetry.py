"""What the lab tells of itself: Prometheus metrics, and one record of its log for each request."""

from __future__ import annotations

import collections
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._version import __version__
from ..base.texts import clean

if TYPE_CHECKING:
    from .lab import Lab

access_log = logging.getLogger("hectiqlab.access")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOBS = (1, 2, 5, 10, 20, 50, 100, 200, 512)


class Telemetry:
    """The metrics of one lab. Counters are moved where things happen; gauges are read when somebody asks."""

    def __init__(self, lab: Lab) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "hectiqlab_http_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "hectiqlab_http_request_seconds",
            "From a request's head to the end of its answer; live streams are left out.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batches = Counter(
            "hectiqlab_batches",
            "Batches of training processes, by the status they got.",
            ["status"],
            registry=self.registry,
        )
        self.points = Counter("hectiqlab_points", "Points made durable.", registry=self.registry)
        self.commit_seconds = Histogram(
            "hectiqlab_commit_seconds",
            "How long a commit of both databases takes.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.commit_jobs = Histogram(
            "hectiqlab_commit_jobs", "Requests made durable by one commit.", buckets=JOBS, registry=self.registry
        )
        self.registry.register(_Gauges(lab))

    def committed(self, seconds: float, jobs: int, statuses: Iterable[int], points: int) -> None:
        """One commit of the writer thread."""
        self.commit_seconds.observe(seconds)
        self.commit_jobs.observe(jobs)
        self.points.inc(points)
        for status, count in collections.Counter(statuses).items():
            self.batches.labels(status).inc(count)

    def text(self) -> bytes:
        """All of it in Prometheus' text format. Blocks on the databases for some milliseconds."""
        return generate_latest(self.registry)


class _Gauges:
    """Read anew at each scrape."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def describe(self) -> Iterable[Metric]:
        return ()  # else `collect` would run at registration, before the lab is open

    def collect(self) -> Iterator[Metric]:
        lab = self._lab
        info = GaugeMetricFamily("hectiqlab_info", "Always 1.", labels=["version", "generation"])
        info.add_metric([__version__, lab.generation], 1)
        yield info
        yield GaugeMetricFamily("hectiqlab_waiting_jobs", "Requests that wait for the writer.", lab.writer.waiting)
        yield GaugeMetricFamily("hectiqlab_streams", "Pages that follow live.", lab.hub.watchers)
        failures = CounterMetricFamily(
            "hectiqlab_loop_failures", "How often a thread of the lab's own had to be begun again.", labels=["loop"]
        )
        failing = GaugeMetricFamily("hectiqlab_loop_failing", "1 while it does not do its work.", labels=["loop"])
        now_failing = {one.name for one in lab.failing()}
        for trouble in lab.troubles():
            failures.add_metric([trouble.name], trouble.failures)
            failing.add_metric([trouble.name], float(trouble.name in now_failing))
        yield failures
        yield failing
        runs = GaugeMetricFamily("hectiqlab_runs", "Runs that are not deleted.", labels=["state"])
        with lab.meta.reading() as view:
            for state, count in sorted(view.runs_by_state().items()):
                runs.add_metric([state], count)
            stored = view.stored_bytes()
        yield runs
        size = GaugeMetricFamily("hectiqlab_data_bytes", "What the data takes on disk.", labels=["what"])
        for name in ("lab.db", "points.db"):
            size.add_metric([name], sum(_size(lab.data / f"{name}{suffix}") for suffix in ("", "-wal")))
        size.add_metric(["files"], stored)
        yield size
        room = lab.blobs.room()
        if room is not None:
            yield GaugeMetricFamily("hectiqlab_disk_free_bytes", "What the disk still has.", room)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


class Observe:
    """ASGI middleware, the outermost: counts, times and logs each request by the pattern of its route, not by its path,
    of which there are as many as runs.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app, self.telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status, streams = 0, False

        async def send_and_look(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(
                    k == b"content-type" and v.startswith(b"text/event-stream") for k, v in message["headers"]
                )
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        finally:
            seconds = time.perf_counter() - began
            # Some releases of FastAPI tell the pattern with the prefix of its router, some without.
            route = getattr(scope.get("route"), "path", "other").removeprefix("/api/v1")
            self.telemetry.requests.labels(scope["method"], route, status).inc()
            if not streams:
                self.telemetry.request_seconds.labels(route).observe(seconds)
            if access_log.isEnabledFor(logging.INFO):
                client = scope["client"][0] if scope.get("client") else ""
                fields = {
                    "method": scope["method"],
                    "path": clean(scope["path"]),  # decoded: it may hold line breaks and escapes
                    "status": status,
                    "ms": round(seconds * 1e3, 1),
                    "client": client,
                }
                access_log.info(
                    "%(method)s %(path)s %(status)d %(ms).1f ms %(client)s", fields, extra={"fields": fields}
                )


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (seconds since 1970), level, logger, message, exception, and `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def set_up_logging(log_format: str, access: bool) -> None:
    """The lab's log, on stderr: "text" for people, "json" for collectors; with a record for each request or without."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if log_format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    access_log.setLevel(logging.INFO if access else logging.WARNING)
