"""Numbers come out of ClickHouse's Native format as they went in, and what is no such answer is refused."""

from __future__ import annotations

import numpy as np
import pytest

from pyhectiqlab.store.clickhouse import native

KIND = np.dtype([("build", "<u4"), ("series", "<u8"), ("step", "<i8"), ("value", "<f8")])


def rows(n: int) -> np.ndarray:
    made = np.zeros(n, KIND)
    made["build"], made["series"], made["step"] = 7, (1 << 64) - 1, np.arange(n) - 3
    made["value"] = np.where(np.arange(n) % 2, np.nan, -1.5)
    return made


def pack(made: np.ndarray) -> bytes:
    return native.pack({name: made[name] for name in KIND.names or ()})


@pytest.mark.parametrize("n", [0, 1, 127, 128, 100_000])
def test_rows_come_out_as_they_went_in(n: int) -> None:
    packed = pack(rows(n))
    assert native.as_rows(native.unpack(packed, KIND), KIND).tobytes() == rows(n).tobytes()


def test_an_answer_of_no_block_and_one_of_several() -> None:
    assert len(native.as_rows(native.unpack(b"", KIND), KIND)) == 0
    several = native.unpack(pack(rows(3)) + pack(rows(200)), KIND)
    assert native.as_rows(several, KIND).tobytes() == np.concatenate([rows(3), rows(200)]).tobytes()


@pytest.mark.parametrize("cut", [1, 2, 5, 12, 40, -1])
def test_what_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(ValueError):
        native.unpack(pack(rows(3))[:cut], KIND)


def test_other_columns_are_refused() -> None:
    packed = pack(rows(3))
    with pytest.raises(ValueError, match="a column of UInt64 instead of Int64 for series"):
        native.unpack(packed, np.dtype([("build", "<u4"), ("series", "<i8"), ("step", "<i8"), ("value", "<f8")]))
    with pytest.raises(ValueError, match="4 columns instead of 1"):
        native.unpack(packed, np.dtype([("build", "<u4")]))
    with pytest.raises(ValueError):
        native.unpack(packed + b"Code: 241. DB::Exception: Memory limit exceeded", KIND)
