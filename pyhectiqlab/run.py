"""Run: the object that a training script logs to. Each verb is a short method that hands an event to the outbox."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from . import settings
from .capture import ending
from .capture.launcher import Place, place
from .capture.values import check_name
from .client.end_wait import wait_at_end
from .client.opening import DRY, KEPT, READ_ONLY, Opened, join_run, open_run
from .client.outbox import ClosedOutbox, RunStatus
from .client.queue_outbox import QueueOutbox
from .client.saying import say_once
from .protocol import states
from .verbs.artifacts import ArtifactVerbs
from .verbs.cache import CacheVerbs
from .verbs.capture import CaptureVerbs
from .verbs.config import ConfigVerbs
from .verbs.guard import never_breaks, opaque
from .verbs.lineage import LineageVerbs, fork_fields
from .verbs.logs import LogVerbs
from .verbs.media import MediaVerbs
from .verbs.metrics import MetricVerbs
from .verbs.notebook import NotebookVerbs
from .verbs.page import PageVerbs
from .verbs.registry import RegistryVerbs

if TYPE_CHECKING:
    from .read import RunView

__all__ = ["Run"]


class Run(
    MetricVerbs,
    ArtifactVerbs,
    CacheVerbs,
    CaptureVerbs,
    ConfigVerbs,
    LineageVerbs,
    LogVerbs,
    MediaVerbs,
    NotebookVerbs,
    PageVerbs,
    RegistryVerbs,
):
    """A run of a project: created by name if it does not exist, else continued. Somebody else's run is read-only.

        with Run("first-run", project="playground", should_create_project=True) as run:
            run.add_metrics("train/loss", 0.98, step=10)

    Creating a Run waits for the lab, ten seconds at most. If the lab cannot be reached or the configuration is wrong,
    one line is printed and the run goes on with nothing pushed (`mode` is "kept").

    Methods do not wait for the network, except those that say so: `flush`, `close`, `rename`, models and datasets, and
    lists. Methods raise only for a mistake at the call: TypeError, ValueError, the errors of a file, and RunClosedError
    after `close`. The downloads of an online run also raise if they cannot return what was asked for.

    A Run may be used from any thread, signal handler and forked child, and pickled into other processes of the same
    machine.

    Args:
        name: name of the run, 1 to 512 bytes. None: HECTIQLAB_RUN, which `hectiqlab run` sets for the processes below
            it; else a new name is made up, such as brave-otter-48213, the same for all ranks of a job.
        project: name or id. None: HECTIQLAB_PROJECT, else the profile's project, else your only one, else one named
            `default`.
        should_create_project: create the project if it does not exist.
        dry: drop everything that is logged.
        rank: of this process in a distributed job. None: what the launcher (torchrun, Slurm, MPI) says, else 0.
        world_size: number of ranks. None: what the launcher says, else 1.
        restart: how often the launcher has restarted the job. A new count starts a new attempt.
        group: the group to put it into, see `set_group`. None: it stays in the group that it is in, if any.
        fork_of: begin with the curves of another run: a Run, or the name (in this run's project), id or link of one.
            The lab copies its points; what this run logs for the same steps counts instead of them.
        at_step: the last step of `fork_of` that is this run's, too. None: all of its points.

    Raises:
        TypeError, ValueError: a name or rank that is not allowed; or no name, although nothing lets the ranks of a job
            agree on one.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        dry: bool = False,
        *,
        rank: int | None = None,
        world_size: int | None = None,
        restart: int | str | None = None,
        group: str | None = None,
        fork_of: Run | RunView | str | None = None,
        at_step: int | None = None,
    ) -> None:
        if name is not None:
            check_name("name of a run", name)
        if project is not None:
            check_name("project", project)
        if group:
            check_name("name of a group", group)
        if fork_of is None and at_step is not None:
            raise TypeError("at_step is the step of the run that is forked: give fork_of, too")
        fork = fork_fields(fork_of, at_step) if fork_of is not None else None
        here = _place(rank, world_size, restart)
        new = False
        if name is None and (name := settings.get("run")) is not None:
            project = settings.get("project") or project  # the project in which `hectiqlab run` made the run
        if name is None:
            from .client.naming import name_for

            name, new = name_for(here)
        self._asked_project = project
        opened = open_run(name, project, should_create_project, dry, here, new)
        self._become(opened.answer["run"]["name"] if new and opened.answer else name, opened)
        if here.rank == 0 and group is not None:
            self._outbox.event("group", {"name": group})
        if here.rank == 0 and fork is not None:
            self._outbox.event("fork", fork)

    def _become(self, name: str, opened: Opened) -> None:
        self.name = name
        self.mode = opened.mode
        self._opened = opened
        self._outbox = opened.outbox
        self._closed = False

    @staticmethod
    def existing(id_or_name: str, project: str | None = None) -> RunView:
        """Return a run to read back: its config, metrics, logs and files. Nothing can be added to it.

            run = Run.existing("first-run")
            run.config.learning_rate, run.state, run.metrics("train/loss")

        Waits for the lab.

        Args:
            id_or_name: its id, the link of its page, or its name if only one run has it.
            project: name or id of the project in which the name is looked up. None: all projects.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: several runs have the name.
            ConfigurationError: no lab is known.
            LabError: any other reason why it cannot be read.
        """
        from . import read

        return read.run(id_or_name, project)

    # Who and where ----------------------------------------------------------------------------------------------

    @property
    def _run_fields(self) -> dict[str, Any]:
        return self._opened.answer["run"] if self._opened.answer else {}

    @property
    def id(self) -> str | None:
        """The lab's id of the run. None while the lab has not been asked."""
        return self._run_fields.get("id")

    @property
    def url(self) -> str | None:
        """The link to the run's page. None while the lab has not been asked."""
        return self._run_fields.get("url")

    @property
    def project(self) -> str | None:
        """The name of the project. None while the lab has not been asked."""
        return (self._run_fields.get("project") or {}).get("name")

    @property
    def author(self) -> str | None:
        """The username of whoever created the run. None while the lab has not been asked."""
        return self._run_fields.get("author")

    @property
    def rank(self) -> int:
        """The rank of this process in a distributed job, from 0."""
        return self._opened.place.rank

    @property
    def attempt(self) -> int | None:
        """The number of this attempt, from 1. None while the lab has not been asked."""
        attached = self._outbox.binding.run if isinstance(self._outbox, QueueOutbox) else self._opened.answer
        return int(attached["attempt"]) if attached else None

    @property
    def read_only(self) -> bool:
        """True if the run belongs to somebody else. Calls then do nothing."""
        return self.mode == READ_ONLY

    @property
    def dry_mode(self) -> bool:
        """True if nothing is sent to the lab. Everything is kept for `hectiqlab sync` if `mode` is "kept", dropped if
        it is "dry".
        """
        return self.mode in (KEPT, DRY)

    @property
    def action_mode(self) -> str:
        """ "dry", "read-only" or "read-write", as older scripts expect. `mode` tells more."""
        return DRY if self.dry_mode else READ_ONLY if self.read_only else "read-write"

    def __repr__(self) -> str:
        return (
            f"<Run {self.name!r} project={self.project!r} author={self.author!r} mode={self.mode!r} url={self.url!r}>"
        )

    def __str__(self) -> str:
        rows = {"project": self.project, "author": self.author, "mode": self.mode, "url": self.url}
        return f"Run {self.name}\n" + "\n".join(f"  {k}: {'-' if v is None else v}" for k, v in rows.items())

    def _repr_html_(self) -> str:
        from html import escape

        title = (
            f'<a href="{escape(self.url)}" target="_blank">{escape(self.name)}</a>' if self.url else escape(self.name)
        )
        return f"<b>Run</b> {title} ({escape(str(self.project or '-'))}, {escape(self.mode)})"

    if not TYPE_CHECKING:  # a type checker reports missing names by itself

        def __getattr__(self, name: str) -> NoReturn:
            """Raise AttributeError with advice. Python calls this only for names that a Run does not have."""
            from .client.hints import hint

            advice = "" if name.startswith("_") else hint(name)
            if advice:
                raise AttributeError(f"a Run has no {name!r}: {advice}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

        def __getitem__(self, name: object) -> NoReturn:
            from .client.hints import HINTS

            raise TypeError(f"a Run has no fields: {HINTS['log']}; {HINTS['config']}")

        def __setitem__(self, name: object, value: object) -> NoReturn:
            self[name]

    # States -----------------------------------------------------------------------------------------------------

    @never_breaks
    def _set_state(self, state: str) -> None:
        self._outbox.event("state", {"state": state})

    def pending(self) -> None:
        """Mark the run as waiting to begin. Never waits. Does not close the run; nor do the other states."""
        self._set_state(states.PENDING)

    def running(self) -> None:
        """Mark the run as running, which it is from the start. Never waits."""
        self._set_state(states.RUNNING)

    def training(self) -> None:
        """Mark the run as training. Never waits."""
        self._set_state(states.TRAINING)

    def completed(self) -> None:
        """Mark the run as completed. A clean end of the script does this by itself. Never waits."""
        self._set_state(states.COMPLETED)

    def failed(self) -> None:
        """Mark the run as failed. An uncaught exception does this by itself. Never waits."""
        self._set_state(states.FAILED)

    def stopped(self) -> None:
        """Mark the run as stopped. Ctrl-C does this by itself. Never waits."""
        self._set_state(states.STOPPED)

    # The end ----------------------------------------------------------------------------------------------------

    @opaque
    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until the lab has everything that this process has logged so far; offline, until it is in the journal.

        Blocks at most `timeout` seconds.

        Returns:
            True if everything is there. False if the time ran out; sending goes on in the background. False also,
            once, if a file was given up since the last flush, such as one that a quota of the lab refused.
        """
        return not sys.is_finalizing() and bool(self._outbox.flush(timeout))

    @opaque
    def close(self, timeout: float | None = None) -> bool:
        """End the run; no more calls are accepted. The run is completed, if no final state was set. Safe twice.

        Needed only if the process goes on: the end of a script closes its runs.

        Args:
            timeout: block at most so many seconds. None: as the end of a script does (HECTIQLAB_EXIT_TIMEOUT).

        Returns:
            True if everything is at the lab.
        """
        return self._close(ending.Ending(states.COMPLETED, "closed", None), timeout)

    def _close(self, ended: ending.Ending, timeout: float | None = None) -> bool:
        if self._closed:
            return True
        self._closed = True
        # Called by a destructor: the end of the process was reported, and Python is shutting down.
        if sys.is_finalizing():
            return False
        outbox = self._outbox
        for hook in outbox.at_end:
            hook(ended)
        if not isinstance(outbox, QueueOutbox):
            self._outbox = ClosedOutbox()
            return True
        if outbox.closed:
            return True
        if outbox.binding.ends_run:
            try:
                outbox.end(ended)
            except Exception as e:
                say_once(f"the end of the run could not be reported: {type(e).__name__}: {e}")
        outbox.close()
        outbox.session.look_after_uploader()
        there = wait_at_end(outbox.session, [outbox], timeout)
        outbox.uploads.left()
        there = there and not outbox.uploads.losses()
        outbox.let_go()
        return there

    @opaque
    def status(self) -> RunStatus:
        """Return where this process's events are: produced, journaled, sent, acked, what waits, what was lost and why.

        Reads memory and one small file; never waits for the network.
        """
        return self._outbox.status()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._close(ending.ending_by(error) if error is not None else ending.Ending(states.COMPLETED, "closed", None))

    # Copies -----------------------------------------------------------------------------------------------------

    def __copy__(self) -> Run:
        return self

    def __deepcopy__(self, memo: object) -> Run:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the run for other processes of this machine, which log to it through a queue of their own."""
        outbox = self._outbox
        if isinstance(outbox, QueueOutbox):
            return _joined, (self.name, str(outbox.session.dir.path), outbox.binding, self._opened.place, self.mode)
        return _dropped, (self.name, self.mode, self._opened.place, self._opened.answer)


def _joined(name: str, session: str, binding: Any, place: Place, mode: str) -> Run:
    run = Run.__new__(Run)
    run._become(name, join_run(session, binding, place, mode))
    return run


def _dropped(name: str, mode: str, place: Place, answer: dict[str, Any] | None) -> Run:
    from .client.outbox import DroppingOutbox

    run = Run.__new__(Run)
    run._become(name, Opened(mode, DroppingOutbox(mode), place, answer))
    return run


def _place(rank: int | None, world_size: int | None, restart: int | str | None) -> Place:
    """Return the place that the arguments give; what they leave out, the launcher says."""
    launched = place()
    if rank is None and world_size is None and restart is None:
        return launched
    rank = launched.rank if rank is None else rank
    world_size = max(launched.world_size, rank + 1) if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} of {world_size}: a rank is at least 0 and less than the world size")
    return Place(rank, world_size, launched.restart if restart is None else str(restart))
