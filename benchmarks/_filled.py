"""Shared by benchmarks of a large project (_fill.py): how large it is, its folder, and its stores in this process."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import Number, arguments, asked, report
from _fill import Wish, fill

from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore


def add_arguments(parser: argparse.ArgumentParser, keys: int, keys_per_run: int) -> None:
    """`keys`, `keys_per_run`: how many there are unless somebody says otherwise."""
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=keys, help="distinct ones in the project (default: %(default)s)")
    parser.add_argument(
        "--keys-per-run",
        type=int,
        default=keys_per_run,
        help="default: %(default)s; 1000 take 7 minutes to fill, and 3.3 GB",
    )
    parser.add_argument("--data", type=Path, help="the lab's folder; filled if it is empty, and kept")


@contextlib.contextmanager
def folder_of(args: argparse.Namespace) -> Iterator[Path]:
    """Yield the filled folder, which is removed unless it was named."""
    with contextlib.ExitStack() as stack:
        folder = args.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "lab.db").exists():
            fill(folder, Wish(args.runs, args.keys, args.keys_per_run))
        yield folder


def main_of(
    question: str | None,
    measured: Callable[[MetaStore, SqlitePointStore], list[Number]],
    *,
    keys: int,
    keys_per_run: int,
) -> None:
    """Be the main function of a benchmark that measures at the stores."""
    parser = arguments(question)
    add_arguments(parser, keys, keys_per_run)
    args = parser.parse_args()
    with (
        folder_of(args) as folder,
        contextlib.closing(SqlMetaStore(folder / "lab.db")) as meta,
        contextlib.closing(SqlitePointStore(folder / "points.db")) as points,
    ):
        report(asked(question, "10,000 runs", f"{args.runs:,} runs"), measured(meta, points), args.json)
