"""The state of the lab, for whoever runs it: of a lab that runs, or of what a stopped one stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ... import settings
from ..._version import __version__
from ...errors import StoreError
from ...store.backups.backup import Snapshot, last_backup
from ...store.points import WorkLeft
from ...store.storage import Storage
from ...store.totals import ProjectTotals
from ..counts.totals import Totals, totals_of
from ..lab import PEOPLES_URL, Lab
from ..models.answers import answer
from ..models.models_status import (
    BackupState,
    BusyRun,
    ClientState,
    DiskState,
    LabState,
    ProjectState,
    TargetState,
    ThreadState,
    WaitingState,
)
from ..tending.disk import room_of
from ..tending.notifier import safe
from .status_advice import advice

PROJECTS_MAX = 100
CLIENTS_MAX = 50
BUSIEST_MAX = 20


def status(storage: Storage, lab: Lab | None, now: float) -> dict[str, Any]:
    """Return the state as models_status.LabState describes it. Blocks on the databases. Raises StoreError.

    Args:
        lab: the lab that runs on this storage; None: the state has only what is stored.
    """
    totals = totals_of(storage) if lab is None else lab.totals.get()
    work, damage = _points(storage)
    since = now - (settings.LOST_AFTER_S if lab is None else lab.lost_after_s)
    with storage.meta.reading() as view:
        targets, backup = view.targets(), last_backup(view)
        clients = view.live_clients(since, CLIENTS_MAX)
        versions = dict(view.client_versions(since))
        muted = view.muted_since()
        lab_id, url = view.lab_value("id") or "", view.lab_value(PEOPLES_URL)
    largest = sorted(totals.projects, key=lambda p: _bytes_of(p, totals), reverse=True)
    state = answer(
        LabState,
        None,
        version=__version__,
        lab_id=lab_id,
        data=str(storage.place),
        in_folder=isinstance(storage.place, Path),
        url=url,
        started=None if lab is None else lab.started,
        damage=[*damage, *([] if lab is None else lab.damage.sentences), *_damaged_files(backup)],
        disk=_disk(storage, lab, totals),
        projects=[answer(ProjectState, p, points_bytes=_points_bytes(p, totals)) for p in largest[:PROJECTS_MAX]],
        projects_left_out=max(0, len(largest) - PROJECTS_MAX),
        runs=totals.runs_by_state,
        busiest_runs=[] if lab is None else _busiest(lab),
        clients=[answer(ClientState, client) for client in clients],
        client_versions=versions,
        waiting=_waiting(lab, totals, work, sum(target.waiting for target in targets)),
        losses={} if lab is None else lab.metrics.losses_so_far(),
        writes_refused=0 if lab is None else lab.refusals.count,
        notices=[answer(TargetState, t, address=safe(t.address), states=list(t.states)) for t in targets],
        notices_muted=muted,
        backup=_backup(backup),
        threads=[] if lab is None else _threads(lab),
        advice=[],
    )
    return state | {"advice": advice(state, now)}


def _points(storage: Storage) -> tuple[WorkLeft, list[str]]:
    """Return what is left to do with the points, and what is wrong with them; also that they cannot be reached."""
    try:
        return storage.points.work_left(), list(storage.points.damage())
    except StoreError as e:
        return WorkLeft(0, 0), [str(e)]


def _damaged_files(backup: Snapshot | None) -> list[str]:
    """Return what the last backup said about files of the lab."""
    if backup is None:
        return []
    what = f"has other bytes than those that were stored; {backup.path} has it whole."
    return [f"File {digest[:12]}… {what}" for digest in backup.spoiled]


def _points_bytes(project: ProjectTotals, totals: Totals) -> int:
    points = sum(p.points for p in totals.projects)
    databases = [name for name in totals.sizes if name.startswith(("points.db", "clickhouse"))]
    used = sum(totals.sizes[name] - totals.unused.get(name, 0) for name in databases)
    return used * project.points // points if points else 0


def _bytes_of(project: ProjectTotals, totals: Totals) -> int:
    return project.files + _points_bytes(project, totals)


def _disk(storage: Storage, lab: Lab | None, totals: Totals) -> dict[str, Any]:
    room = room_of(storage) if lab is None else lab.disk.room()
    databases = [{"name": n, "bytes": size, "unused": totals.unused.get(n, 0)} for n, size in totals.sizes.items()]
    return answer(DiskState, room, files=totals.files, databases=databases)


def _busiest(lab: Lab) -> list[dict[str, Any]]:
    rates = dict(lab.activity.busiest(BUSIEST_MAX))
    with lab.meta.reading() as view:
        runs = view.some_runs(list(rates))
    return [
        answer(BusyRun, run, points_per_s=round(rates[run.id].points, 2), events_per_s=round(rates[run.id].events, 2))
        for run in runs
        if run.deleted is None
    ]


def _waiting(lab: Lab | None, totals: Totals, work: WorkLeft, notices: int) -> dict[str, Any]:
    return answer(
        WaitingState,
        None,
        jobs=None if lab is None else lab.writer.waiting,
        streams=None if lab is None else lab.hub.watchers,
        notices=notices,
        deleted_runs=totals.deleted_runs,
        points_to_compact=work.to_compact,
        points_to_remove=work.to_remove,
        retention=None if lab is None else lab.retention.waiting,
    )


def _backup(taken: Snapshot | None) -> dict[str, Any] | None:
    return None if taken is None else answer(BackupState, taken)


def _threads(lab: Lab) -> list[dict[str, Any]]:
    failing = {failing_now.name: failing_now for failing_now in lab.failing()}
    threads = []
    for trouble in lab.troubles():
        failing_now = failing.get(trouble.name)
        since, error = (None, "") if failing_now is None else (failing_now.since, failing_now.error)
        threads.append(
            answer(ThreadState, None, name=trouble.name, failures=trouble.failures, failing_since=since, error=error)
        )
    return threads
