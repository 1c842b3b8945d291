"""Which runs of a Neptune export are forks of which: read before the runs themselves, so that parents come first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ..exporting.parquet import arrow
from ..protocol.limits import STEP_MAX

_PARENT, _STEP, _NAMES = "sys/forking/parent", "sys/forking/step", ("sys/custom_run_id", "sys/id")
_DIGITS = Decimal("0.000001")  # the last digit of a step


@dataclass(frozen=True)
class Kin:
    """What the files of a run say of its descent.

    Attributes:
        paths: its files, in order; they name it among the runs of an export.
        place: its project.
        names: the names by which a fork may name it.
        parent: how it names the run that it is a fork of; "": it is none.
        last: the step up to which it has the points of that run; None: all of them.
    """

    paths: tuple[Path, ...]
    place: str = ""
    names: frozenset[str] = frozenset()
    parent: str = ""
    last: Decimal | None = None


def kin_of(paths: Sequence[Path]) -> Kin:
    """Read only what concerns the descent. What cannot be read says nothing: who reads the run itself reports it."""
    pa = arrow()
    columns = ["project_id", "run_id", "attribute_path", "string_value", "float_value"]
    wanted = [("attribute_path", "in", [_PARENT, _STEP, *_NAMES])]
    place, its_id, step = "", "", None
    texts: dict[str, str] = {}
    for path in paths:
        try:
            if not its_id:
                for first in pa.parquet.ParquetFile(path).iter_batches(1, columns=columns[:2]):
                    place, its_id = (str(column[0].as_py()) for column in first.columns)
                    break
            for row in pa.parquet.read_table(path, columns=columns, filters=wanted).to_pylist():
                if row["attribute_path"] == _STEP:
                    step = row["float_value"] if step is None else step
                elif row["string_value"]:
                    texts.setdefault(row["attribute_path"], str(row["string_value"]))
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError):
            break
    names = frozenset(name for name in (its_id, *(texts.get(name, "") for name in _NAMES)) if name)
    last = None if step is None or not abs(step) <= STEP_MAX else Decimal(str(step)).quantize(_DIGITS)
    return Kin(tuple(paths), place, names, texts.get(_PARENT, ""), last)


class Family:
    """The runs of an export, and who descends from whom. A run is named by its id or by the id that its user gave."""

    def __init__(self, runs: Sequence[Kin]) -> None:
        self._runs = runs
        self._by_name = {(run.place, name): run for run in runs for name in sorted(run.names)}

    def parent(self, run: Kin) -> Kin | None:
        parent = self._by_name.get((run.place, run.parent)) if run.parent else None
        return None if parent is run else parent

    def parents_first(self) -> Iterator[Kin]:
        """Yield each run once, behind the runs that it descends from, else in the order given."""
        done: set[Kin] = set()
        for run in self._runs:
            for one in (*(older for older, _ in self.lineage(run)), run):
                if one not in done:
                    done.add(one)
                    yield one

    def lineage(self, run: Kin) -> list[tuple[Kin, Decimal | None]]:
        """Return the runs that it descends from, the oldest first, and up to which step it has the points of each."""
        older: list[tuple[Kin, Decimal | None]] = []
        seen, last, parent = {run}, run.last, self.parent(run)
        while parent is not None and parent not in seen:  # a circle is not a descent
            older.insert(0, (parent, last))
            seen.add(parent)
            last = min((step for step in (last, parent.last) if step is not None), default=None)
            parent = self.parent(parent)
        return older
