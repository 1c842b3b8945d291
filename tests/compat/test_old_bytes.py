"""Bytes that an earlier version left on a disk or in shared memory stay readable.

What lies beside this file is never made again. golden.py shows how it was made.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from pyhectiqlab.journal import Ack, Data, Journal, Keys, Lost
from pyhectiqlab.protocol import records
from pyhectiqlab.ring import layout

from ..unit.rings import Item, Reader

HERE = Path(__file__).parent
WRITER = "0123456789abcdef" * 2
LOG = {"text": "hello\n", "level": "INFO", "channel": "root", "none": None, "n": 1 << 63}
ITEMS: list[Item] = [
    ("point", "train/loss", 10, 0.982),
    ("point", "train/loss", -3, 0.5),
    ("point", "train/accuracy", -3, 0.75),
    ("point", "perte/é", 1 << 40, math.inf),
    ("point", "a", 0, 1.0),
    ("point", "b", 0, 2.0),
    ("event", "log", LOG),
    ("event", "loss", {"reason": "queue_full", "count": 3}),
    ("event", "unknown", {"tag": 42, "payload": b"newer"}),
]
KEYS: records.Keys = {0: "train/loss", 1: ("train/loss", "train/accuracy")}


def test_a_queue_and_its_spill_file(tmp_path: Path) -> None:
    shutil.copy(HERE / "queue-1.q", tmp_path / "q")
    shutil.copy(HERE / "spill-1", tmp_path / "spill")
    reader = Reader.open(tmp_path)
    words = reader.consumer.mapping.words
    reader.consumer.skip_to(words[layout.HEAD], words[layout.SPILL])
    taken = reader.consumer.take(1 << 20)
    assert taken is not None and taken.count == 1 + 1 + 11
    keys = records.read_interned(reader.consumer.new_interned())
    assert keys == KEYS
    series, events, count = records.decode(taken.data, keys)
    assert count == 13
    assert list(series["train/loss"].step) == [9, 10, -3]
    assert set(series["train/loss"].time) == {1_700_000_000.25}
    assert [kind for _, kind, _, _ in events] == ["note", "log", "loss", "unknown"]
    reader.consumer.close()


def test_a_journal_with_a_frame_of_each_kind(tmp_path: Path) -> None:
    shutil.copy(HERE / "0001-000000.seg", tmp_path)
    said: list[str] = []
    items = list(Journal(tmp_path).recover(said.append))
    data = items[1][0]
    assert isinstance(data, Data) and items[1][1] is not None
    assert (data.writer, data.first, data.last) == (WRITER, 1, 12)
    assert (data.ring_start, data.ring_end, data.spill_start, data.spill_end) == (36, 436, 0, 50)
    assert items[1][1].read() == data.records
    others = [frame for frame, _ in items if not isinstance(frame, Data)]
    assert isinstance(others[0], Keys) and records.read_interned(others[0].table) == KEYS
    assert others[1:] == [Ack(WRITER, 12), Lost(WRITER, 13, 20, "spool_full")]
    assert said == []


def test_one_record_of_each_tag(tmp_path: Path) -> None:
    shutil.copy(HERE / "0001-000000.seg", tmp_path)
    data = next(frame for frame, _ in Journal(tmp_path).recover() if isinstance(frame, Data))
    series, events, _ = records.decode(data.records, KEYS)
    by_name = {
        seq: ("point", key, step, value)
        for key, column in series.items()
        for seq, step, value in zip(column.seq, column.step, column.value, strict=True)
    }
    items: dict[int, Item] = {**by_name, **{seq: ("event", kind, fields) for seq, kind, _, fields in events}}
    assert [item for _, item in sorted(items.items())] == ITEMS
