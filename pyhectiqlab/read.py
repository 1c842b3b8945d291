"""Reading back from the lab: projects, runs, and every raw point. What the commands of the same names print.

    from pyhectiqlab import read

    for run in read.runs("vision", state="completed"):
        for point in run.metrics("train/loss"):
            print(point.step, point.value)

Everything here blocks on the network, each request within the bounds of `transport.http.LabClient`, and raises:
ConfigurationError where no lab is known, LabRequestError where it cannot be asked or refuses. Times are seconds since
1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from .errors import NotFoundError
from .profile import Profile, resolve
from .transport.answers import not_a_lab
from .transport.http import LabClient, Points, quoted

__all__ = ["KeyInfo", "Log", "Point", "ProjectInfo", "RunInfo", "projects", "run", "runs"]

_T = TypeVar("_T")
_LOGS_AT_ONCE = 5000


class Point(NamedTuple):
    """One logged value. `value` may be NaN or ±Inf; `time` is when it was logged."""

    step: int
    value: float
    time: float
    rank: int
    attempt: int


class Log(NamedTuple):
    """What was logged, or printed, at once: `text` with its line break, if it had one.

    Attributes:
        level: its name; None for what was printed.
        channel: "default", the name of a logger, "stdout" or "stderr".
        writer: the process that it came from; texts of one process follow each other as on its terminal.
    """

    time: float
    level: str | None
    channel: str
    rank: int
    attempt: int
    text: str
    writer: str


@dataclass(frozen=True)
class KeyInfo:
    """One key of a run, over all ranks and attempts.

    Attributes:
        count: number of points.
        last: value at the highest (attempt, step).
        min, max: of the finite values; None where there are none.
    """

    key: str
    count: int
    step_min: int
    step_max: int
    last: float | None
    min: float | None
    max: float | None


@dataclass(frozen=True)
class ProjectInfo:
    """A project as the lab described it at the time of the call."""

    id: str
    name: str
    created: float
    runs: int
    last_activity: float | None


@dataclass(frozen=True)
class RunInfo:
    """A run as the lab described it at the time of the call; its points are asked for when needed.

    Attributes:
        state: one of protocol.states.
        duration: seconds from `started` to `ended`, or until the call while it lives; None before it started.
        last: newest value of its first few keys.
    """

    id: str
    name: str
    project: str
    project_id: str
    author: str
    state: str
    created: float
    started: float | None
    ended: float | None
    duration: float | None
    attempt: int
    ranks: int
    points: int
    last: dict[str, float]
    note: str
    tags: list[str]
    url: str
    _profile: Profile = field(repr=False, compare=False)

    def keys(self) -> list[str]:
        """Names of the metrics of this run."""
        return [info.key for info in self.key_infos()]

    def key_infos(self) -> list[KeyInfo]:
        """The metrics of this run, each with its number of points and its range."""
        with _lab(self._profile) as lab:
            return [
                _shaped(lab, _key_info, item) for item in lab.pages(f"/runs/{quoted(self.id)}/keys", {"limit": 1000})
            ]

    def metrics(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> list[Point]:
        """Every raw point of a key in order of arrival. Raises NotFoundError where the run has no such key."""
        return list(self.iter_metrics(key, rank=rank, attempt=attempt))

    def iter_metrics(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Iterator[Point]:
        """As `metrics`, a page at a time: memory stays flat however long the series is."""
        for page in self.pages(key, rank=rank, attempt=attempt):
            for step, value, time_us, of_rank, of_attempt in zip(*page, strict=True):
                yield Point(step, value, time_us / 1e6, of_rank, of_attempt)

    def columns(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Points:
        """As `metrics`, as arrays of equal length, which numpy.asarray takes without a copy."""
        return Points.joined(self.pages(key, rank=rank, attempt=attempt))

    def logs(
        self,
        *,
        channel: str | None = None,
        level: str | None = None,
        rank: int | None = None,
        attempt: int | None = None,
    ) -> list[Log]:
        """Every log of this run in order of arrival. `level`: this one and worse."""
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
        """As `logs`, a page at a time. With `wait`, which is called when there is no more: goes on while it is true."""
        chosen = {"channel": channel, "level": level, "rank": rank, "attempt": attempt, "limit": _LOGS_AT_ONCE}
        after = None
        with _lab(self._profile) as lab:
            while True:
                page = lab.get(f"/runs/{quoted(self.id)}/logs", {**chosen, "after": after})
                for item in _shaped(lab, lambda page=page: page["items"]):
                    yield _shaped(lab, _log, item)
                after = page.get("end") or after
                if page.get("next") is None and not (wait and wait()):
                    return

    def pages(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Iterator[Points]:
        """As `columns`, a page at a time, as they come from the lab."""
        with _lab(self._profile) as lab:
            some = False
            for page in lab.points(self.id, key, rank=rank, attempt=attempt):
                some = some or len(page.step) > 0
                yield page
            if not some and key not in (known := self.keys()):
                has = f"it has {_some_of(known)}" if known else "it has none yet"
                raise NotFoundError(f"Run {self.name!r} has no metric {key!r}: {has}.", code="key_not_found")


def projects(*, profile: str | None = None) -> list[ProjectInfo]:
    """The projects that the user of `profile` can see (None: the profile in use)."""
    with _lab(resolve(profile)) as lab:
        return [_shaped(lab, _project_info, item) for item in lab.pages("/projects", {"limit": 1000})]


def runs(
    project: str | None = None,
    *,
    state: str | None = None,
    search: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    profile: str | None = None,
) -> list[RunInfo]:
    """Runs, newest first.

    Args:
        project: name or id; None: of all projects.
        state: only those in this state (protocol.states).
        search: only those whose name holds this text.
        sort: created, -created, name, state, duration.
        limit: no more than this many; None: all.
    """
    chosen = resolve(profile)
    params = {"project": project, "state": state, "q": search, "sort": sort, "limit": min(limit or 1000, 1000)}
    with _lab(chosen) as lab:
        return [_shaped(lab, _run_info, item, chosen) for item in islice(lab.pages("/runs", params), limit)]


def run(ref: str, *, profile: str | None = None) -> RunInfo:
    """One run by its id, the link of its page, or its name where only one has it.

    Raises NotFoundError, and ConflictError where several runs have the name; its message lists their ids.
    """
    chosen = resolve(profile)
    with _lab(chosen) as lab:
        return _shaped(lab, _run_info, lab.get("/runs/resolve", {"ref": ref}), chosen)


@contextmanager
def _lab(profile: Profile) -> Iterator[LabClient]:
    with LabClient(profile.url, profile.secret_api_key) as lab:
        lab.handshake()
        yield lab


def _shaped(lab: LabClient, make: Callable[..., _T], *args: Any) -> _T:
    try:
        return make(*args)
    except (LookupError, TypeError, ValueError):
        raise not_a_lab(lab.url, "its list has another shape") from None


def _project_info(item: dict[str, Any]) -> ProjectInfo:
    return ProjectInfo(item["id"], item["name"], item["created"], item["runs"], item["last_activity"])


def _run_info(item: dict[str, Any], profile: Profile) -> RunInfo:
    return RunInfo(
        id=item["id"],
        name=item["name"],
        project=item["project"]["name"],
        project_id=item["project"]["id"],
        author=item["author"],
        state=item["state"],
        created=item["created"],
        started=item["started"],
        ended=item["ended"],
        duration=item["duration"],
        attempt=item["attempt"],
        ranks=item["ranks"],
        points=item["points"],
        last={key: float(value) for key, value in item["last"].items()},  # float() reads "NaN" and "-Infinity"
        note=item["note"] or "",
        tags=[tag["name"] for tag in item["tags"]],
        url=item["url"],
        _profile=profile,
    )


def _log(item: dict[str, Any]) -> Log:
    return Log(*(item[name] for name in Log._fields))


def _key_info(item: dict[str, Any]) -> KeyInfo:
    last, low, high = (item["last"] or {}).get("value"), item["min"], item["max"]
    return KeyInfo(
        item["key"],
        item["count"],
        item["step_min"],
        item["step_max"],
        *(None if value is None else float(value) for value in (last, low, high)),
    )


def _some_of(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
