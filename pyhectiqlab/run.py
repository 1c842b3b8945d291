"""Run: what a training script holds. One short method per verb; each builds an event and hands it to the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from .capture import ending
from .capture.launcher import Place, place
from .capture.values import check_key, check_name
from .client.end_wait import wait_at_end
from .client.opening import DRY, KEPT, READ_ONLY, Opened, join_run, open_run
from .client.outbox import ClosedOutbox, RunStatus
from .client.queue_outbox import QueueOutbox
from .client.saying import say_once
from .protocol import states
from .verbs.artifacts import ArtifactVerbs
from .verbs.cache import CacheVerbs
from .verbs.capture import CaptureVerbs
from .verbs.guard import never_breaks, opaque
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
    MetricVerbs, ArtifactVerbs, CacheVerbs, CaptureVerbs, LogVerbs, MediaVerbs, NotebookVerbs, PageVerbs, RegistryVerbs
):
    """A run of a project: created by name if it does not exist, else continued; read-only if it is someone else's.

    Creating it waits for the lab, at most some ten seconds. Where the lab cannot be reached or the configuration is
    wrong, one line is printed and the run goes on with nothing pushed (`mode` is "kept"). No other method waits for the
    network but those that say so: `flush`, `close`, models and datasets, lists. None raises but for a mistake at the
    call (TypeError, ValueError, the errors of a file, or RunClosedError after `close`), and the downloads of an online
    run, which cannot return what is not there.

    May be used from any thread, signal handler or forked child, and pickled into other processes of the same machine.

    Args:
        name: of the run, 1 to 512 bytes. None: one is made up that the lab has no run of, such as brave-otter-48213,
            the same for all ranks of a job.
        project: name or id. None: HECTIQLAB_PROJECT, else the profile's project, else your only one, else one named
            `default`.
        should_create_project: make the project if there is none of this name.
        dry: drop everything that is logged.
        rank, world_size: of this process in a distributed job; None: as the launcher (torchrun, SLURM, MPI) says,
        else 0 of 1.
        restart: how often the launcher restarted the job; a new count is a new attempt.

    Raises:
        TypeError, ValueError: a name or rank that can be none; no name, where nothing tells the ranks of a job which.
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
    ) -> None:
        if name is not None:
            check_name("name of a run", name)
        if project is not None:
            check_name("project", project)
        here = _place(rank, world_size, restart)
        new = False
        if name is None:
            from .client.naming import name_for

            name, new = name_for(here)
        self._asked_project = project
        opened = open_run(name, project, should_create_project, dry, here, new)
        self._become(opened.answer["run"]["name"] if new and opened.answer else name, opened)

    def _become(self, name: str, opened: Opened) -> None:
        self.name = name
        self.mode = opened.mode
        self._opened = opened
        self._outbox = opened.outbox
        self._closed = False

    @staticmethod
    def existing(id_or_name: str, project: str | None = None) -> RunView:
        """A run to read back: its config, metrics, logs and files, whoever's it is. Nothing can be added to it.

            run = Run.existing("first-run")
            run.config.learning_rate, run.state, run.metrics("train/loss")

        Args:
            id_or_name: its id, the link of its page, or its name where only one run has it.
            project: name or id of the project that the name is looked for in; None: all.

        Waits for the lab, and raises where it cannot be read: NotFoundError, ConflictError (several have the name),
        ConfigurationError (no lab is known) and the rest of LabError.
        """
        from . import read

        return read.run(id_or_name, project)

    # Who and where ----------------------------------------------------------------------------------------------

    @property
    def _told(self) -> dict[str, Any]:
        return self._opened.answer["run"] if self._opened.answer else {}

    @property
    def id(self) -> str | None:
        """The lab's id of the run; None while the lab has not been asked."""
        return self._told.get("id")

    @property
    def url(self) -> str | None:
        """Link to the run's page; None while the lab has not been asked."""
        return self._told.get("url")

    @property
    def project(self) -> str | None:
        """Name of the project; None while the lab has not been asked."""
        return (self._told.get("project") or {}).get("name")

    @property
    def author(self) -> str | None:
        return self._told.get("author")

    @property
    def rank(self) -> int:
        return self._opened.place.rank

    @property
    def attempt(self) -> int | None:
        """Which life of the job this is, from 1; None while the lab has not been asked."""
        told = self._outbox.binding.run if isinstance(self._outbox, QueueOutbox) else self._opened.answer
        return int(told["attempt"]) if told else None

    @property
    def read_only(self) -> bool:
        return self.mode == READ_ONLY

    @property
    def dry_mode(self) -> bool:
        """Whether nothing is pushed: all is kept for `hectiqlab sync` where `mode` is "kept", dropped where "dry"."""
        return self.mode in (KEPT, DRY)

    @property
    def action_mode(self) -> str:
        """ "dry", "read-only" or "read-write", in words of older scripts; `mode` says more."""
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

    if not TYPE_CHECKING:  # where types are checked, what a Run has not is an error anyway

        def __getattr__(self, name: str) -> NoReturn:
            """Only what a Run has not comes here."""
            from .client.hints import hint

            told = "" if name.startswith("_") else hint(name)
            if told:
                raise AttributeError(f"a Run has no {name!r}: {told}")
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
        """Marks the run as waiting to begin. Never waits. Does not close the run; nor do the other states."""
        self._set_state(states.PENDING)

    def running(self) -> None:
        """Marks the run as running, as it is from its creation on. Never waits."""
        self._set_state(states.RUNNING)

    def training(self) -> None:
        """Marks the run as training. Never waits."""
        self._set_state(states.TRAINING)

    def completed(self) -> None:
        """Marks the run as completed, as a clean end of the script does by itself. Never waits."""
        self._set_state(states.COMPLETED)

    def failed(self) -> None:
        """Marks the run as failed, as an uncaught exception does by itself. Never waits."""
        self._set_state(states.FAILED)

    def stopped(self) -> None:
        """Marks the run as stopped, as Ctrl-C does by itself. Never waits."""
        self._set_state(states.STOPPED)

    # Words about the run ----------------------------------------------------------------------------------------

    @never_breaks
    def add_config(self, config: Any, prefix: str = "") -> None:
        """Merges `config` into the run's config: new elements are added, old ones replaced. Never waits.

        Args:
            config: a Config, dict or other mapping, an argparse.Namespace or a dataclass; nested ones too. What msgpack
                has no type for is stored as text; tuples as lists. In the place of a value that cannot be read (a
                property or `__str__` that raises), of a part that contains itself, and of what is nested deeper than
                48, stands a text that says so, and a line on stderr.
            prefix: put everything below this name.

        Raises TypeError for what is no mapping, ValueError for one over 8 MiB or 50,000 values, which is what a run's
        config may have in all, or a single value of some 4 MiB; nothing of the call is stored. What later calls add
        beyond that is counted as a loss.
        """
        from .capture.plain import config_parts, has_names

        if not has_names(config):
            raise TypeError(f"add_config takes a Config or a dict, not {type(config).__name__}")
        values = self._plain("add_config", config)
        for part in config_parts({prefix: values} if prefix else values):
            self._outbox.event("config", {"values": part})

    @never_breaks
    def add_meta(self, key: str, value: Any) -> None:
        """Stores one value beside the run's config. Never waits. Anything that `add_config` takes as a value.

        Raises TypeError, ValueError for a key that can be none, and for a value that is too large: over 4 MiB, a list
        of more than 262,144 items, a map of more than 65,536 entries.
        """
        check_key(key)
        self._outbox.event("meta", {"key": key, "value": self._plain("add_meta", value)})

    def _plain(self, verb: str, value: Any) -> Any:
        """What can be stored of a value; what cannot is said."""
        from .capture.plain import plain_and_gaps, told_gaps

        found, gaps = plain_and_gaps(value)
        if gaps:
            say_once(f"Run.{verb}: {told_gaps(gaps)}. All else is stored.")
        return found

    @never_breaks
    def set_note(self, text: str) -> None:
        """Sets the run's description, replacing an earlier one. Never waits.

        Raises TypeError for what is no text, ValueError for one of more than 65,536 characters.
        """
        if not isinstance(text, str):
            raise TypeError(f"a note is a text, not {type(text).__name__}")
        self._outbox.event("note", {"text": text})

    @never_breaks
    def add_tag(self, name: str, description: str | None = None, color: str | None = None) -> None:
        """Attaches a tag, made if there is none of this name. `color` as hex: "#2e7d32". Never waits.

        Raises TypeError, ValueError for a name that can be none or has more than 512 bytes, a description of more than
        4,096 characters, a color of more than 32.
        """
        check_name("name of a tag", name)
        self._outbox.event("tag", {"name": name, "description": description, "color": color})

    # The end ----------------------------------------------------------------------------------------------------

    @opaque
    def flush(self, timeout: float = 30.0) -> bool:
        """Waits until the lab has everything logged so far by this process; offline, until it is in the journal.

        Blocks at most `timeout` seconds. True if it is there; False if the time ran out, and it goes on in the
        background.
        """
        return bool(self._outbox.flush(timeout))

    @opaque
    def close(self, timeout: float | None = None) -> bool:
        """Ends the run as completed, if no final state was set; no more calls are accepted. Safe twice.

        Waits as the end of a script does (HECTIQLAB_EXIT_TIMEOUT), or at most `timeout` seconds. Whether everything
        is at the lab. Needed only
        where the process lives on: at the end of a script it happens by itself.
        """
        return self._close(ending.Ending(states.COMPLETED, "closed", None), timeout)

    def _close(self, found: ending.Ending, timeout: float | None = None) -> bool:
        if self._closed:
            return True
        self._closed = True
        outbox = self._outbox
        for hook in outbox.at_end:
            hook(found)
        if not isinstance(outbox, QueueOutbox):
            self._outbox = ClosedOutbox()
            return True
        if outbox.closed:
            return True
        if outbox.binding.ends_run:
            try:
                outbox.end(found)
            except Exception as e:
                say_once(f"the end of the run could not be told: {type(e).__name__}: {e}")
        outbox.close()
        outbox.session.look_after_uploader()
        there = wait_at_end(outbox.session, [outbox], timeout)
        outbox.let_go()
        return there

    @opaque
    def status(self) -> RunStatus:
        """Where this process's events are: produced, journaled, sent, acked, what waits, what was lost and why. Reads
        memory and one small
        file; never waits for the network."""
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
        """Pickles into other processes of this machine, which log to the same run by a queue of their own."""
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
    """As given, else as the launcher says."""
    told = place()
    if rank is None and world_size is None and restart is None:
        return told
    rank = told.rank if rank is None else rank
    world_size = max(told.world_size, rank + 1) if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} of {world_size}: a rank is at least 0 and less than the world size")
    return Place(rank, world_size, told.restart if restart is None else str(restart))
