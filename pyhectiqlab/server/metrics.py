"""Metrics of the lab that are counted where things happen, in Prometheus' form."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOBS = (1, 2, 5, 10, 20, 50, 100, 200, 512)


class Metrics:
    """Of one lab."""

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
            "Batches of training processes, by the status they got.",
            ["status"],
            registry=self.registry,
        )
        self.failed_logins = Counter("hectiqlab_failed_logins", "Wrong passwords.", registry=self.registry)
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
