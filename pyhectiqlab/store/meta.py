"""MetaStore: the interface to everything that is not a point: accounts, projects, runs, sessions, writers, events.

It has two faces, both short-lived and for one thread. `reading()` gives a MetaView, which never waits for the writer
and shows one state, that of its first query. `writing()` gives a MetaTransaction, which commits durably when its block
ends, and changes nothing if the block raises. One thread at a time writes (server/writing/writer.py). Times are float
seconds since 1970 UTC by the lab's clock. Every method may raise StoreError (disk full, I/O).

The state of a run follows from stored facts about the ranks of its newest attempt (protocol/states.py): what each
rank's script said last ("running" at attach), how its process ended, and whether it is lost. So reports that arrive
late or twice cannot contradict each other. Changes of the state are kept, with who reported them and why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .accounts import AccountsTransaction, AccountsView
from .accounts import User as User
from .artifacts import FilesTransaction, FilesView
from .edits import EditsTransaction
from .edits import Tag as Tag
from .forks import ForkLeft as ForkLeft
from .forks import ForkOf as ForkOf
from .forks import ForksTransaction, ForksView
from .imports import ImportsTransaction
from .media import MediaView
from .notices import NoticesTransaction, NoticesView
from .projects import Project as Project
from .projects import ProjectRuns as ProjectRuns
from .projects import ProjectsTransaction, ProjectsView
from .purging import PurgingTransaction, PurgingView
from .quotas import QuotasTransaction, QuotasView
from .registry import RegistryTransaction, RegistryView
from .retention import RetentionTransaction, RetentionView
from .runs import Attached as Attached
from .runs import AttachRequest as AttachRequest
from .runs import Changes as Changes
from .runs import EndReport as EndReport
from .runs import Event as Event
from .runs import FullError as FullError
from .runs import IngestRun as IngestRun
from .runs import MayNotAddError as MayNotAddError
from .runs import MetaBatch as MetaBatch
from .runs import NameTakenError as NameTakenError
from .runs import ProjectArchivedError as ProjectArchivedError
from .runs import ProjectNotFoundError as ProjectNotFoundError
from .runs import Run as Run
from .runs import RunPage as RunPage
from .runs import RunQuery as RunQuery
from .runs import Session as Session
from .runs import StateChange as StateChange
from .runs import StoredEvent as StoredEvent
from .runs import Writer as Writer
from .sso import SsoTransaction, SsoView
from .totals import TotalsView
from .views import ViewsTransaction, ViewsView


class MetaView(
    AccountsView,
    SsoView,
    ProjectsView,
    FilesView,
    MediaView,
    ForksView,
    RegistryView,
    NoticesView,
    QuotasView,
    RetentionView,
    PurgingView,
    TotalsView,
    ViewsView,
    Protocol,
):
    def lab_value(self, key: str) -> str | None: ...
    def runs(self, query: RunQuery, now: float, among: Collection[str] | None = None) -> RunPage:
        """Return a page. Ages in terms count from `now`. `among`: only these runs.

        Terms of metrics are ignored, and sorts by metrics and configs are not known: see server/tables/search.py.
        """

    def found_ids(self, query: RunQuery, now: float) -> list[str]:
        """Return every run for which the terms hold, except those of metrics; in no order."""

    def fact_values(self, fact: str, query: RunQuery, now: float) -> dict[str, float | str]:
        """Return one fact of every run that the terms leave, those of metrics apart: one of protocol/search.py's SORTS
        or "attempt". Runs without it are not in the answer.
        """

    def tag_names(self, query: RunQuery, now: float) -> dict[str, list[str]]:
        """Return the tags, by name, of every run that the terms leave and that has any."""

    def rank_numbers(self, ids: Sequence[str]) -> dict[str, list[int]]:
        """Return the ranks below RANKS_MAX that processes of each run had, over all its attempts, each once and in
        order. Runs without a process are left out.
        """

    def host_names(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the hosts that processes of each run were on, over all its attempts, each once and sorted. Runs
        without a known host are left out.
        """

    def some_runs(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs in the order of `ids`, without unknown ones."""

    def config_values(self, path: str) -> dict[str, float | str]:
        """Return one value of the configs of all runs that have it: a number, or the text of anything else."""

    def some_config_values(self, paths: Sequence[str], ids: Sequence[str]) -> dict[str, dict[str, float | str]]:
        """Return these values of the configs of these runs, by run, then by path; for a window of a table."""

    def config_pairs(self, ids: Sequence[str]) -> dict[str, dict[str, tuple[float | None, str]]]:
        """Return all values of the configs of these runs, by path, then by run: as a number (None: it is none) and as
        text.
        """

    def config_texts(self, ids: Sequence[str]) -> dict[str, tuple[tuple[str, ...], Sequence[str]]]:
        """Return the paths of all values of each run's config, and these values as text, by run. Runs without any are
        left out; those with the same paths in the same order share one tuple of them.
        """

    def run(self, run_id: str) -> Run | None:
        """Return a run, also a deleted one."""

    def note(self, run_id: str) -> str: ...
    def tags(self, run_id: str, limit: int) -> list[Tag]:
        """Return them sorted by name."""

    def newest_names(self, seen_by: str, project: str | None, limit: int) -> list[str]:
        """Return names of the runs that the user can see and that were made last, in a project (its id) or in all."""

    def runs_named(
        self,
        name: str,
        project: str | None = None,
        limit: int = 10,
        seen_by: str | None = None,
        deleted: bool = False,
    ) -> list[Run]:
        """Return runs, the newest first. `deleted`: those that were deleted and are not purged, instead of those that
        were not.
        """

    def has_silent(self, before: float) -> bool:
        """Return whether `mark_lost` may have something to do."""

    def run_ids(self, ids: Sequence[str]) -> dict[str, IngestRun]: ...
    def config(self, run_id: str) -> dict[str, Any]:
        """Return the config of all attempts together. If several logged a value, the newest attempt's counts."""

    def attempt_config(self, run_id: str, attempt: int) -> tuple[int, dict[str, Any]] | None:
        """Return (attempt, config): what this attempt logged itself, else the newest attempt before it that logged
        any.
        """

    def config_attempts(self, run_id: str, limit: int) -> list[int]:
        """Return the newest attempts that logged a config, in ascending order."""

    def configs(self, ids: Sequence[str], bytes_max: int) -> dict[str, dict[str, Any]]:
        """Return the configs of those runs whose config takes no more bytes."""

    def meta(self, run_id: str, attempt: int | None = None) -> dict[str, Any]:
        """Return the meta that this attempt logged itself. None: that of all attempts; if several logged a key, the
        newest attempt's counts.
        """

    def meta_of_key(self, ids: Sequence[str], key: str) -> dict[str, Any]:
        """Return the newest attempt's value of one key, of those runs that logged it."""

    def meta_attempts(self, run_id: str, limit: int) -> list[int]:
        """Return the newest attempts that logged meta, in ascending order."""

    def sessions(self, run_id: str, limit: int, after: Sequence[Any] | None = None) -> Iterator[Session]:
        """Yield the sessions sorted by attempt, rank, start and id; those behind the one of which `after` has these
        four.
        """

    def newest_sessions(self, run_id: str, limit: int) -> list[Session]:
        """Return sessions in the same order: first those that have not ended, then those of the newest attempts."""

    def session_count(self, run_id: str) -> int: ...
    def attached(self, session: str, user_id: str) -> Mapping[tuple[str, int, int], bool]:
        """Return (run, rank, attempt) of each attachment of the user's session → whether it is lost and has not
        ended.
        """

    def state_history(self, run_id: str, limit: int = ...) -> Sequence[StateChange]:
        """Return the last changes of state, the newest last."""

    def writers(self, ids: Sequence[str]) -> dict[str, Writer]: ...
    def writers_of(self, run_id: str, limit: int, after: str = "") -> list[Writer]: ...
    def writer_count(self, run_id: str) -> int: ...
    def full_of_writers(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the runs that have limits.WRITERS_MAX writers, and take no more."""

    def events_of(self, writer: str) -> Iterator[tuple[int, str, int]]:
        """Yield (sequence number, kind, how many numbers it accounts for) of each event of a writer, in order."""

    def losses(self, run_id: str) -> dict[str, int]: ...
    def event_count(self, run_id: str) -> int: ...
    def events(self, run_id: str, kind: str | None, limit: int, after: int = 0) -> Iterator[StoredEvent]:
        """Yield the events. They are read one by one: each may have megabytes."""

    def newest_events(self, run_id: str, kind: str, limit: int, before: int | None = None) -> Iterator[StoredEvent]:
        """Return the last events before the id `before` (None: of all), newest first. They are read one by one."""

    def newest_event(self, run_id: str, kind: str, among: int) -> StoredEvent | None:
        """Look at the last `among` events of the kind, and return the last one of the newest attempt's lowest rank."""


class MetaTransaction(
    MetaView,
    AccountsTransaction,
    SsoTransaction,
    ProjectsTransaction,
    EditsTransaction,
    FilesTransaction,
    ForksTransaction,
    ImportsTransaction,
    RegistryTransaction,
    NoticesTransaction,
    QuotasTransaction,
    RetentionTransaction,
    PurgingTransaction,
    ViewsTransaction,
    Protocol,
):
    changes: Changes

    def undoable(self) -> AbstractContextManager[object]:
        """Return a block whose exception undoes what the block changed, and nothing else of the transaction. An error
        of the database itself spoils the whole transaction, see `prove_whole`.
        """

    def prove_whole(self) -> None:
        """Raise StoreError unless all changes so far are still part of this transaction: a database may roll back by
        itself (a full disk). `writing` calls this before it commits.
        """

    def set_lab_value(self, key: str, value: str) -> None: ...
    def attach(self, request: AttachRequest, user: User, now: float, lost_after_s: float) -> Attached:
        """Find or create the run by name. A session seen in the last `lost_after_s` is live.

        Raises ProjectNotFoundError, MayNotAddError, FullError; ProjectArchivedError where it would make a run;
        NameTakenError where the run was to be new.
        """

    def heartbeat(
        self,
        session: str,
        user_id: str,
        runs: Sequence[tuple[str, int, int]],
        *,
        skew: float,
        backlog: int,
        losses: Mapping[str, int],
        now: float,
    ) -> None: ...

    def end(self, report: EndReport, user_id: str, now: float) -> bool:
        """Store the end of a process. Return False where the user has no such attachment."""

    def apply(self, batches: Sequence[MetaBatch], now: float) -> dict[str, int]:
        """Store events, their effects, cursors and counters of batches, in order.

        A batch whose `first` is not its writer's cursor + 1 is left out: it was stored meanwhile, or a batch before it
        was lost. Return the writers of such batches, with their cursors.
        """

    def set_cursor(self, writer: str, cursor: int) -> None: ...
    def mark_lost(self, now: float, lost_after_s: float) -> list[str]: ...
    def hold_runs(self, ids: Collection[str]) -> None:
        """Lock these runs until this transaction ends, so that nobody else changes them in any way. Blocks while others
        change them. What is read of the runs from then on does not change. Unknown ids are ignored.
        """

    def delete_run(self, run_id: str, now: float) -> None: ...
    def restore_run(self, run_id: str, now: float) -> None:
        """Restore a deleted run. This counts as a sign of life, so that retention spares it for a while.

        Raises NameTakenError where the name is in use again; ProjectGoneError where its project is deleted;
        PurgedError.
        """

    def rename_run(self, run_id: str, name: str) -> None:
        """Rename a run. Raises NameTakenError where another run of the project has the name."""


class MetaStore(Protocol):
    def reading(self) -> AbstractContextManager[MetaView]: ...
    def writing(self) -> AbstractContextManager[MetaTransaction]: ...
    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        """Give some unused room back to the file system, in transactions of bounded size. Return whether there is more
        to do. `saving`: the disk is full, so give back all of it. For the writer, in its spare time. Raises StoreError.
        """

    def close(self) -> None: ...
