"""Ingest, first half: the bytes of a request become validated batches. Pure; no store, no event loop.

What is malformed as a whole raises ApiError; a batch that can never be accepted becomes a Refused of its own, so that
the others of the request are not held up; an event that can never be kept becomes a loss in its place, so that the
points and events beside it are not lost with it. No Python time is spent per point: columns are taken by
`np.frombuffer` and checked for the whole batch at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import numpy as np

from ...base.texts import counted
from ...protocol import events as rules
from ...protocol import limits
from ...protocol.records import COUNTED_KINDS
from ...protocol.states import tells_state
from ...store.meta import Event
from ...store.pauses import may_pause
from ...store.points import Column, PointBatch
from ..http.replies import ApiError

SPARSE = 16
_MADE_AT_ONCE = 1024  # maps and lists
REFUSED = "rejected"  # the reason of a loss that takes the place of an event which the lab does not take
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True)
class Batch:
    """A batch that may be applied. `points` is how many points its columns hold."""

    writer: str
    first: int
    last: int
    columns: PointBatch
    events: list[Event]
    points: int


@dataclass(frozen=True)
class Refused:
    """A batch that can never be accepted, and why."""

    writer: str
    reason: str


@dataclass(frozen=True)
class Request:
    session: str
    clock: float
    batches: Sequence[Batch | Refused]


class _Bad(Exception):
    """A batch can never be accepted."""


def decode(body: bytes | bytearray) -> Request:
    """Raises ApiError for a request that is malformed as a whole."""
    message = _unpack(body)
    if not isinstance(message, dict):
        raise ApiError(422, "bad_request", "The body is a msgpack map with v, session, clock and batches.")
    version = message.get("v")
    if not _is_int(version, limits.PROTOCOL_MIN, limits.PROTOCOL_VERSION):
        raise ApiError(
            400,
            "protocol_unsupported",
            f"This lab speaks protocol {limits.PROTOCOL_MIN} to {limits.PROTOCOL_VERSION}: upgrade the older side.",
        )
    session, clock, batches = message.get("session"), message.get("clock"), message.get("batches")
    if not isinstance(session, str) or not _ID.fullmatch(session):
        raise ApiError(422, "bad_request", "session is an id of at most 64 letters and digits.")
    if isinstance(clock, bool) or not isinstance(clock, (int, float)) or not math.isfinite(clock):
        raise ApiError(422, "bad_request", "clock is the client's wall clock in seconds.")
    if not isinstance(batches, list) or not batches:
        raise ApiError(422, "bad_request", "batches is a list of at least one batch.")
    if len(batches) > limits.BATCHES_PER_REQUEST_MAX:
        raise ApiError(413, "too_large", f"At most {limits.BATCHES_PER_REQUEST_MAX} batches a request.")
    return Request(session, float(clock), _with_last_states([_batch(raw) for raw in batches]))


def _unpack(body: bytes | bytearray) -> Any:
    breathe = _breathing()
    try:
        return msgpack.unpackb(
            body,
            # What is not UTF-8 is found by _text below, for its own batch: one odd log line stops nobody else.
            unicode_errors="surrogateescape",
            strict_map_key=False,
            max_array_len=min(limits.ARRAY_LENGTH_MAX, len(body)),  # they are made at once, as long as they say
            max_map_len=limits.MAP_LENGTH_MAX,
            max_ext_len=0,
            list_hook=breathe,
            object_hook=breathe,
        )
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError, msgpack.UnpackException) as e:
        raise ApiError(400, "bad_body", f"The body is not msgpack that this lab takes ({type(e).__name__}).") from None


def _breathing() -> Callable[[Any], Any]:
    """Return a function that returns what it is given. No other thread runs while C code makes the values of a body;
    where it calls Python, they do, and at some of these calls it may pause.
    """
    left = _MADE_AT_ONCE

    def breathe(made: Any) -> Any:
        nonlocal left
        left -= 1 + len(made) // 128  # an item takes less than a list or map
        if left <= 0:
            left = _MADE_AT_ONCE
            may_pause()
        return made

    return breathe


def _with_last_states(batches: Sequence[Batch | Refused]) -> Sequence[Batch | Refused]:
    """Return the same events, of which only the last states of each run are to be followed: each costs the lab a look
    at all ranks.
    """
    of_runs: dict[str, list[tuple[Batch, int]]] = {}
    for batch in batches:
        if isinstance(batch, Batch):
            for i, event in enumerate(batch.events):
                if tells_state(event.kind, event.fields):
                    of_runs.setdefault(batch.columns.run, []).append((batch, i))
    for its in of_runs.values():
        for batch, i in its[: -limits.STATES_AT_ONCE_MAX]:
            batch.events[i] = replace(batch.events[i], followed=False)
    return batches


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _batch(raw: Any) -> Batch | Refused:
    if not isinstance(raw, dict) or not isinstance(raw.get("writer"), str) or not _ID.fullmatch(raw["writer"]):
        raise ApiError(422, "bad_request", "Each batch is a map with the id of its writer.")
    try:
        return _checked(raw)
    except _Bad as e:
        return Refused(raw["writer"], str(e))


def _checked(raw: dict[Any, Any]) -> Batch:
    first: Any = raw.get("first")
    last: Any = raw.get("last")
    writer, run = raw["writer"], raw.get("run")
    if not isinstance(run, str) or not _ID.fullmatch(run):
        raise _Bad("run is a run's id")
    for name, low in (("rank", 0), ("attempt", 0)):
        if not _is_int(raw.get(name), low, (1 << 31) - 1):
            raise _Bad(f"{name} is an integer from {low}")
    if not _is_int(first, 1, limits.STEP_MAX) or not _is_int(last, first, limits.STEP_MAX):
        raise _Bad("first and last are sequence numbers, 1 ≤ first ≤ last")
    span = last - first
    columns, offsets = _columns(raw.get("series", []), first)
    events, event_offsets, covered = _events(raw.get("events", []), first, span)
    _check_numbers(offsets, event_offsets, covered, span)
    points = PointBatch(run, raw["rank"], raw["attempt"], writer, first, last, columns)
    return Batch(writer, first, last, points, events, len(offsets))


def _columns(series: Any, first: int) -> tuple[list[Column], Any]:
    """Return the columns, and the offsets of all their points, one column after the other."""
    if not isinstance(series, list):
        raise _Bad("series is a list")
    parts: list[bytes] = []
    ends: list[int] = []
    keys: list[str] = []
    raw: list[tuple[bytes, bytes, bytes]] = []
    total = 0
    for one in series:
        if not isinstance(one, dict):
            raise _Bad("each series is a map")
        key, seq = one.get("key"), one.get("seq")
        step, value, time = one.get("step"), one.get("value"), one.get("time")
        if (
            not isinstance(key, str)
            or not 0 < len(key) <= limits.KEY_BYTES_MAX
            or not _is_utf8(key, limits.KEY_BYTES_MAX)
        ):
            raise _Bad(f"key is a text of 1 to {limits.KEY_BYTES_MAX} bytes of UTF-8")
        if not (
            isinstance(seq, bytes) and isinstance(step, bytes) and isinstance(value, bytes) and isinstance(time, bytes)
        ):
            raise _Bad("seq, step, value and time are bin")
        n = len(seq) // 4
        if not n or len(seq) != 4 * n or len(step) != 8 * n or len(value) != 8 * n or len(time) != 8 * n:
            raise _Bad("the columns of a series are of one length n ≥ 1: uint32[n], int64[n], float64[n], int64[n]")
        total += n
        parts.append(seq)
        keys.append(key)
        ends.append(total)
        raw.append((step, value, time))
    if len(set(keys)) != len(keys):
        raise _Bad("a key has one series in a batch")
    offsets = np.frombuffer(b"".join(parts), dtype="<u4").astype(np.int64)
    if total:
        grows = np.diff(offsets) > 0
        grows[np.asarray(ends[:-1], dtype=np.int64) - 1] = True  # from one series to the next it may fall
        if not grows.all():
            raise _Bad("seq is strictly increasing")
        seconds = np.frombuffer(b"".join([time for _, _, time in raw]), dtype="<f8")
        if not (np.abs(seconds) <= limits.TIME_MAX_US / 1e6).all():  # false for NaN too
            raise _Bad("time is seconds since 1970, finite, within ±2^62 µs")
        times = np.rint(seconds * 1e6).astype(np.int64)
    sequence = offsets + first
    columns = []
    start = 0
    for key, end, (step, value, _) in zip(keys, ends, raw, strict=True):
        columns.append(
            Column(
                key,
                sequence[start:end],
                np.frombuffer(step, dtype="<i8"),
                np.frombuffer(value, dtype="<f8"),
                times[start:end],
            )
        )
        start = end
    return columns, offsets


def _check_numbers(offsets: Any, event_offsets: list[int], covered: int, span: int) -> None:
    """Check that every number from first to last is a point, an event, or covered by an event that says so, and that
    none is two things.
    """
    if len(offsets) + covered != span + 1:
        points, events = counted(len(offsets), "point"), counted(covered, "number")
        raise _Bad(f"holds {points} and {events} of events, but {counted(span + 1, 'sequence number')}")
    taken = np.concatenate([offsets, np.asarray(event_offsets, dtype=np.int64)])
    if not len(taken):
        raise _Bad("is empty")
    if taken.max() > span:
        raise _Bad("seq is an offset within last - first")
    if span < SPARSE * len(taken):  # a mark for each number is a tenth of the work of sorting them
        marks = np.zeros(span + 1, dtype=np.bool_)
        marks[taken] = True
        twice = int(np.count_nonzero(marks)) < len(taken)
    else:
        twice = len(np.unique(taken)) < len(taken)
    if twice:
        raise _Bad("a sequence number is used twice")


def _events(raw: Any, first: int, span: int) -> tuple[list[Event], list[int], int]:
    """Return the events, their offsets, and how many sequence numbers they cover."""
    if not isinstance(raw, list):
        raise _Bad("events is a list")
    events: list[Event] = []
    offsets: list[int] = []
    covered = 0
    for one in raw:
        if not isinstance(one, list) or len(one) < 4:
            raise _Bad("each event is [seq, kind, time, fields]")
        seq, kind, time, fields = one[:4]
        if not _is_int(seq, 0, span) or (offsets and seq <= offsets[-1]):
            raise _Bad("seq of events is an increasing offset within last - first")
        count = _count(kind, fields)
        covered += count
        offsets.append(seq)
        may_pause()
        try:
            event = _event(first + seq, kind, time, fields)
        except ValueError as e:
            event = _refused(first + seq, kind, count, str(e))
        events.append(event)
    return events, offsets, covered


def _count(kind: Any, fields: Any) -> int:
    """Return how many sequence numbers an event says that it occupies. Without that, the numbers of the batch cannot be
    checked.
    """
    if not isinstance(kind, str) or kind not in COUNTED_KINDS:
        return 1
    count: Any = fields.get("count", 1) if isinstance(fields, dict) else None
    if not _is_int(count, 1, limits.STEP_MAX):
        raise _Bad(f"count of {kind} is a number from 1")
    return int(count)


def _event(seq: int, kind: Any, time: Any, fields: Any) -> Event:
    """Return an event. Raises ValueError for one that the lab does not take."""
    rules.check_kind(kind)
    if not _is_int(time, -limits.TIME_MAX_US, limits.TIME_MAX_US):
        raise ValueError("the time of an event is µs since 1970")
    clean, data, count = _stored(fields)
    values = _values_in_config(clean, count) if kind == "config" else 0
    return Event(seq, kind, time / 1e6, clean, data, values)


def _stored(fields: Any) -> tuple[dict[str, Any], bytes, int]:
    """Return the fields as they are stored, with texts of UTF-8 alone, and how many values there are in them.

    Raises ValueError for fields that the lab does not take. Does not look further at what is too large.
    """
    try:
        data = rules.packed(fields)
    except UnicodeEncodeError:
        data = b""
    count = rules.check_fields(fields, may_pause)
    if not data:
        fields = _clean(fields)
        data, count = rules.packed(fields), rules.count_values(fields)
    return fields, data, count


def _values_in_config(fields: dict[str, Any], count: int) -> int:
    """Return how many of the `count` values of a config's event are in its config."""
    if "values" not in fields:
        return 0
    return count - 2 - sum(rules.count_values(value) for name, value in fields.items() if name != "values")


def _refused(seq: int, kind: Any, count: int, why: str) -> Event:
    """Return what is kept instead of an event that cannot be: a loss of its numbers. So the others of its batch are
    taken, and nobody has to ask what became of this one.
    """
    known = _clean(kind)[: limits.KIND_BYTES_MAX] if isinstance(kind, str) else ""
    fields = {"reason": REFUSED, "count": count, "kind": known, "detail": why[:200]}
    return Event(seq, "loss", 0.0, fields, rules.packed(fields))


def _is_utf8(text: str, bytes_max: int) -> bool:
    try:
        return len(text.encode()) <= bytes_max
    except UnicodeEncodeError:
        return False


def _clean(value: Any) -> Any:
    """Return the same fields, with U+FFFD for what was not UTF-8 in their texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not value.isascii() else value
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return value
