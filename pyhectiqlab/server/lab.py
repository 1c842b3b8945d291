"""Lab: what a running lab owns: its storage, the writer and watch threads, the hub."""

from __future__ import annotations

import contextlib
import logging
import math
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
from .accounts.accounts import AUDIT_KEPT_S, LAST_USED_S, WEB_SESSION_IDLE_S, Accounts
from .accounts.authority import Authority
from .accounts.command_logins import CommandLogins
from .accounts.login import Logins
from .counts.activity import Activity
from .counts.metrics import Metrics
from .counts.totals import TotalsCache
from .files.files import Files
from .live.news import Exchange
from .live.stream import Hub
from .sso.service import SingleSignOn
from .tables.configtexts import ConfigTexts
from .tables.searched import Searched
from .tables.table import Orders
from .tending.backup_watch import BackupWatch
from .tending.clock import Clock
from .tending.damage_watch import DamageWatch
from .tending.disk import Disk
from .tending.forks import Forks
from .tending.notifier import Notifier
from .tending.project_lives import ProjectLives
from .tending.purging import purge_some
from .tending.retention import Retention
from .transacts import BusyError
from .turns.shares import Shares
from .writing import ingest_plan
from .writing.heartbeats import Heartbeats
from .writing.inserts import Inserts
from .writing.refusals import Refusals
from .writing.screen import Screen
from .writing.writer import Writer

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

WATCH_EVERY_S = 2.0
SNAPSHOTS_EVERY_S = 3600.0  # between two looks for snapshots of before upgrades that are no longer kept
WRITE_TIMEOUT_S = 30.0
KEEP_DELETED_S = 7 * 86_400.0  # a deleted run or project can be restored this long
PEOPLES_URL = "url"  # a value of the lab: where people found it when it last started, for `hectiqlab admin`
SSO_ISSUER = "sso issuer"  # a value of the lab: the provider of single sign-on when it last started


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
        self.public_url = ""  # where people find the lab, if that was configured; "": where they asked
        self._start_id = secrets.token_hex(4)
        self.started = time.time()
        self.ends = ""  # why this lab must end at once
        self.draining = False  # it is about to stop: balancers are to send nothing more
        self.peers = storage.peers
        self.hub = Hub()
        self.exchange = Exchange(self.peers, self.hub, self.meta, self._must_end)
        self.activity = Activity()
        self.shares = Shares()
        self._written = 0.0  # what the writer's thread had taken of a processor when it last committed
        self.metrics = Metrics()
        self.refusals = Refusals()
        try:
            self.writer = Writer(
                self.meta,
                self.points,
                self._committed,
                self.refusals,
                storage.permissions,
                storage.is_saving,
                defers=not self.peers.several,
                inserts=Inserts() if self.points.wants_few_inserts else None,
            )
        except BaseException:
            storage.close()
            raise
        self.permissions = storage.permissions
        self.accounts = Accounts(self.meta, self.write, self.permissions, alone=not self.peers.several)
        self.screen = Screen(self.meta, self.permissions, self.writer.deferred)
        self.authority = Authority(self.meta, self.accounts.unstored)
        self.notifier = Notifier(self.meta, self.write, lambda: self.peers.has("notifier"))
        self.heartbeats = Heartbeats()
        self.disk = Disk(storage, self.write, self.refusals, self._notify_once)
        self.backups = BackupWatch(self.meta, self.write, self.notifier.notify_about_lab)
        self.damage = DamageWatch(storage, self.notifier.notify_about_lab)
        self.files = Files(self.meta, self.blobs, self.write, storage.files)
        self.retention = Retention(self.meta, self.write)
        self.clock = Clock(self.meta, self.write)
        self.totals = TotalsCache(storage)
        self.searched = Searched(self.meta, self.points, self.write)
        self.orders = Orders(self.peers.notes if self.peers.several else None)
        self.config_texts = ConfigTexts()
        self.logins = Logins(self.peers.notes)
        self.sso: SingleSignOn | None = None
        self.command_logins = CommandLogins(self.peers.notes)
        self._accounts_at = self._snapshots_at = 0.0
        self._awake_since = self._looked = time.time()
        self._watches = self.peers.has("watch")
        self._watch = Loop("watch", self._watch_turn, log.error, log.warning)
        self.lives = ProjectLives(self.meta, self.write, self.accounts, self._watch.hurry, self.peers.notes)
        self.forks = Forks(self.meta, self.points, self.writer.ingest, self.write)
        self.loops = (
            self.writer.loop,
            self._watch,
            self.disk.loop,
            self.damage.loop,
            self.authority.loop,
            self.notifier.loop,
            self.searched.loop,
            *([self.peers.loop] if self.peers.loop is not None else []),
        )

    @property
    def start_id(self) -> str:
        """An id that changes when acknowledged data may have been lost. A lab that is alone gets a new one at each
        start, since it may have been restored.
        """
        return self.peers.life or self._start_id

    def start(self) -> None:
        self.permissions.set()  # made by the lab's own user: where root's command made it, the lab could not touch it
        self.writer.start()
        self.peers.start(self.exchange)
        self._watch.start()
        self.disk.start()
        self.damage.start()
        self.authority.start()
        self.notifier.start()
        self.searched.start()

    def stop(self) -> None:
        """Commit what waits, then close the storage. Blocks until then."""
        self.shares.pace.stop()
        self._watch.stop()
        self.disk.stop()
        self.damage.stop()
        self.authority.stop()
        self.notifier.stop()
        self.searched.stop()
        self._store_heartbeats()
        with contextlib.suppress(StoreError):  # a full disk, which the writer tells of
            self.searched.keep(math.inf)
        self.writer.stop()
        self.peers.stop()
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
        """Like `write`, with an entry of the audit log in the same transaction."""

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
        alerts += [f"The lab's data are damaged: {what}." for what in self.damage.sentences]
        alerts += [f"The lab's {one.name} fails: {one.error}" for one in self.failing() if one is not refused]
        return alerts

    def troubles(self) -> list[Trouble]:
        """Return how each piece of the lab's own work is."""
        return [*(loop.trouble for loop in self.loops), self.writer.compaction]

    def _must_end(self, why: str) -> None:
        if not self.ends:
            self.ends = why
            log.error("%s: this lab ends. Start it anew.", why)

    def _notify_once(self, text: str) -> None:
        """Notify of something that all labs on the data see. Only one of them sends the notice."""
        if self.peers.has("watch"):
            self.notifier.notify_about_lab(text)

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
        self.exchange.tell(changes, jobs)

    # What happens without being asked.

    def _watch_turn(self) -> float:
        now = time.time()
        if now - self._looked > 5 * WATCH_EVERY_S or now < self._looked:
            self._awake_since = now  # the machine slept, or its clock was set: the silence was ours
        if self.peers.several and self.refusals.failing is not None:
            self._awake_since = now  # signs of life could not be stored, perhaps at no lab
        self._looked = now
        watches = self.peers.has("watch")
        if watches and not self._watches:
            self.clock.read()  # another lab looked at its own until now
        self._watches = watches
        self.watch_once(now, self._awake_since, watches and self.clock.look(now))
        return min(WATCH_EVERY_S, self.lost_after_s / 4)

    def watch_once(self, now: float, awake_since: float, steady: bool = True) -> None:
        """Mark silent runs as lost, and remove what was deleted long ago or is no longer to be kept. If the clock is
        not `steady` (server/tending/clock.py), remove nothing. Of several labs one does so; each does what is its own.
        Do all that does not fail, then raise the first error.
        """
        duties: list[Callable[[], object]] = [self._store_heartbeats]
        if self.peers.has("watch"):
            duties += [
                lambda: self._mark_lost(now, awake_since),
                lambda: self.storage.free(self.lives.finish),
                # Before the files that it leaves without a name. What somebody asked for needs no clock.
                lambda: self.storage.free(lambda: self._purge(now, now - KEEP_DELETED_S if steady else None)),
                self._copy_for_forks,
            ]
        if self.peers.has("tidier"):
            duties.append(lambda: self.storage.free(lambda: self.files.tidy(now)))
        duties.append(lambda: self._look_after_accounts(now))
        if self.peers.has("watch"):
            duties += [self.clock.note, lambda: self.backups.look(now)]
        duties.append(lambda: self.searched.keep(now))
        if steady and self.peers.has("watch"):
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

    def _copy_for_forks(self) -> None:
        if not self.storage.is_saving() and self.forks.turn():
            self._watch.hurry()

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
            if self.peers.has("watch"):
                self.write(lambda tx: tx.forget_expired(now, WEB_SESSION_IDLE_S, now - AUDIT_KEPT_S))
            self._accounts_at = now
