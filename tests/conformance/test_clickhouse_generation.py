"""ClickHouse holds one generation of the lab, the last that was noted, or the caller hears that it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.clickhouse import schema
from pyhectiqlab.store.clickhouse.client import ClickHouse

from ..clickhouse import needs_clickhouse, server

LAB = "00000000-0000-0000-0000-000000000001"


class Keeping(ClickHouse):
    """A database in which the first `left` deletions change nothing."""

    left = 0

    def do(self, statement: str, wait_s: int | None = None) -> None:
        if "DELETE" in statement and self.left:
            self.left -= 1
        else:
            super().do(statement, wait_s)


@pytest.fixture
def clickhouse() -> Iterator[Keeping]:
    needs_clickhouse()
    name = server().make_database()
    its = Keeping(server().url(name))
    schema.prepare(its, LAB, generation="first")
    yield its
    its.close()
    server().drop_database(name)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_the_last_generation_is_the_only_one(clickhouse: Keeping, left: int) -> None:
    clickhouse.left = left
    schema.note_generation(clickhouse, "second")
    schema.check(clickhouse, LAB, "second")
    assert (
        clickhouse.text("SELECT arrayStringConcat(groupUniqArray(value)) FROM lab WHERE key = 'generation'") == "second"
    )
    with pytest.raises(StoreError, match="of another generation"):
        schema.check(clickhouse, LAB, "first")


def test_an_earlier_generation_that_stays_is_an_error(clickhouse: Keeping) -> None:
    clickhouse.left = schema.NOTINGS
    with pytest.raises(StoreError, match=r"keeps an earlier generation .* call `hectiqlab admin adopt` again"):
        schema.note_generation(clickhouse, "second")
    schema.note_generation(clickhouse, "third")
    schema.check(clickhouse, LAB, "third")
