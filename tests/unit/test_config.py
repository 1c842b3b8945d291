"""Config: a dictionary with dots; and the plain values that are stored of anything."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import math
import pickle
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab import Config
from pyhectiqlab.config import plain

from .ids import named


def test_it_is_used_by_dots_and_by_brackets() -> None:
    config = Config(hello="world", a=Config(path="./here", b=1))
    assert config.a.path == config["a"]["path"] == "./here"
    config.a.b = 2
    config["c"] = {"d": {"e": 1}}
    assert config.a["b"] == 2 and config.c.d.e == 1
    assert {**config.a} == {"path": "./here", "b": 2}
    del config.hello
    del config["c"]
    assert list(config) == ["a"] and len(config) == 1 and "a" in config and "hello" not in config


def test_it_is_called_with_as_a_dict() -> None:
    assert (lambda **kwargs: kwargs)(**Config(a=1, b=2)) == {"a": 1, "b": 2}


def test_its_dict_is_plain_all_the_way() -> None:
    found = Config(a=Config(b=Config(c=1)), d=[1]).dict
    assert found == {"a": {"b": {"c": 1}}, "d": [1]}
    assert type(found) is dict and type(found["a"]) is dict and type(found["a"]["b"]) is dict


@pytest.mark.parametrize("name", ["items", "keys", "dict", "values", "get", "_values", "self", "mapping"])
def test_any_name_may_be_a_parameter_by_brackets(name: str) -> None:
    config = Config()
    config[name] = 1
    assert config[name] == 1 and config.dict == {name: 1}


def test_a_name_that_it_lacks_is_told_with_the_nearest() -> None:
    config = Config(learning_rate=1)
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        _ = config.learning_rat
    with pytest.raises(KeyError, match="learning_rate"):
        _ = config["learnin_rate"]
    with pytest.raises(KeyError):
        del config["x"]
    with pytest.raises(AttributeError):
        del config.x
    assert config.get("x", 5) == 5 and getattr(config, "x", 6) == 6 and not hasattr(config, "x")


def test_names_are_texts() -> None:
    with pytest.raises(TypeError):
        Config()[1] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        Config({1: 2})  # type: ignore[dict-item]


def test_copies_are_copies() -> None:
    config = Config(a={"b": [1]})
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert other == config and type(other) is Config and type(other.a) is Config
        other.a.b.append(2)
        other.new = 1
        assert config.a.b == [1] and "new" not in config
    shallow = copy.copy(config)
    shallow.new = 1
    assert "new" not in config and shallow.a.b is config.a.b


def test_equal_to_what_holds_the_same() -> None:
    assert Config(a=1) == Config(a=1) == {"a": 1} and Config(a=1) != Config(a=2)


def test_its_text_says_what_it_holds() -> None:
    assert repr(Config(a=1, b=Config(c="x"))) == "Config(a=1, b=Config(c='x'))"


class Color(enum.Enum):
    RED = "r"


class Order(enum.IntEnum):
    FIRST = 1


@dataclasses.dataclass
class Model:
    layers: int
    path: Path


Pair = collections.namedtuple("Pair", "a b")
PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (np.bool_(True), True),
    (np.int64(3), 3),
    (np.float32(0.5), 0.5),
    (np.array(2), 2),
    ((1, 2), [1, 2]),
    (Pair(1, 2), [1, 2]),
    (frozenset([1]), [1]),
    ({1: 2, None: 3}, {"1": 2, "None": 3}),
    (Path("/a/b"), "/a/b"),
    (Model(2, Path("x")), {"layers": 2, "path": "x"}),
    (Config(a=Config(b=(1,))), {"a": {"b": [1]}}),
    (Order.FIRST, 1),
    ((1 << 64) - 1, (1 << 64) - 1),
    (1 << 64, str(1 << 64)),
    (-(1 << 63) - 1, str(-(1 << 63) - 1)),
    (math.inf, math.inf),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.defaultdict(int, {"a": 1}), {"a": 1}),
]


@pytest.mark.parametrize("value, expected", PLAIN, ids=lambda v: repr(v)[:30])
def test_what_is_stored_of_it(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("value", [Color.RED, object(), len, Model, np.zeros(3), 1j, b"bytes", print], ids=named)
def test_anything_else_is_stored_as_its_text(value: Any) -> None:
    assert plain(value) == str(value)


def test_what_contains_itself_ends_somewhere() -> None:
    loop: dict[str, Any] = {}
    loop["itself"] = loop
    assert msgpack.packb(plain(loop))
    chain: list[Any] = []
    chain.append(chain)
    assert msgpack.packb(plain(chain))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=anything)
def test_anything_becomes_what_msgpack_has_types_for_and_stays_it(value: Any) -> None:
    stored = plain(value)
    packed = msgpack.packb(stored, unicode_errors="surrogatepass")
    assert msgpack.unpackb(packed, strict_map_key=False, unicode_errors="surrogatepass") == stored == plain(stored)
