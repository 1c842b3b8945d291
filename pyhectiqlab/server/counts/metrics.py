"""Metrics that the lab counts as things happen, in Prometheus' form.

gauges.py has those that are read at each scrape.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # few buckets, as each is a series for each route
JOBS = (1, 4, 16, 64, 256)
REASONS_MAX = 64  # labels of losses; further reasons are counted as "other"

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter has one more series: when the lab was started


class Metrics:
    """The metrics of one lab."""

    def __init__(self) -> None:
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
            "Batches of training processes, by the status they got; all but 200 were refused.",
            ["status"],
            registry=self.registry,
        )
        self.failed_logins = Counter(
            "hectiqlab_failed_logins", "Wrong passwords, and refused single sign-ons.", registry=self.registry
        )
        self.losses = Counter(
            "hectiqlab_losses",
            "Events and files that clients gave up, as they reported, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._lost: collections.Counter[str] = collections.Counter()
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

    def committed(self, seconds: float, jobs: int, points: int, losses: Mapping[str, int]) -> None:
        """Count one commit of the writer thread. `losses`: how many by reason, as clients reported."""
        self.commit_seconds.observe(seconds)
        self.commit_jobs.observe(jobs)
        self.points.inc(points)
        for reason, count in losses.items():
            if not re.fullmatch(r"[a-z_]{1,40}", reason) or (
                reason not in self._lost and len(self._lost) >= REASONS_MAX
            ):
                reason = "other"
            self._lost[reason] += count
            self.losses.labels(reason).inc(count)

    def losses_so_far(self) -> dict[str, int]:
        """Return the losses since the start, by reason. Call from any thread."""
        return dict(self._lost)

    def answered(self, statuses: Iterable[int]) -> None:
        """Count the batches of a request of ingest by their statuses. Call from any thread."""
        for status, count in collections.Counter(statuses).items():
            self.batches.labels(status).inc(count)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format. Blocks on the databases for some milliseconds."""
        return generate_latest(self.registry)
