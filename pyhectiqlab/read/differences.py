"""In what runs differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .shapes import ReadsRun, asking, shaped

RUNS_MAX = 50


class Difference(NamedTuple):
    """One thing in which runs differ.

    Attributes:
        section: "config", "packages", "environment", "git" or "metrics".
        name: the path in the config, the package, the key of the metric, …
        values: of each run: a number or a text; None: it has none. Of a metric, the newest value, which may be NaN or
            ±Inf. Texts are cut to 200 characters.
        deltas: of a metric, each value minus the baseline's; None where one of them is missing, and for all else.
    """

    section: str
    name: str
    values: list[float | str | None]
    deltas: list[float | None] | None


@dataclass(frozen=True)
class Differences:
    """In what runs differ, beside a baseline.

    Attributes:
        runs: their ids, in the order of the values.
        baseline: the id of the one that metrics are compared with.
        rows: only what differs, unless `alike` was asked for; by section and name.
        cut: sections of which there are more rows than the 1,000 that are here.
    """

    runs: list[str]
    baseline: str
    rows: list[Difference]
    cut: list[str]


def differences(runs: Iterable[ReadsRun], baseline: ReadsRun | None = None, *, alike: bool = False) -> Differences:
    """Return in what runs differ: config, packages, environment, git (commit, branch, remote, and whether files
    differed from the commit alike), and the newest values of metrics. What all have in common is left out.

        for row in read.differences(search_runs("vision", "tag=candidate")).rows:
            print(row.section, row.name, row.values)

    Of each config, the first 2,000 values are compared, by their first 1,000 characters.

    Args:
        runs: at most 50, of one profile.
        baseline: the one of them that the deltas of metrics are from. None: the first.
        alike: also what all of them have in common.

    Raises:
        ValueError: there is no run, or too many; or they are of several profiles; or the baseline is none of them.
    """
    chosen = list({run.id: run for run in runs}.values())
    if not 1 <= len(chosen) <= RUNS_MAX:
        raise ValueError(f"between 1 and {RUNS_MAX} runs are compared at once, not {len(chosen)}")
    if any(run.profile != chosen[0].profile for run in chosen):
        raise ValueError("the runs are of several profiles: compare those of each on their own")
    base = chosen[0] if baseline is None else baseline
    if base.id not in {run.id for run in chosen}:
        raise ValueError("the baseline is not one of the runs")
    with asking(chosen[0].profile) as lab:
        query = {"run": [run.id for run in chosen], "baseline": base.id, "alike": str(alike).lower()}
        answer = lab.get("/runs/differences", query)
        return shaped(lab, _shaped, answer)


def _shaped(answer: dict[str, Any]) -> Differences:
    rows = [_row(row) for row in answer["rows"]]
    return Differences(list(answer["runs"]), str(answer["baseline"]), rows, list(answer["cut"]))


def _row(row: dict[str, Any]) -> Difference:
    values = list(row["values"])
    deltas = None
    if row["section"] == "metrics":  # NaN and the infinities are texts in JSON
        values = [None if value is None else float(value) for value in values]
        deltas = [None if delta is None else float(delta) for delta in row["deltas"]]
    return Difference(str(row["section"]), str(row["name"]), values, deltas)
