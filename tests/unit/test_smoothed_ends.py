"""Ends of smoothed lines that are kept: what a deletion has to do, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pyhectiqlab.store.points import Axis, Smoothing, Summary
from pyhectiqlab.store.series.smoothed_ends import SmoothedEnds

Line = tuple[str, int]
RUNS, RANKS = 300, 4


def test_a_deleted_run_is_forgotten_without_a_look_at_other_runs_while_others_are_computed() -> None:
    """A lab deletes thousands of runs at once, beside people who sort by smoothed values of ten thousand."""
    looked_at: list[Line] = []
    computed: list[str] = []
    gone = "run 7"

    def run_of(line: Line) -> str:
        looked_at.append(line)
        return line[0]

    def summaries(key: str, runs: Sequence[str]) -> Mapping[Line, Summary]:
        empty = Summary(*(0 for _ in Summary._fields))  # type: ignore[arg-type]
        return {(run, rank): empty._replace(points=rank + 1) for run in runs for rank in range(RANKS)}

    def compute(key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]) -> Iterator[tuple[Line, float]]:
        for run in runs:
            if run == f"run {RUNS // 2}":
                looked_at.clear()
                ends.forget(gone)
                assert looked_at == []
            computed.append(run)
            yield from (((run, rank), float(rank)) for rank in range(RANKS))

    ends = SmoothedEnds(summaries, compute, run_of)
    names = [f"run {n}" for n in range(RUNS)]
    asked = "loss", Smoothing("mean", 8), "step", names
    kept = ends.of(*asked)  # type: ignore[arg-type]
    others = {(run, rank): float(rank) for run in names if run != gone for rank in range(RANKS)}
    assert kept == others and computed == names
    again = ends.of(*asked)  # type: ignore[arg-type]
    assert again == {**others, **{(gone, rank): float(rank) for rank in range(RANKS)}}
    assert computed == [*names, gone], "what is kept is not computed again"
