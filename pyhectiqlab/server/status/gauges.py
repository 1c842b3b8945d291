"""Metrics of the lab that are read at each scrape, in Prometheus' form; metrics.py has those that are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..._version import __version__
from ...store.backups.backup import last_backup
from ...store.engine_counts import EngineCounts
from ...store.totals import ProjectTotals
from ..lab import Lab

PROJECTS_MAX = 50  # projects with labels of their own


class Gauges(Collector):
    """The metrics of one lab that are read anew at each scrape."""

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
        yield CounterMetricFamily(
            "hectiqlab_read_waited_seconds", "How long requests that read much waited for others.", waited
        )
        failures = CounterMetricFamily(
            "hectiqlab_loop_failures", "How often a thread of the lab failed and was begun again.", labels=["loop"]
        )
        failing = GaugeMetricFamily("hectiqlab_loop_failing", "1 while the thread fails.", labels=["loop"])
        now_failing = {one.name for one in lab.failing()}
        for trouble in lab.troubles():
            failures.add_metric([trouble.name], trouble.failures)
            failing.add_metric([trouble.name], float(trouble.name in now_failing))
        yield failures
        yield failing
        yield from _engines(lab.storage.engines())
        totals = lab.totals.get()
        yield CounterMetricFamily("hectiqlab_writes_refused", "Writes that the databases refused.", lab.refusals.count)
        runs = GaugeMetricFamily("hectiqlab_runs", "Runs that are not deleted.", labels=["state"])
        for state, count in sorted(totals.runs_by_state.items()):
            runs.add_metric([state], count)
        yield runs
        size = GaugeMetricFamily("hectiqlab_data_bytes", "Bytes of the data on disk.", labels=["what"])
        for name, n in totals.sizes.items():
            size.add_metric([name], n)
        size.add_metric(["files"], totals.files)
        yield size
        unused = GaugeMetricFamily("hectiqlab_unused_bytes", "Bytes of a database's free pages.", labels=["what"])
        for name, n in totals.unused.items():
            unused.add_metric([name], n)
        yield unused
        yield _files_of_projects(totals.projects)
        work = lab.points.work_left()
        backlog = GaugeMetricFamily("hectiqlab_backlog", "Work that the lab has still to do, by kind.", labels=["what"])
        backlog.add_metric(["points to compact"], work.to_compact)
        backlog.add_metric(["points to remove"], work.to_remove)
        backlog.add_metric(["deleted runs"], totals.deleted_runs)
        backlog.add_metric(["retention"], lab.retention.waiting)
        yield backlog
        with lab.meta.reading() as view:
            waiting, backup = view.waiting_notices(), last_backup(view)
        yield GaugeMetricFamily("hectiqlab_notices_waiting", "Notices that are still to be delivered.", waiting)
        if backup is not None:
            taken = GaugeMetricFamily("hectiqlab_last_backup_timestamp_seconds", "When the last snapshot was taken.")
            taken.add_metric([], backup.taken)
            yield taken
        room = lab.blobs.room()
        if room is not None:
            yield GaugeMetricFamily("hectiqlab_disk_free_bytes", "Bytes that are free on the disk.", room)
        total = lab.storage.disk_total()
        if total is not None:
            yield GaugeMetricFamily("hectiqlab_disk_bytes", "Bytes of the disk in all.", total)


def _files_of_projects(projects: Sequence[ProjectTotals]) -> Metric:
    """Return the bytes of the projects with the most; all others together, so that the labels do not grow with the
    lab.
    """
    family = GaugeMetricFamily("hectiqlab_project_files_bytes", "Bytes of a project's files.", labels=["project"])
    largest = sorted(projects, key=lambda p: p.files, reverse=True)
    for project in largest[:PROJECTS_MAX]:
        family.add_metric([project.name], project.files)
    family.add_metric([""], sum(p.files for p in largest[PROJECTS_MAX:]))
    return family


def _engines(counts: Mapping[str, EngineCounts]) -> Iterator[Metric]:
    calls = CounterMetricFamily("hectiqlab_engine_calls", "What the lab asked of an engine.", labels=["engine"])
    failures = CounterMetricFamily("hectiqlab_engine_failures", "… and what could not be answered.", labels=["engine"])
    seconds = CounterMetricFamily("hectiqlab_engine_seconds", "How long the answers took.", labels=["engine"])
    for name, its in counts.items():
        calls.add_metric([name], its.calls)
        failures.add_metric([name], its.failures)
        seconds.add_metric([name], its.seconds)
    yield from (calls, failures, seconds)
