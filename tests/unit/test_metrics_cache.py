"""The metrics cache: what is folded, that every number is accounted for, and that a batch always folds to the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab import Run
from pyhectiqlab.capture.process import this_process
from pyhectiqlab.protocol import records
from pyhectiqlab.server.writing import ingest
from pyhectiqlab.spool import SessionDir, Writer
from pyhectiqlab.uploader import encode
from pyhectiqlab.uploader.cache import KEEP_ALL, CacheSettings, fold
from pyhectiqlab.uploader.stream import Batch, Stream

from .pipeline import Pipeline

MEAN = CacheSettings("mean")


def columns(*values: float, times: list[float] | None = None) -> dict[str, records.Columns]:
    column = records.Columns()
    for i, value in enumerate(values):
        column.append(i, 10 * i, value, times[i] if times else float(i))
    return {"k": column}


def folded(settings: CacheSettings, *values: float, times: list[float] | None = None) -> list[tuple[int, float]]:
    """Return (step, value) of what is left."""
    made = fold(columns(*values, times=times), [(-1, settings)]).columns["k"]
    return list(zip(made.step, made.value, strict=True))


def test_without_settings_nothing_is_folded_nor_copied() -> None:
    given_ = columns(1, 2, 3)
    assert fold(given_, [(-1, KEEP_ALL)]).columns is given_


@pytest.mark.parametrize(("aggr", "value"), [("sum", 9.0), ("max", 4.0), ("mean", 3.0)])
def test_a_group_becomes_one_point_at_its_last_step(aggr: str, value: float) -> None:
    assert folded(CacheSettings(aggr), 2, 4, 3) == [(20, value)]


def test_a_group_ends_by_length_by_time_and_not_before_the_delay() -> None:
    assert folded(CacheSettings("max", length=2), 1, 2, 3, 4, 5) == [(10, 2), (30, 4), (40, 5)]
    assert folded(CacheSettings("max", timeout_s=2), 1, 2, 3, 4, 5) == [(10, 2), (30, 4), (40, 5)]
    assert folded(CacheSettings("max", length=1, delay_s=3), 1, 2, 3, 4, 5) == [(20, 3), (40, 5)]


@pytest.mark.parametrize("aggr", ["sum", "max", "mean"])
@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.nan)])
def test_a_nan_is_not_hidden(aggr: str, values: tuple[float, float]) -> None:
    ((_, value),) = folded(CacheSettings(aggr), *values)
    assert math.isnan(value)


def test_settings_of_a_newer_client_keep_every_point() -> None:
    for raw in ({}, {"aggr": "median"}, {"aggr": "mean", "length": "many"}, {"aggr": ["mean"]}):
        assert CacheSettings.from_dict(raw) == KEEP_ALL
    assert CacheSettings.from_dict(MEAN.as_dict()) == MEAN


# Batches ----------------------------------------------------------------------------------------------------------


def stream() -> Stream:
    run = {"run": {"id": "r1"}, "attempt": 1}
    return Stream(Writer("w", "q", this_process(), "online", "", "", {"rank": 0}, run, True, 0.0))


def setting(**fields: Any) -> bytes:
    return records.event("metrics_cache", 0.0, fields)


def points(*values: float) -> bytes:
    return b"".join(records.point_full("k", i, value, 1.0 + i / 1e3) for i, value in enumerate(values))


def sent(of: Stream, first: int, data: bytes, after: int = 0) -> tuple[ingest.Batch, dict[str, Any]]:
    """Return what the lab's own reader makes of the batch. That it takes it shows that each number is accounted for."""
    _, count = records.measure(data)
    encoded = encode.encoded(of, Batch(first, first + count - 1, len(data), data=data), after)
    of.heed(encoded.end, encoded.settings)
    wire = encoded.wire
    (batch,) = ingest.decode(msgpack.packb(encode.request("5", 0.0, [wire]))).batches
    assert isinstance(batch, ingest.Batch), batch
    return batch, wire


def test_points_behind_the_event_are_folded_and_those_before_it_are_not() -> None:
    of = stream()
    batch, _ = sent(of, 1, points(1, 2) + setting(aggr="sum") + points(3, 4, 5) + setting(aggr="none") + points(6, 7))
    (column,) = batch.columns.columns
    assert list(column.value) == [1, 2, 12, 6, 7] and list(column.seq) == [1, 2, 6, 8, 9]
    assert [(e.seq, e.kind) for e in batch.events] == [(3, "metrics_cache"), (4, "aggregated"), (7, "metrics_cache")]
    assert batch.events[1].fields == {"count": 2}


def test_the_settings_hold_for_later_batches_and_none_is_folded_over_a_cut() -> None:
    of = stream()
    sent(of, 1, setting(aggr="max"))
    for first in (2, 5):
        batch, _ = sent(of, first, points(1, 3, 2))
        assert list(batch.columns.columns[0].value) == [3]


def test_a_batch_is_encoded_to_the_same_again_after_later_settings() -> None:
    of = stream()
    datas = [setting(aggr="max") + points(1, 2), points(3, 4), setting(aggr="sum") + points(5, 6), points(7, 8)]
    firsts = [1, 4, 6, 9]
    before = [sent(of, first, data)[1] for first, data in zip(firsts, datas, strict=True)]
    assert [sent(of, first, data)[1] for first, data in zip(firsts, datas, strict=True)] == before


def test_what_the_lab_has_of_a_batch_is_not_folded_into_the_rest() -> None:
    of = stream()
    data = setting(aggr="sum") + points(1, 2, 3, 4)
    batch, _ = sent(of, 1, data, after=3)
    assert (batch.first, list(batch.columns.columns[0].value)) == (4, [7])


kinds = st.sampled_from(
    [{"aggr": "none"}, {"aggr": "sum"}, {"aggr": "max", "length": 2}, {"aggr": "mean", "length": 3}]
)
parts = st.lists(st.one_of(kinds.map(lambda f: setting(**f)), st.integers(1, 5).map(lambda n: points(*range(n)))))


@given(parts=parts, after=st.integers(0, 8))
def test_every_number_is_a_point_an_event_or_counted_as_folded(parts: list[bytes], after: int) -> None:
    data = b"".join(parts)
    _, count = records.measure(data)
    if count > after:
        batch, _ = sent(stream(), 1, data, after)
        aggregated = sum(e.fields["count"] for e in batch.events if e.kind == "aggregated")
        others = sum(e.kind != "aggregated" for e in batch.events)
        assert batch.points + aggregated + others == count - after


def test_an_uploader_that_was_killed_is_followed_by_one_that_knows_the_settings(tmp_path: Path) -> None:
    line = Pipeline(tmp_path)
    line.sender._save = lambda stream: line.session.save_writer(stream.info)
    line.puts.record(setting(aggr="max"))
    line.deliver()
    for segment in line.journal.folder.iterdir():  # as after a day: what held the event is gone
        segment.unlink()
    line.start()
    assert line.stream.cache_at(2) == CacheSettings("max") and line.stream.cache_at(1) == KEEP_ALL


def test_the_file_of_a_writer_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    session = SessionDir.create(tmp_path, this_process(), 0.0)
    raw = stream().info.as_dict()
    del raw["cache"]
    (session.writers_dir / "w.json").write_text(__import__("json").dumps(raw))
    (info,) = session.writers()
    assert info.cache == []


# The call ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"aggr": "median"}, {"max_cache_length": 0}, {"max_cache_length": 2.5}, {"max_cache_length": True},
        {"max_cache_timeout": -1}, {"max_cache_timeout": "1"}, {"min_cache_flush_delay": math.inf},
    ],
)  # fmt: skip
def test_what_can_be_no_setting_raises_at_the_call(wrong: dict[str, Any]) -> None:
    run = Run("dry", dry=True)
    with pytest.raises((TypeError, ValueError)):
        run.set_metrics_cache_settings(**wrong)
    run.set_metrics_cache_settings("mean", max_cache_length=10)
