"""RunView: a run as it can be read, by anybody and from anywhere.

A class of its own and no Run in read-only mode: that one takes every call and drops what it is given, so that a script
runs on; who reads back wants to be told that a view has no `add_metrics`. Nor does a view open a session.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..config import Config
from ..errors import NotFoundError
from ..profile import Profile
from ..protocol.registry import DATASETS, MODELS
from ..transport.columns import Buckets, Points
from ..transport.http import quoted
from .artifacts import Artifact, Lineage, artifact_of, version_of
from .media import ReadsMedia
from .shapes import KeyInfo, Log, Point, StateChange, asking, key_info, log_of, shaped, some_of

if TYPE_CHECKING:
    import pandas

    from .frames import Axis

_LOGS_AT_ONCE = 5000
_SYSTEM = "system/"


@dataclass(frozen=True)
class RunView(ReadsMedia):
    """A run to read. It is as the lab described it at the time of the call.

    What takes a request of its own is asked for when it is first used. Methods block on the network. Times are seconds
    since 1970 UTC.

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
    profile: Profile = field(repr=False, compare=False)
    _config: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    _note: str | None = field(default=None, repr=False, compare=False)  # None: a list had only its beginning
    _tags: list[str] | None = field(default=None, repr=False, compare=False)  # None: a list had only the first

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
        """The configs of all attempts, merged; where several stored a value, the newest one's. See also `configs`.

        Its values have the types that they went in with.
        """
        if self._config is not None:
            return Config.from_dict(self._config)
        with self._asking() as lab:
            return Config.from_dict(lab.config(self.id))

    def configs(self) -> dict[int, Config]:
        """Return the config of each attempt that stored one, by attempt: what that attempt stored itself.

        Of the last 200 such attempts. Blocks for a request each.
        """
        with self._asking() as lab:
            told = lab.get(f"/runs/{quoted(self.id)}")
            attempts = shaped(lab, lambda: [int(n) for n in told["config_attempts"]])
            return {attempt: Config.from_dict(lab.config(self.id, attempt)) for attempt in attempts}

    def metas(self) -> dict[int, dict[str, Any]]:
        """As `configs`, for what `add_meta` stored."""
        with self._asking() as lab:
            path = f"/runs/{quoted(self.id)}"
            told = lab.get(path)
            attempts = shaped(lab, lambda: [int(n) for n in told["meta_attempts"]])
            return {n: shaped(lab, lambda n=n: lab.get(f"{path}/meta", {"attempt": n})["meta"]) for n in attempts}

    @cached_property
    def _detail(self) -> dict[str, Any]:
        with self._asking() as lab:
            told = lab.get(f"/runs/{quoted(self.id)}")
            return shaped(
                lab,
                lambda: {
                    name: told[name] for name in ("meta", "paper", "losses", "sessions", "history", "note", "tags")
                },
            )

    @property
    def meta(self) -> dict[str, Any]:
        """What `add_meta` stored, in all attempts; where several stored a key, the newest one's value."""
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
        """The last changes of its state, the newest last: when, to what, who reported it, and why."""
        return [StateChange(**change) for change in self._detail["history"]]

    # Metrics ----------------------------------------------------------------------------------------------------

    def keys(self) -> list[str]:
        """Return the names of its metrics."""
        return [info.key for info in self.key_infos()]

    def key_infos(self) -> list[KeyInfo]:
        """Return its metrics, each with its number of points and its range."""
        with self._asking() as lab:
            items = lab.pages(f"/runs/{quoted(self.id)}/keys", {"limit": 1000})
            return [shaped(lab, key_info, item) for item in items]

    def metrics(
        self,
        keys: str | Iterable[str] | None = None,
        *,
        axis: Axis = "step",
        rank: int | None = None,
        attempt: int | None = None,
        attempts: Literal["newest", "all"] = "newest",
        buckets: int | None = None,
        long: bool = False,
    ) -> pandas.DataFrame:
        """Return metrics as a table of pandas: a column for each key, a row for each step. NaN: the key has no point.

            run.metrics("train/loss").plot()
            run.metrics(["train/loss", "valid/loss"], axis="relative", rank=0)

        Every raw point is there, exactly; a step that was logged several times has several rows. If there are points of
        several ranks, the rank is a first level of the index; likewise the attempt with attempts="all".

        Args:
            keys: one or several. None: all but those of the machine ("system/…").
            axis: what the rows are ordered by: "step"; "time" (UTC); or "relative", seconds since the attempt's first
                point of any key, as in charts.
            rank: only points of this rank.
            attempt: only points of this attempt.
            attempts: "newest" hides what a job that was restarted from a checkpoint logged again, as charts do. "all"
                shows all.
            buckets: return no raw points but at most about so many slices of the axis, for series of millions. Columns
                are (key, "mean", "min", "max", "last", "count", "nan", "pinf" or "ninf"), over exactly the points in
                each.
            long: return a row for each point instead: key, step, value, time, rank, attempt.

        Raises:
            NotFoundError: the run has no such key.
            ValueError: an argument that is not allowed.
            ConfigurationError: pandas is not installed.
        """
        from . import frames

        if axis not in frames.AXES:
            raise ValueError(f"an axis is one of {', '.join(frames.AXES)}, not {axis!r}")
        newest = attempts == "newest" and attempt is None
        names = self._chosen(keys)
        if buckets is not None:
            slices = partial(self.buckets, n=buckets, axis=axis, rank=rank, attempt=attempt, attempts=attempts)
            return frames.bucketed(((name, slices(name)) for name in names), axis)
        series = ((key, self.series(key, rank=rank, attempt=attempt)) for key in names)
        if long:
            return frames.long(series, newest)
        return frames.wide(series, axis, newest, self._zeros() if axis == "relative" else {})

    def _zeros(self) -> dict[int, int]:
        """By attempt, where its relative time is 0, in µs: the same for all its keys and ranks, and as in charts."""
        with self._asking() as lab:
            items = lab.pages(f"/runs/{quoted(self.id)}/attempts", {"limit": 1000})
            return {int(item["attempt"]): round(item["zero"] * 1e6) for item in items}

    def _chosen(self, keys: str | Iterable[str] | None) -> list[str]:
        if keys is None:
            return [key for key in self.keys() if not key.startswith(_SYSTEM)]
        return [keys] if isinstance(keys, str) else list(dict.fromkeys(keys))

    def series(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Points:
        """Return every raw point of a key, in order of arrival, as arrays of equal length.

        The arrays are step, value, time (seconds since 1970 UTC; `time_us` has whole µs), rank and attempt.
        numpy.asarray takes them without a copy. Raises NotFoundError if the run has no such key.
        """
        return Points.joined(self.pages(key, rank=rank, attempt=attempt))

    def pages(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Iterator[Points]:
        """As `series`, a page of 50,000 points at a time: memory stays flat however long the series is."""
        with self._asking() as lab:
            some = False
            for page in lab.points(self.id, key, rank=rank, attempt=attempt):
                some = some or len(page.step) > 0
                yield page
            if not some:
                self._require(key)

    def iter_points(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Iterator[Point]:
        """As `pages`, point by point."""
        for page in self.pages(key, rank=rank, attempt=attempt):
            yield from map(Point, *page)

    def buckets(
        self,
        key: str,
        n: int = 1500,
        *,
        axis: Axis = "step",
        lo: int | None = None,
        hi: int | None = None,
        rank: int | None = None,
        attempt: int | None = None,
        attempts: Literal["newest", "all"] = "newest",
    ) -> Buckets:
        """Return a key in at most about `n` slices of the axis, as arrays: what a chart shows, exactly.

        Without a rank, `min`, `max` and `mean` are over all ranks. With an `attempt`, nothing is hidden. Raises as
        `series`.

        Args:
            lo: beginning of the range on the axis, inclusive: a step, or µs.
            hi: its end, inclusive.
        """
        selector = {"run": self.id, "key": key, "rank": rank, "attempt": attempt}
        query = {"selectors": [selector], "axis": axis, "lo": lo, "hi": hi, "n": n, "attempts": attempts}
        with self._asking() as lab:
            found: Buckets = shaped(lab, lambda: lab.buckets(query)[0])
        if not found.start:
            self._require(key)
        return found

    def _require(self, key: str) -> None:
        known = self.keys()
        if key not in known:
            has = f"it has {some_of(known)}" if known else "it has none yet"
            raise NotFoundError(f"Run {self.name!r} has no metric {key!r}: {has}.", code="key_not_found")

    def export(
        self,
        path: str | os.PathLike[str],
        keys: str | Iterable[str] | None = None,
        *,
        format: Literal["csv", "jsonl", "parquet"] | None = None,
        rank: int | None = None,
        attempt: int | None = None,
    ) -> Path:
        """Save raw points as a file: a row for each, with key, step, value, time, rank, attempt.

        An existing file is replaced once the new one is complete.

        Args:
            keys: one or several. None: all.
            format: None: by the extension of the file.

        Returns:
            The path of the file.

        Raises:
            NotFoundError: the run has no such key.
            InvalidRequestError: the lab cannot write Parquet.
            ValueError: another format.
            OSError: the file cannot be written.
        """
        from .export import save

        names = None if keys is None else self._chosen(keys)
        return save(self.profile, self.id, path, names, format, rank, attempt, self.name)

    # Logs -------------------------------------------------------------------------------------------------------

    def logs(
        self,
        *,
        channel: str | None = None,
        level: str | None = None,
        rank: int | None = None,
        attempt: int | None = None,
    ) -> list[Log]:
        """Return every log of this run, in order of arrival. `level`: this one and worse."""
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
        """As `logs`, a page at a time.

        Args:
            wait: called when there is no more; iteration goes on while it returns True.
        """
        chosen = {"channel": channel, "level": level, "rank": rank, "attempt": attempt, "limit": _LOGS_AT_ONCE}
        after = None
        with self._asking() as lab:
            while True:
                page = lab.get(f"/runs/{quoted(self.id)}/logs", {**chosen, "after": after})
                for item in shaped(lab, lambda page=page: page["items"]):
                    yield shaped(lab, log_of, item)
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
            told = lab.get(f"/runs/{quoted(self.id)}/registry")

            def of(which: str) -> list[Any]:
                return [version_of(item, self.profile) for item in told[which] if item["kind"] == kind]

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

    def _asking(self) -> Any:
        return asking(self.profile)


def run_view(item: dict[str, Any], profile: Profile) -> RunView:
    """A run of a list, or of its page."""
    return RunView(
        id=item["id"],
        name=item["name"],
        project=item["project"]["name"],
        project_id=item["project"]["id"],
        author=item["author"],
        state=item["state"],
        state_rank=item.get("state_rank"),
        state_why=item.get("state_why", ""),
        created=item["created"],
        started=item["started"],
        ended=item["ended"],
        duration=item["duration"],
        attempt=item["attempt"],
        ranks=item["ranks"],
        points=item["points"],
        last={key: float(value) for key, value in item["last"].items()},  # float() reads "NaN" and "-Infinity"
        _note=None if item.get("note_cut") else item["note"] or "",
        _tags=None if item.get("tags_cut") and "meta" not in item else [tag["name"] for tag in item["tags"]],
        url=item["url"],
        profile=profile,
        _config=item.get("config") if "meta" not in item else None,  # of the page it is JSON: NaN would be a text
    )
