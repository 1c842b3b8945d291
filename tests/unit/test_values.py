"""Values, steps and keys of metrics: what is taken, as what, and what is said of the rest."""

from __future__ import annotations

import enum
import fractions
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.capture.values import PLAIN_TYPES, as_float, as_step, check_key
from pyhectiqlab.protocol.limits import STEP_MAX, STEP_MIN

from .ids import named


@pytest.fixture(autouse=True)
def plain_types() -> Iterator[None]:
    before = set(PLAIN_TYPES)
    yield
    PLAIN_TYPES.clear()
    PLAIN_TYPES.update(before)


class Tensor:
    """Like those of the frameworks: a shape and item()."""

    def __init__(self, value: Any, shape: tuple[int, ...] = ()) -> None:
        self.value, self.shape = value, shape

    def item(self) -> Any:
        return self.value


class Numpy:
    """Like TensorFlow's: a shape and numpy()."""

    def __init__(self, value: Any) -> None:
        self.value, self.shape = value, value.shape

    def numpy(self) -> Any:
        return self.value


class Broken:
    """Like a tensor without data."""

    shape = ()

    def item(self) -> Any:
        raise RuntimeError("there is no data")


class Shapeless:
    """Like a tensor of a graph that is being built."""

    @property
    def shape(self) -> Any:
        return self

    def __iter__(self) -> Any:
        raise ValueError("of unknown rank")


class Level(enum.IntEnum):
    LOW = 3


class Celsius(float):
    pass


class Big(int):
    pass


REALS = [getattr(np, name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]
REALS += [np.float16, np.float32, np.float64, np.longdouble]


FLOATS: list[tuple[Any, float]] = [
    (1, 1.0),
    (0.5, 0.5),
    (True, 1.0),
    (False, 0.0),
    (-0.0, -0.0),
    (1 << 53, 2.0**53),
    (10**300, 1e300),
]
FLOATS += [(Level.LOW, 3.0), (Celsius(1.5), 1.5), (Big(7), 7.0), (math.inf, math.inf), (-math.inf, -math.inf)]
FLOATS += [(kind(3), 3.0) for kind in REALS]
FLOATS += [(np.bool_(True), 1.0), (np.array(2.5), 2.5), (np.array(4), 4.0), (np.array(True), 1.0)]
FLOATS += [(np.array(1.5, dtype=object), 1.5), (Tensor(1.25), 1.25), (Tensor(np.float32(0.5)), 0.5), (Tensor(2), 2.0)]
FLOATS += [(np.array([1.5]), 1.5), (np.array([[2]]), 2.0), (Tensor(1.25, (1, 1, 1)), 1.25)]
FLOATS += [(Numpy(np.float32(0.5)), 0.5), (Numpy(np.array([0.5])), 0.5)]


@pytest.mark.parametrize(
    "value, expected",
    FLOATS,
    ids=named,
)
def test_one_real_number_is_taken_as_a_float(value: Any, expected: float) -> None:
    for _ in range(2):  # a type that was seen is plain from then on
        got = as_float("k", value)
        assert type(got) is float and got == expected and math.copysign(1, got) == math.copysign(1, expected)


def test_nan_stays_nan() -> None:
    masked = np.ma.masked_array([1.0, 2.0], mask=[True, True])
    for value in (
        *(math.nan, np.float32("nan"), Tensor(math.nan), np.array(np.nan)),
        *(masked.mean(), np.ma.masked, masked[:1], np.ma.masked_array(1.0, mask=True)),
    ):
        assert math.isnan(as_float("k", value))


NOT_FLOATS: list[Any] = [
    "1.0",
    b"1",
    None,
    1j,
    np.complex64(1),
    np.str_("1"),
    [1.0],
    (1.0,),
    {},
    object(),
    fractions.Fraction(1, 2),
]
NOT_FLOATS += [
    np.datetime64("2020-01-01"),
    np.timedelta64(5, "s"),
    np.array("x"),
    np.array(1j),
    Tensor("x"),
    Tensor(None),
]
NOT_FLOATS += [np.array([]), np.zeros((2, 3)), Tensor(1.0, (2,)), Tensor([1.0], (1,)), Broken(), Shapeless()]


@pytest.mark.parametrize(
    "value",
    NOT_FLOATS,
    ids=named,
)
def test_anything_else_is_a_type_error_that_names_the_metric(value: Any) -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match="train/loss"):
            as_float("train/loss", value)


def test_an_array_of_several_numbers_is_told_to_be_reduced() -> None:
    with pytest.raises(TypeError, match=r"shape \(2, 3\); reduce it first"):
        as_float("k", np.zeros((2, 3)))


@pytest.mark.parametrize("value", [10**400, -(10**400), Big(10**400), np.array(10**400, dtype=object), Tensor(10**400)])
def test_an_int_beyond_float64_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="does not fit a float64"):
        as_float("k", value)


def test_numpy_scalars_become_plain_at_first_sight_and_struct_packs_what_they_mean() -> None:
    for kind in REALS:
        as_float("k", kind(3))
        assert kind in PLAIN_TYPES
        assert struct.pack(">d", kind(3)) == struct.pack(">d", 3.0)
    for value in (np.bool_(True), Tensor(1.0), Level.LOW, Celsius(1.0)):
        as_float("k", value)
        assert type(value) not in PLAIN_TYPES


STEPS: list[tuple[Any, int]] = [(0, 0), (-5, -5), (True, 1), (STEP_MAX, STEP_MAX), (STEP_MIN, STEP_MIN), (3.0, 3)]
STEPS += [(-(2.0**63), STEP_MIN), (np.int32(7), 7), (np.uint8(7), 7), (np.float32(7), 7), (np.array(7), 7)]
STEPS += [(np.array(7.0), 7), (Tensor(7), 7), (Tensor(7.0), 7), (Level.LOW, 3)]
STEPS += [(np.array([7]), 7), (np.array([[7.0]]), 7), (Tensor(7, (1,)), 7), (Numpy(np.int64(7)), 7)]
STEPS += [(Numpy(np.array([7])), 7)]


@pytest.mark.parametrize(
    "step, expected",
    STEPS,
    ids=named,
)
def test_a_whole_number_is_a_step(step: Any, expected: int) -> None:
    got = as_step(step)
    assert got == expected and struct.pack("q", got)


NOT_STEPS: list[Any] = [
    "1",
    b"1",
    0.5,
    math.nan,
    math.inf,
    1j,
    [1],
    np.float64(0.5),
    np.array([1, 2]),
    np.array([1.5]),
    np.ma.masked,
    Tensor("1"),
    Broken(),
]
NOT_STEPS += [Tensor(1, (2,)), object()]


@pytest.mark.parametrize(
    "step",
    NOT_STEPS,
    ids=named,
)
def test_what_is_no_whole_number_is_no_step(step: Any) -> None:
    with pytest.raises(TypeError, match="whole number"):
        as_step(step)


def test_a_missing_step_is_named() -> None:
    with pytest.raises(TypeError, match="a step is needed"):
        as_step(None)


@pytest.mark.parametrize("step", [STEP_MAX + 1, STEP_MIN - 1, 2.0**63, 1e300, np.uint64(1 << 63), 10**40])
def test_a_step_beyond_int64_is_a_value_error(step: Any) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        as_step(step)


@pytest.mark.parametrize("key", ["a", " ", "train/loss", "é" * 512, "x" * 1024, "\0", "🙂" * 256, np.str_("k")])
def test_a_text_of_up_to_a_kibibyte_is_a_key(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", [1, None, b"a", ("a",), ["a"], 1.5])
def test_what_is_no_text_is_no_key(key: object) -> None:
    with pytest.raises(TypeError, match="is a text"):
        check_key(key)


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513, "\ud800"])
def test_an_empty_long_or_broken_text_is_no_key(key: str) -> None:
    with pytest.raises(ValueError):
        check_key(key)
