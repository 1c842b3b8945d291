"""Read back the metrics of a run: as tables, raw points, slices of an axis, or files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import NotFoundError
from ..transport.columns import Buckets, Points
from ..transport.http import quoted
from .shapes import KeyInfo, Point, ReadsRun, key_info, shaped, some_of

if TYPE_CHECKING:
    import pandas

    from .frames import Axis

_SYSTEM = "system/"


class ReadsMetrics(ReadsRun):
    """Mixed into RunView. Methods block on the network."""

    def keys(self) -> list[str]:
        """Return the names of its metrics."""
        return [info.key for info in self.key_infos()]

    def key_infos(self) -> list[KeyInfo]:
        """Return its metrics, each with its number of points and the range of its values."""
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

        The table has every raw point, exactly; a step that was logged several times has several rows. If there are
        points of several ranks, the rank is the first level of the index; likewise the attempt with attempts="all".

        Args:
            keys: one key or several. None: all but the system metrics ("system/…").
            axis: what the rows are ordered by: "step"; "time" (UTC); or "relative", seconds since the attempt's first
                point of any key, as in charts.
            rank: only points of this rank.
            attempt: only points of this attempt.
            attempts: "newest" hides what a job that was restarted from a checkpoint logged again, as charts do. "all"
                shows all.
            buckets: instead of raw points, return at most about so many slices of the axis; meant for series of
                millions. Columns are (key, "mean", "min", "max", "last", "count", "nan", "pinf" or "ninf"), each over
                exactly the points of the slice.
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
        """Return for each attempt the time, in µs, at which its relative time is 0. It is the same for all keys and
        ranks of the attempt, and the same as in charts.
        """
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
        """Yield what `series` returns, 50,000 points at a time, so that a long series needs no more memory than a short
        one.
        """
        with self._asking() as lab:
            some = False
            for page in lab.points(self.id, key, rank=rank, attempt=attempt):
                some = some or len(page.step) > 0
                yield page
            if not some:
                self._require(key)

    def iter_points(self, key: str, *, rank: int | None = None, attempt: int | None = None) -> Iterator[Point]:
        """Yield the points of `pages` one by one."""
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
        smooth: tuple[Literal["exponential", "gaussian", "mean", "median"], int] | None = None,
    ) -> Buckets:
        """Return a key in at most about `n` slices of the axis, as arrays. These are exactly the numbers that a chart
        shows.

        Without a rank, `min`, `max` and `mean` are over all ranks. With an `attempt`, no point of it is hidden. Raises
        what `series` raises.

        Args:
            lo: beginning of the range on the axis, inclusive: a step, or a time in µs.
            hi: its end, inclusive.
            smooth: a kind of smoothing and its width, in steps or µs. The lab then also smooths the line, over all its
                points. The column `smoothed` has the value of the smoothed line at each `last_x`; NaN: no finite point
                is near.
        """
        selector = {"run": self.id, "key": key, "rank": rank, "attempt": attempt}
        query: dict[str, Any] = {"selectors": [selector], "axis": axis, "lo": lo, "hi": hi, "n": n}
        query["attempts"] = attempts
        if smooth is not None:
            query["smooth"] = dict(zip(("kind", "width"), smooth, strict=True))
        with self._asking() as lab:
            slices: Buckets = shaped(lab, lambda: lab.buckets(query)[0])
        if not slices.start:
            self._require(key)
        return slices

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
        """Save raw points as a file: a row for each, with key, step, value, time, rank, attempt. Or save the whole run
        in a folder, with config, logs, files and all else, as `hectiqlab export` does (docs/export.md).

        An existing file is replaced once the new one is complete. A folder that holds an earlier export keeps it and
        gets what is new.

        Args:
            path: a file that ends in .csv, .jsonl or .parquet; without an ending, a folder.
            keys: one key or several. None: all.
            format: "csv", "jsonl" or "parquet". None: what the extension of the file says.

        Returns:
            The path of the file, or of the folder.

        Raises:
            NotFoundError: the run has no such key.
            InvalidRequestError: the lab cannot write Parquet.
            ValueError: another format.
            ConfigurationError: a whole run needs pyarrow, or the folder holds other files.
            OSError: the file cannot be written.
        """
        from .export import save

        only_points = format is not None or keys is not None or rank is not None or attempt is not None
        if not only_points and (not Path(path).suffix or Path(path).is_dir()):
            from ..exporting.export import export

            with self._asking() as lab:
                export(lab, [self.id], Path(path))
            return Path(path)
        names = None if keys is None else self._chosen(keys)
        return save(self.profile, self.id, path, names, format, rank, attempt, self.name)
