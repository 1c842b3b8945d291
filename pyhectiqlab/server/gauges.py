"""Metrics of the lab that are read when somebody asks, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .._version import __version__
from .lab import Lab


class Gauges(Collector):
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
        waited = lab.shares.pace.waited_s
        yield CounterMetricFamily("hectiqlab_read_waited_seconds", "How long who read much waited for others.", waited)
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
        for name, n in lab.storage.sizes().items():
            size.add_metric([name], n)
        size.add_metric(["files"], stored)
        yield size
        room = lab.blobs.room()
        if room is not None:
            yield GaugeMetricFamily("hectiqlab_disk_free_bytes", "What the disk still has.", room)
