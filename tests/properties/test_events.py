"""What the fields of an event may hold, and how many values they are, against rules that look at value after value."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol import events as rules
from pyhectiqlab.protocol import limits, searchable
from pyhectiqlab.server.writing import ingest

from ..seeds import examples

DEPTH_MAX, MAP_MAX, LIST_MAX = 4, 4, 6
BOUNDED = settings(
    deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Number(enum.IntEnum):
    ONE = 1


texts = st.text(max_size=4)
singles = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | texts | st.binary(max_size=3)
)
odd = st.sampled_from([Number.ONE, object(), {1}, 1j, msgpack.ExtType(1, b"x"), msgpack.Timestamp(1)])


def nested(leaves: Any, lists: Any = st.lists, length_max: int = 8) -> Any:
    return st.recursive(
        leaves,
        lambda inner: (
            lists(inner, max_size=length_max)
            | st.lists(inner, max_size=length_max).map(tuple)
            | st.dictionaries(texts | st.integers(0, 9), inner, max_size=length_max)
            | st.dictionaries(texts, inner, max_size=3).map(OrderedDict)
        ),
        max_leaves=12,
    )


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FIELDS_DEPTH_MAX", DEPTH_MAX)
    monkeypatch.setattr(limits, "MAP_LENGTH_MAX", MAP_MAX)
    monkeypatch.setattr(limits, "ARRAY_LENGTH_MAX", LIST_MAX)
    monkeypatch.setattr(rules, "_AT_ONCE", 3)


def is_taken(value: Any, depth: int = 0) -> bool:
    if depth > DEPTH_MAX:
        return False
    if isinstance(value, dict):
        inside = [*value, *value.values()]
        return len(value) <= MAP_MAX and all(is_taken(one, depth + 1) for one in inside)
    if isinstance(value, list | tuple) and not isinstance(value, msgpack.ExtType):
        return len(value) <= LIST_MAX and all(is_taken(one, depth + 1) for one in value)
    return value is None or isinstance(value, bool | int | float | str | bytes)


def size(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return 1 + sum(map(size, inside))


@given(fields=st.dictionaries(texts, nested(singles | odd), max_size=MAP_MAX + 1))
@example(fields={"a": [[[{}]]]})
@example(fields={"a": [[[[]]]]})
@example(fields={"a": [[[[1]]]]})
@example(fields={"a": {("a", "list"): 1}})
@BOUNDED
def test_fields_are_taken_or_refused_as_a_whole(bounds: None, fields: dict[str, Any]) -> None:
    keys_are_single = "('a', 'list')" not in repr(fields)
    if is_taken(fields) and keys_are_single:
        assert rules.check_fields(fields) == size(fields)
    else:
        with pytest.raises(ValueError, match=r"nested deeper|too large|cannot be stored|is not a key of a map"):
            rules.check_fields(fields)


@given(value=nested(singles), most=st.integers(0, 12))
@settings(deadline=None, max_examples=examples(80))
def test_values_are_counted_as_far_as_is_asked_for(value: Any, most: int) -> None:
    assert rules.count_values(value) == size(value)
    counted = rules.count_values(value, most)
    assert counted == size(value) if size(value) <= most else most < counted <= size(value)


broken = texts | st.sampled_from(["\udcff", "a\udce9", "\udcf0é"])  # bytes that are no UTF-8, as they are decoded


def plain(value: Any) -> Any:
    """Return the same with U+FFFD for what is not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


@given(
    values=st.dictionaries(
        broken, st.recursive(singles | broken, lambda i: st.lists(i) | st.dictionaries(broken, i), max_leaves=30)
    ),
    more=st.dictionaries(texts, st.lists(singles)),
)
@settings(deadline=None, max_examples=examples(80))
def test_an_event_is_decoded_as_it_is_stored(values: dict[str, Any], more: dict[str, Any]) -> None:
    fields = {**more, "values": values}
    batch = {"writer": "w", "run": "r", "rank": 0, "attempt": 1, "first": 1, "last": 1, "series": []}
    request = {"v": 1, "session": "s", "clock": 0.0, "batches": [{**batch, "events": [[0, "config", 0, fields]]}]}
    (decoded,) = ingest.decode(msgpack.packb(request, unicode_errors="surrogateescape")).batches
    assert isinstance(decoded, ingest.Batch)
    (event,) = decoded.events
    assert repr(event.fields) == repr(plain(fields)) and event.packed == msgpack.packb(plain(fields))
    assert event.values == size(plain(values)) - 1


@given(value=nested(singles.filter(lambda value: not isinstance(value, bytes)), length_max=20))
@example(value=[1] * 500)
@example(value=[1.5, float("nan")])
@example(value=[["x" * 700], "é" * 400, {"key": ["y" * 100]}])
@settings(deadline=None, max_examples=examples(100))
def test_the_text_of_a_value_is_the_beginning_of_its_json(value: Any) -> None:
    if isinstance(value, str | float):
        assert searchable.text_in(value) == (value if isinstance(value, str) else repr(value))
    else:
        assert searchable.text_in(value) == json.dumps(value, ensure_ascii=False)[: searchable.TEXT_CHARS_MAX]


def test_a_map_within_a_list_may_have_any_keys() -> None:
    assert searchable.text_in([{b"key": 1}]) == "[{b'key': 1}]"


@BOUNDED
@given(
    fields=st.dictionaries(
        texts, st.recursive(singles, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=30)
    )
)
def test_what_is_packed_in_parts_is_what_is_packed_at_once(fields: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rules, "_PACKED_AT_ONCE", 2)
        assert rules.packed(fields) == msgpack.packb(fields)
