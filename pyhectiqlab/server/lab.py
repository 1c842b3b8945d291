"""Lab: what a running lab owns: its storage, the writer and watch threads, the hub."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TimeoutError_
from typing import TypeVar

from .. import settings
from ..base.loops import Failing, Loop, Trouble
from ..errors import StoreError
from ..store.accounts import Change
from ..store.meta import Changes, MetaTransaction
from ..store.storage import Storage
from . import ingest_plan
from .accounts import AUDIT_KEPT_S, LAST_USED_S, WEB_SESSION_IDLE_S, Accounts
from .activity import Activity
from .authority import Authority
from .backup_watch import BackupWatch
from .clock import Clock
from .command_logins import CommandLogins
from .configtexts import ConfigTexts
from .disk import Disk
from .files import Files
from .heartbeats import Heartbeats
from .jobs import BusyError
from .login import Logins
from .metrics import Metrics
from .notifier import Notifier
from .project_lives import ProjectLives
from .purging import purge_some
from .refusals import Refusals
from .retention import Retention
from .screen import Screen
from .searched import Searched
from .shares import Shares
from .sso.service import SingleSignOn
from .stream import KEYS_MAX, Hub, Message
from .table import Orders
from .totals import TotalsCache
from .writer import Writer

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

WATCH_EVERY_S = 2.0
SNAPSHOTS_EVERY_S = 3600.0  # between two looks for snapshots of before upgrades that are no longer kept
WRITE_TIMEOUT_S = 30.0
KEEP_DELETED_S = 7 * 86_400.0  # a deleted run or project can be restored this long
PEOPLES_URL = "url"  # a value of the lab: where people found it when it last started, for `hectiqlab admin`
SSO_ISSUER = "sso issuer"  # likewise: the provider of single sign-on


class Lab:
    """What runs from construction to `stop`, which closes the storage. If construction raises StoreError, the storage
    is closed.
    """

    def __init__(self, storage: Storage, lost_after_s: float = settings.LOST_AFTER_S) -> None:
        self.storage = storage
        self.lost_after_s = lost_after_s
        try:
            self.meta, self.points, self.blobs = storage.meta, storage.points, storage.blobs
            with self.meta.reading() as view:
                self.generation = view.lab_value("generation") or ""
                self.lab_id = view.lab_value("id") or ""  # the same for as long as the lab lives, restored or not
        except BaseException:
            storage.close()
            raise
        self.public_url = ""  # where people find it, if somebody said so; else it is as they asked for it
        self.start_id = secrets.token_hex(4)  # of this start: after another one, data may be those of a backup
        self.started = time.time()
        self.hub = Hub()
        self.activity = Activity()
        self.shares = Shares()
        self._written = 0.0  # what the writer's thread had taken of a processor when it last committed
        self.metrics = Metrics()
        self.refusals = Refusals()
        try:
            self.writer = Writer(
                self.meta, self.points, self._committed, self.refusals, storage.permissions, storage.is_saving
            )
        except BaseException:
            storage.close()
            raise
        self.permissions = storage.permissions
        self.accounts = Accounts(self.meta, self.write, self.permissions)
        self.screen = Screen(self.meta, self.permissions, self.writer.deferred)
        self.authority = Authority(self.meta, self.accounts.unstored)
        self.notifier = Notifier(self.meta, self.write)
        self.heartbeats = Heartbeats()
        self.disk = Disk(storage, self.write, self.refusals, self.notifier.notify_about_lab)
        self.backups = BackupWatch(self.meta, self.write, self.notifier.notify_about_lab)
        self.files = Files(self.meta, self.blobs, self.write, storage.files)
        self.retention = Retention(self.meta, self.write)
        self.clock = Clock(self.meta, self.write)
        self.totals = TotalsCache(storage)
        self.searched = Searched(self.meta, self.points, self.write)
        self.orders = Orders()
        self.config_texts = ConfigTexts()
        self.logins = Logins()
        self.sso: SingleSignOn | None = None
        self.command_logins = CommandLogins()
        self._accounts_at = self._snapshots_at = 0.0
        self._awake_since = self._looked = time.time()
        self._watch = Loop("watch", self._watch_turn, log.error, log.warning)
        self.lives = ProjectLives(self.meta, self.write, self.accounts, self._watch.hurry)
        self.loops = (
            self.writer.loop,
            self._watch,
            self.disk.loop,
            self.authority.loop,
            self.notifier.loop,
            self.searched.loop,
        )

    def start(self) -> None:
        self.permissions.set()  # made by the lab's own user: where root's command made it, the lab could not touch it
        self.writer.start()
        self._watch.start()
        self.disk.start()
        self.authority.start()
        self.notifier.start()
        self.searched.start()

    def stop(self) -> None:
        """Commit what waits, then close the storage. Blocks until then."""
        self.shares.pace.stop()
        self._watch.stop()
        self.disk.stop()
        self.authority.stop()
        self.notifier.stop()
        self.searched.stop()
        self._store_heartbeats()
        self.writer.stop()
        self.storage.close()

    def write(self, function: Callable[[MetaTransaction], T], urgent: bool = True) -> T:
        """Run a function on the writer thread. Block until its change is durable, at most WRITE_TIMEOUT_S.

        Raises what it raised, StoreError, or BusyError.
        """
        try:
            return self.writer.write(function, urgent).result(WRITE_TIMEOUT_S)
        except TimeoutError_:
            raise BusyError("The lab's disk takes too long: try again later.") from None

    def tell_all(self, run: str) -> bool:
        """Make the MetaStore know of all points of a run that were answered. Return whether it did not. Blocks and
        raises as `write`.
        """
        if not self.writer.deferred.has(run):
            return False
        self.write(lambda tx: None)
        return True

    def change(self, function: Callable[[MetaTransaction], T], noted: Change) -> T:
        """As `write`, with an entry of the audit log in the same transaction."""

        def both(tx: MetaTransaction) -> T:
            result = function(tx)
            tx.note_changes([noted])
            return result

        return self.write(both)

    def failing(self) -> list[Failing]:
        """Return what of the lab's own work fails now, the writer's first. From any thread; never blocks."""
        states = [loop.failing for loop in self.loops] + [self.writer.compaction.failing, self.refusals.failing]
        return [one for one in states if one is not None]

    def alerts(self) -> list[str]:
        """Return what whoever runs the lab should see to at once, a sentence each. From any thread; never blocks
        long.
        """
        room, refused = self.disk.room(), self.refusals.failing
        alerts = [] if room.level == "ok" else [room.text]
        if refused is not None:
            alerts.append(f"The lab takes nothing in: {refused.error}")
        if self.backups.alert:
            alerts.append(self.backups.alert)
        alerts += [f"The lab's {one.name} fails: {one.error}" for one in self.failing() if one is not refused]
        return alerts

    def troubles(self) -> list[Trouble]:
        """Return how each piece of the lab's own work is."""
        return [*(loop.trouble for loop in self.loops), self.writer.compaction]

    # What a commit changed, to whoever watches.

    def _took(self) -> float:
        """Return the seconds of a processor that the writer's thread took since the last call. Call only on that
        thread.
        """
        took, self._written = time.thread_time() - self._written, time.thread_time()
        return took

    def _committed(self, changes: Changes, jobs: Sequence[ingest_plan.IngestJob], seconds: float) -> None:
        points = sum(batch.points for job in jobs for batch in job.accepted)
        took = self._took()
        sizes = [1 + sum(b.points / 1000 + len(b.events) / 20 for b in job.accepted) for job in jobs]
        for job, size in zip(jobs, sizes, strict=True):
            self.shares.costs.charge(job.user_id, took * size / sum(sizes))
        self.metrics.committed(seconds, len(jobs), points, changes.losses)
        for job in jobs:
            for batch in job.accepted:
                self.activity.note(batch.columns.run, batch.points, len(batch.events))
        if not self.hub.watched:
            return
        arrived: dict[str, tuple[dict[str, None], int]] = {}
        logged: dict[str, None] = {}
        for job in jobs:
            for batch in job.accepted:
                keys, n = arrived.setdefault(batch.columns.run, ({}, 0))
                for column in batch.columns.columns[: KEYS_MAX - len(keys)]:
                    keys[column.key] = None
                arrived[batch.columns.run] = (keys, n + batch.points)
                if any(event.kind == "log" for event in batch.events):
                    logged[batch.columns.run] = None
        touched = changes.runs | changes.states.keys()
        with self.meta.reading() as view:
            runs = view.run_ids(sorted(touched | arrived.keys()))
        messages = []
        for run, (keys, n) in arrived.items():
            if n:
                messages.append(Message.of_run("points", run, runs[run].project_id, keys=list(keys), points=n))
        for run in logged:
            messages.append(Message.of_run("logs", run, runs[run].project_id))
        for run, state in changes.states.items():
            messages.append(Message.of_run("state", run, runs[run].project_id, state=state))
        for project in changes.projects:
            messages.append(Message("project", project, project, {"project": project}))
        for run in changes.runs:
            messages.append(Message.of_run("run", run, runs[run].project_id))
        self.hub.publish(messages)

    # What happens without being asked.

    def _watch_turn(self) -> float:
        now = time.time()
        if now - self._looked > 5 * WATCH_EVERY_S or now < self._looked:
            self._awake_since = now  # the machine slept, or its clock was set: the silence was ours
        self._looked = now
        self.watch_once(now, self._awake_since, self.clock.look(now))
        return min(WATCH_EVERY_S, self.lost_after_s / 4)

    def watch_once(self, now: float, awake_since: float, steady: bool = True) -> None:
        """Mark silent runs as lost, and remove what was deleted long ago or is no longer to be kept. If the clock is
        not `steady` (server/clock.py), remove nothing. Do all that does not fail, then raise the first error.
        """
        duties: list[Callable[[], object]] = [
            self._store_heartbeats,
            lambda: self._mark_lost(now, awake_since),
            lambda: self.storage.free(self.lives.finish),
            # Before the files that it leaves without a name. What somebody asked for needs no clock.
            lambda: self.storage.free(lambda: self._purge(now, now - KEEP_DELETED_S if steady else None)),
            lambda: self.storage.free(lambda: self.files.tidy(now)),
            lambda: self._look_after_accounts(now),
            self.clock.note,
            lambda: self.backups.look(now),
            lambda: self.searched.keep(now),
        ]
        if steady:
            duties.append(lambda: self.storage.free(lambda: self.retention.turn(now)))
            duties.append(lambda: self._remove_old_snapshots(now))
        errors = []
        for duty in duties:
            try:
                duty()
            except Exception as e:
                errors.append(e)
        if errors:
            raise errors[0]

    def _store_heartbeats(self) -> None:
        if self.heartbeats.waiting:
            with contextlib.suppress(StoreError):  # a full disk, which the writer tells of
                self.write(self.heartbeats.store, urgent=False)

    def _mark_lost(self, now: float, awake_since: float) -> None:
        if now - awake_since < self.lost_after_s:
            return
        with self.meta.reading() as view:
            silent = view.has_silent(now - self.lost_after_s)
        if silent:

            def mark(tx: MetaTransaction) -> list[str]:
                self.heartbeats.store(tx)
                return tx.mark_lost(now, self.lost_after_s)

            for run in self.write(mark):
                log.info("run %s is lost: no sign of life for %g s", run, self.lost_after_s)

    def _purge(self, now: float, before: float | None) -> None:
        if purge_some(self.meta, self.points, self.write, now, before):
            self.files.tidy_soon()

    def _remove_old_snapshots(self, now: float) -> None:
        if not self._snapshots_at <= now < self._snapshots_at + SNAPSHOTS_EVERY_S:
            self.storage.remove_old_snapshots(now)
            self._snapshots_at = now

    def _look_after_accounts(self, now: float) -> None:
        if not self._accounts_at <= now < self._accounts_at + LAST_USED_S:
            self.accounts.store_use()
            self.write(lambda tx: tx.forget_expired(now, WEB_SESSION_IDLE_S, now - AUDIT_KEPT_S))
            self._accounts_at = now
