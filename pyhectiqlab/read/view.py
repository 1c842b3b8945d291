"""RunView: a run as it can be read, by anybody and from anywhere.

It is a class of its own, not a Run in read-only mode. A read-only Run takes every call and drops what it is given, so
that a training script goes on. A script that reads back should learn that a view has no `add_metrics`. A view also
opens no session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ..config import Config
from ..profile import Profile
from ..protocol.registry import DATASETS, MODELS
from ..transport.http import quoted
from .artifacts import Artifact, Lineage, artifact_of, version_of
from .edits import EditsRun
from .media import ReadsMedia
from .metrics import ReadsMetrics
from .shapes import Log, StateChange, from_item, shaped

_LOGS_AT_ONCE = 5000


@dataclass(frozen=True)
class RunView(ReadsMetrics, ReadsMedia, EditsRun):
    """A run to read. It is as the lab described it at the time of the call.

    A property that takes a request of its own sends it when it is first used. Properties of this kind and methods block
    on the network. Times are seconds since 1970 UTC.

    Attributes:
        id: the lab's id of the run.
        name: name of the run.
        project: name of its project.
        project_id: id of its project.
        author: username of whoever created it.
        state: one of protocol.states.
        state_rank: the rank that decided the state. None: all.
        state_why: why it is in this state.
        created: when it was created.
        started: when it started. None: not yet.
        ended: when it ended. None: not yet.
        duration: seconds from `started` to `ended`, or until the call while it runs. None before it started.
        attempt: number of the newest attempt, from 1.
        ranks: number of ranks of the newest attempt.
        points: number of points, over all metrics.
        last: newest value of its first few metrics, or of those that were asked for.
        url: link to its page.
        archived: when it was archived, see `read.archive_runs`. None: it is not.
        group: the group that it is in; "" if it is in none.
        fork_of: id of the run that it is a fork of. None: it is not a fork.
        fork_step: up to which step it has that run's points. None: all of them, or it is not a fork.
        profile: the profile that it is read with.
    """

    id: str
    name: str
    project: str
    project_id: str
    author: str
    state: str
    state_rank: int | None
    state_why: str
    created: float
    started: float | None
    ended: float | None
    duration: float | None
    attempt: int
    ranks: int
    points: int
    last: dict[str, float]
    url: str
    archived: float | None
    group: str
    fork_of: str | None
    fork_step: int | None
    profile: Profile = field(repr=False, compare=False)
    _config: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    _note: str | None = field(default=None, repr=False, compare=False)  # None: the list held only its beginning
    _tags: list[str] | None = field(default=None, repr=False, compare=False)  # None: the list held only the first

    def _repr_html_(self) -> str:
        from html import escape

        link = f'<a href="{escape(self.url)}" target="_blank">{escape(self.name)}</a>'
        return f"<b>Run</b> {link} ({escape(self.project)}, {escape(self.state)})"

    @property
    def note(self) -> str:
        """The description. If it is long and a search found the run, it is asked for when first used."""
        return str(self._detail["note"] or "") if self._note is None else self._note

    @property
    def tags(self) -> list[str]:
        """Names of its tags. If there are many and a search found the run, they are asked for when first used."""
        return [tag["name"] for tag in self._detail["tags"]] if self._tags is None else list(self._tags)

    @property
    def notes(self) -> str:
        """The same as `note`."""
        return self.note

    @cached_property
    def config(self) -> Config:
        """The configs of all attempts, merged: if several attempts stored a value, the newest attempt's counts. See
        also `configs`.

        Its values have the types that they had when they were logged.
        """
        if self._config is not None:
            return Config.from_dict(self._config)
        with self._asking() as lab:
            return Config.from_dict(lab.config(self.id))

    def configs(self) -> dict[int, Config]:
        """Return the config of each attempt that stored one, by number of the attempt: only what that attempt stored
        itself.

        At most the last 200 such attempts are returned. Blocks for one request per attempt.
        """
        with self._asking() as lab:
            page = lab.get(f"/runs/{quoted(self.id)}")
            attempts = shaped(lab, lambda: [int(n) for n in page["config_attempts"]])
            return {attempt: Config.from_dict(lab.config(self.id, attempt)) for attempt in attempts}

    def metas(self) -> dict[int, dict[str, Any]]:
        """Return what `add_meta` stored in each attempt, as `configs` does for configs."""
        with self._asking() as lab:
            path = f"/runs/{quoted(self.id)}"
            page = lab.get(path)
            attempts = shaped(lab, lambda: [int(n) for n in page["meta_attempts"]])
            return {n: shaped(lab, lambda n=n: lab.get(f"{path}/meta", {"attempt": n})["meta"]) for n in attempts}

    @cached_property
    def _detail(self) -> dict[str, Any]:
        with self._asking() as lab:
            page = lab.get(f"/runs/{quoted(self.id)}")
            return shaped(
                lab,
                lambda: {
                    name: page[name] for name in ("meta", "paper", "losses", "sessions", "history", "note", "tags")
                },
            )

    @property
    def meta(self) -> dict[str, Any]:
        """What `add_meta` stored, in all attempts: if several attempts stored a key, the newest attempt's value
        counts.
        """
        return dict(self._detail["meta"])

    @property
    def paper(self) -> str:
        """The text of `set_paper`; "" if there is none."""
        return str(self._detail["paper"])

    @property
    def losses(self) -> dict[str, int]:
        """Number of events that were lost, by reason."""
        return dict(self._detail["losses"])

    @property
    def history(self) -> list[StateChange]:
        """The last changes of its state, the newest last: each with its time, the new state, who reported it, and
        why.
        """
        return [from_item(StateChange, change) for change in self._detail["history"]]

    # Logs -------------------------------------------------------------------------------------------------------

    def logs(
        self,
        *,
        channel: str | None = None,
        level: str | None = None,
        rank: int | None = None,
        attempt: int | None = None,
    ) -> list[Log]:
        """Return every log of this run, in order of arrival. `level`: only logs of this level and worse."""
        return list(self.iter_logs(channel=channel, level=level, rank=rank, attempt=attempt))

    def iter_logs(
        self,
        *,
        channel: str | None = None,
        level: str | None = None,
        rank: int | None = None,
        attempt: int | None = None,
        wait: Callable[[], bool] | None = None,
    ) -> Iterator[Log]:
        """Yield what `logs` returns; read it from the lab a page at a time.

        Args:
            wait: called when all logs were read; iteration goes on as long as it returns True.
        """
        chosen = {"channel": channel, "level": level, "rank": rank, "attempt": attempt, "limit": _LOGS_AT_ONCE}
        after = None
        with self._asking() as lab:
            while True:
                page = lab.get(f"/runs/{quoted(self.id)}/logs", {**chosen, "after": after})
                for item in shaped(lab, lambda page=page: page["items"]):
                    yield shaped(lab, from_item, Log, item)
                after = page.get("end") or after
                if page.get("next") is None and not (wait and wait()):
                    return

    # Files ------------------------------------------------------------------------------------------------------

    def artifacts(
        self, name: str | None = None, *, step: int | None = None, versions: Literal["latest", "all"] = "latest"
    ) -> list[Artifact]:
        """Return the files of this run by name, step and version. Each has `download(path)`."""
        asked = {"name": name, "step": step, "versions": versions, "limit": 1000}
        with self._asking() as lab:
            items = lab.pages(f"/runs/{quoted(self.id)}/artifacts", asked)
            return [shaped(lab, artifact_of, item, self.profile) for item in items]

    @property
    def models(self) -> Lineage:
        """The versions of models that this run `made`, and those that it `used`."""
        return self._lineage(MODELS)

    @property
    def datasets(self) -> Lineage:
        """The versions of datasets that this run `made`, and those that it `used`."""
        return self._lineage(DATASETS)

    def _lineage(self, kind: str) -> Lineage:
        with self._asking() as lab:
            registry = lab.get(f"/runs/{quoted(self.id)}/registry")

            def of(which: str) -> list[Any]:
                return [version_of(item, self.profile) for item in registry[which] if item["kind"] == kind]

            return shaped(lab, lambda: Lineage(of("made"), of("used")))

    def delete(self) -> None:
        """Delete the run, with everything that it logged. `restore` restores it within 7 days.

        Raises:
            PermissionDeniedError: it is somebody else's and you are no admin of its project.
            GoneError: it was deleted already.
        """
        with self._asking() as lab:
            lab.delete(f"/runs/{quoted(self.id)}")

    def restore(self) -> None:
        """Restore the deleted run. Raises GoneError after 7 days, ConflictError if another run has its name by now."""
        with self._asking() as lab:
            lab.post(f"/runs/{quoted(self.id)}/restore")

    def refreshed(self) -> RunView:
        """Return the run as it is now."""
        with self._asking() as lab:
            return shaped(lab, run_view, lab.get(f"/runs/{quoted(self.id)}"), self.profile)


def run_view(item: dict[str, Any], profile: Profile) -> RunView:
    """Return a run from an item of a list, or from the answer about its page."""
    detailed = "meta" in item
    return from_item(
        RunView,
        item,
        project=item["project"]["name"],
        project_id=item["project"]["id"],
        state_rank=item.get("state_rank"),  # older labs send neither this nor `state_why`
        state_why=item.get("state_why", ""),
        archived=item.get("archived"),
        group=item.get("group", ""),
        fork_of=(item.get("fork") or {}).get("parent"),
        fork_step=(item.get("fork") or {}).get("step"),
        last={key: float(value) for key, value in item["last"].items()},  # float() reads "NaN" and "-Infinity"
        profile=profile,
        _config=None if detailed else item.get("config"),  # the page has it as JSON: NaN would be a text
        _note=None if item.get("note_cut") else item["note"] or "",
        _tags=None if item.get("tags_cut") and not detailed else [tag["name"] for tag in item["tags"]],
    )
