"""How long does the lab take for a table of 10,000 runs with 12 columns, sorted, filtered, grouped?

Its first rows, rows further down, a sort by a metric and a config, a sort by where smoothed lines end, groups by two
configs with statistics of three metrics, and the list of columns to choose from.

At the lab, in-process, without HTTP: the stores are filled directly, in a folder that can be kept for another time
(--data). "First" is the first search by these metrics since the lab was started. Times are of the processor, which
others at work disturb least; the file is in memory.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

from _common import Number
from _fill import PROJECT
from _filled import main_of

from pyhectiqlab.protocol.search import parse, parse_column, parse_sort
from pyhectiqlab.server.tables.columns import columns
from pyhectiqlab.server.tables.configtexts import ConfigTexts
from pyhectiqlab.server.tables.groups import grouped
from pyhectiqlab.server.tables.suggest import suggest
from pyhectiqlab.server.tables.table import columns_of, sorted_ids
from pyhectiqlab.store.meta import MetaStore, RunQuery
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

REPEAT = 7
ROWS = 60
CONFIGS = ("lr", "model.name", "model.dropout", "data.augment")
GROUPS_MS = 200
SORT_MS = 150
COLUMNS_MS = 200


def main() -> None:
    main_of(__doc__, measured, keys=200, keys_per_run=20)


def measured(meta: MetaStore, points: SqlitePointStore) -> list[Number]:
    with meta.reading() as view:
        project = view.project(PROJECT)
        assert project is not None
        query, now = RunQuery(project.id), time.time()
        keys = [column.key for column in columns(view, points, ConfigTexts(), query, "", now).metrics[:3]]
        metrics = [parse_column(f'metric."{key}".{stat}') for key in keys for stat in ("last", "min", "max")][:8]
        fields = [*map(parse_column, (f"config.{path}" for path in CONFIGS)), *metrics]
        newest, by_metric = [parse_sort("-created")], [parse_sort(f'metric."{keys[0]}".min'), parse_sort("-config.lr")]
        by_smoothed = [parse_sort('metric."train/loss".smoothed(gaussian,100)')]
        points._smoothed_ends.seconds_max = math.inf  # else the first answer may be told in parts

        def rows(sorts: list, words: str = "", offset: int = 0) -> None:
            searched = RunQuery(project.id, parse(words))
            ids = sorted_ids(view, points, searched, sorts, now)
            columns_of(view, points, fields, ids[offset : offset + ROWS])

        ids = sorted_ids(view, points, query, newest, now)
        texts = ConfigTexts()
        by = [parse_column(f"config.{path}") for path in ("model.name", "data.augment")]
        numbers = [
            Number("sort by a metric and a config, first", _once(lambda: rows(by_metric)), "ms"),
            Number("sort by where smoothed lines end, first", _once(lambda: rows(by_smoothed)), "ms"),
            Number("sort by where smoothed lines end", _median(lambda: rows(by_smoothed)), "ms", SORT_MS),
            Number("the newest runs, 12 columns", _median(lambda: rows(newest)), "ms", SORT_MS),
            Number("sort by a metric and a config", _median(lambda: rows(by_metric)), "ms", SORT_MS),
            Number("filter by a config", _median(lambda: rows(newest, "config.model.name=vit")), "ms", SORT_MS),
            Number(
                "rows further down, of a known order",
                _median(lambda: columns_of(view, points, fields, ids[-ROWS:])),
                "ms",
            ),
            Number(
                "groups by two configs, three metrics",
                _median(lambda: grouped(view, points, query, by, metrics[::3], now)),
                "ms",
                GROUPS_MS,
            ),
            Number("columns to choose from, first", _once(lambda: columns(view, points, texts, query, "", now)), "ms"),
            Number(
                "columns to choose from",
                _median(lambda: columns(view, points, texts, query, "", now)),
                "ms",
                COLUMNS_MS,
            ),
            Number("suggestions", _median(lambda: suggest(view, points, texts, query, "lo", 2, now)), "ms", COLUMNS_MS),
        ]
    return numbers


def _once(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def _median(work: Callable[[], object]) -> float:
    """Return the median of some repetitions, in milliseconds."""
    return statistics.median(_once(work) for _ in range(REPEAT))


if __name__ == "__main__":
    main()
