"""Tables of pandas, which is imported here and nowhere else, when somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..base.installing import install_advice
from ..errors import ConfigurationError
from ..transport.columns import Buckets, Points

if TYPE_CHECKING:
    import pandas

Axis = Literal["step", "time", "relative"]
AXES = ("step", "time", "relative")


def load_pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise ConfigurationError(
            f"This table needs pandas: {install_advice('pandas')}. Without it, run.series(key) gives arrays and "
            "search_runs(...) runs."
        ) from None
    return pandas


def _moments(column: Any) -> Any:
    return load_pandas().to_datetime(column, unit="us", utc=True)


def _points(points: Points, axis: Axis, newest: bool, zeros: Mapping[int, int]) -> Any:
    """Return a table with a row for each point, in order of arrival: step, value, time, rank, attempt, and `at`, its
    place on the axis.

    zeros: for each attempt the time, in µs, at which its relative time is 0.
    """
    pd = load_pandas()
    frame = pd.DataFrame(points._asdict())
    frame["time"] = (frame["time"] * 1e6).round().astype("int64")
    of_attempt = frame.groupby(["rank", "attempt"], sort=False)
    if axis == "relative":
        frame["at"] = (frame["time"] - frame["attempt"].map(zeros)) / 1e6
    else:
        frame["at"] = frame["step"] if axis == "step" else _moments(frame["time"])
    if newest and len(frame):
        # A job restarted from a checkpoint repeats steps: what it logged last counts.
        # An older attempt may arrive later, so the attempts are sorted.
        first = of_attempt["step"].min().unstack("rank").sort_index(ascending=False)
        from_newer = first.cummin().ffill().shift(1).stack().rename("hidden")
        frame = frame.join(from_newer, on=["attempt", "rank"])
        frame = frame[frame["hidden"].isna() | (frame["step"] < frame["hidden"])].drop(columns="hidden")
    return frame


def wide(series: Iterable[tuple[str, Points]], axis: Axis, newest: bool, zeros: Mapping[int, int]) -> pandas.DataFrame:
    """Return a table with a column for each key and a row for each place on the axis; see RunView.metrics."""
    pd = load_pandas()
    frames = {key: _points(points, axis, newest, zeros) for key, points in series}
    if not frames:
        table: pandas.DataFrame = pd.DataFrame(index=pd.Index([], name=axis))
        return table
    several = ("rank",) if newest else ("rank", "attempt")
    levels = [name for name in several if len({v for frame in frames.values() for v in frame[name].unique()}) > 1]
    levels.append("at")
    if len(frames) == 1:  # no join: it is slow with millions of points
        ((key, frame),) = frames.items()
        table = frame.sort_values(levels, kind="stable").set_index(levels)[["value"]].rename(columns={"value": key})
    else:
        columns = []
        for key, frame in frames.items():
            again = frame.groupby(levels, sort=False).cumcount().rename("again")  # a step that was logged twice
            columns.append(frame.set_index([*levels, again])["value"].rename(key))
        table = pd.concat(columns, axis=1).sort_index().droplevel("again")
    return table.rename_axis(index={"at": axis})


def long(series: Iterable[tuple[str, Points]], newest: bool) -> pandas.DataFrame:
    """Return a table with a row for each point: key, step, value, time, rank, attempt."""
    pd = load_pandas()
    table: pandas.DataFrame
    parts = []
    for key, points in series:
        frame = _points(points, "step", newest, {}).drop(columns="at")
        frame["time"] = _moments(frame["time"])
        frame.insert(0, "key", key)
        parts.append(frame)
    if not parts:
        table = pd.DataFrame(columns=["key", *Points._fields])
        return table
    table = pd.concat(parts, ignore_index=True)
    return table


def bucketed(series: Iterable[tuple[str, Buckets]], axis: Axis) -> pandas.DataFrame:
    """Return a table with columns (key, statistic) and a row for each slice of the axis, indexed by where the slice
    begins.
    """
    pd = load_pandas()
    table: pandas.DataFrame
    parts = {}
    for key, buckets in series:
        frame = pd.DataFrame(buckets.columns()).drop(columns="last_x").set_index("start")
        parts[key] = frame[["mean", "min", "max", "last", "count", "nan", "pinf", "ninf"]]
    if not parts:
        table = pd.DataFrame(index=pd.Index([], name=axis))
        return table
    table = pd.concat(parts, axis=1).sort_index().rename_axis(index=axis)
    if axis == "time":
        table.index = _moments(table.index).rename("time")
    elif axis == "relative":
        table.index = (table.index / 1e6).rename("relative")
    return table


def runs_frame(runs: Iterable[Mapping[str, Any]], fixed: Sequence[str]) -> pandas.DataFrame:
    """Return a table with a row for each run; see FoundRuns.to_pandas. `fixed`: the columns that come first, even if no
    run has a value for them.
    """
    pd = load_pandas()
    rows = list(runs)
    more = sorted({name for row in rows for name in row} - set(fixed))
    table: pandas.DataFrame = pd.DataFrame(rows, columns=[*fixed, *more])
    for name in ("created", "started", "ended"):
        table[name] = pd.to_datetime(table[name], unit="s", utc=True).dt.round("us")  # a float is not more precise
    table = table.set_index("id")
    return table
