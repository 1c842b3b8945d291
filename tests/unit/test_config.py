"""Config: a dictionary with dots; and the plain values that are stored of anything."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab import Config
from pyhectiqlab.capture.plain import config_parts, gaps_text, plain_and_gaps
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
    plain_dict = Config(a=Config(b=Config(c=1)), d=[1]).dict
    assert plain_dict == {"a": {"b": {"c": 1}}, "d": [1]}
    assert type(plain_dict) is dict and type(plain_dict["a"]) is dict and type(plain_dict["a"]["b"]) is dict


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
    stored = plain(value)
    assert stored == expected and type(stored) is type(expected)


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


@dataclasses.dataclass
class Node:
    name: str
    parent: Any = None
    others: list[Any] = dataclasses.field(default_factory=list)


def family(size: int) -> list[Node]:
    """Make configs that all know each other: a walk along every way through them would not end in this life."""
    nodes = [Node(f"n{i}") for i in range(size)]
    for node in nodes:
        node.others += nodes
    return nodes


def test_a_tree_whose_children_know_their_parents_ends_and_what_is_left_out_is_told() -> None:
    root = Node("root")
    root.others += [Node(f"child{i}", root) for i in range(3)]
    values, gaps = plain_and_gaps({"lr": 0.1, "tree": root})
    assert values["lr"] == 0.1
    assert [child["name"] for child in values["tree"]["others"]] == ["child0", "child1", "child2"]
    assert values["tree"]["others"][0]["parent"] == "<Node that contains itself>"
    assert gaps[0] == ("tree.others.[0].parent", "contains itself") and len(gaps) == 3
    assert gaps_text(gaps) == "'tree.others.[0].parent' contains itself (and 2 more)"


@pytest.mark.parametrize("make", [lambda: family(12), lambda: [family(30)], lambda: sharing(200)])
def test_what_refers_to_itself_in_every_way_is_bounded(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhectiqlab.capture.plain.NODES_MAX", 20_000)
    values, gaps = plain_and_gaps(make())
    assert len(msgpack.packb(values)) < 4_000_000
    assert any("values are the most" in what for _, what in gaps)


def sharing(depth: int) -> Any:
    """Make 2 ** depth ways through `depth` lists, none of which contains itself."""
    made: Any = [1]
    for _ in range(depth):
        made = [made, made]
    return made


def test_the_same_part_at_two_places_is_stored_at_both() -> None:
    shared = {"a": 1}
    assert plain_and_gaps({"x": shared, "y": [shared, shared]}) == (
        {"x": {"a": 1}, "y": [{"a": 1}, {"a": 1}]},
        [],
    )


class Odd:
    """Whatever is asked of it raises."""

    def __init__(self, *raising: str) -> None:
        self._raising = raising

    def keys(self) -> Any:
        if "keys" in self._raising:
            raise RuntimeError("no keys")
        return ["good", "bad", "last"]

    def __getitem__(self, key: str) -> Any:
        if key == "bad" and "item" in self._raising:
            raise RuntimeError("no item")
        return key


class Unprintable:
    def __str__(self) -> str:
        raise RecursionError("no text")

    __repr__ = __str__


class Unended(list[int]):
    def __iter__(self) -> Any:
        yield 1
        raise OSError("no more")


@dataclasses.dataclass
class Lazy:
    lr: float = 0.1

    def __getattribute__(self, name: str) -> Any:
        if name == "lr":
            raise RuntimeError("not yet")
        return super().__getattribute__(name)


UNREADABLE: list[tuple[Any, Any]] = [
    (Odd("keys"), "<unreadable: RuntimeError>"),
    (Odd("item"), {"good": "good", "bad": "<unreadable: RuntimeError>", "last": "last"}),
    (Unprintable(), "<unreadable: RecursionError>"),
    (Unended(), [1]),
    (Lazy(), {"lr": "<unreadable: RuntimeError>"}),
    ({Unprintable(): 1, "b": 2}, {"b": 2}),
    ({1: "a", "1": "b"}, {"1": "b"}),
]


@pytest.mark.parametrize("value, stored", UNREADABLE, ids=lambda v: type(v).__name__)
def test_what_cannot_be_read_costs_itself_alone_and_is_told(value: Any, stored: Any) -> None:
    values, gaps = plain_and_gaps({"lr": 0.1, "odd": value, "epochs": 3})
    assert values == {"lr": 0.1, "odd": stored, "epochs": 3}
    assert len(gaps) == 1 and gaps[0][0].startswith("odd")


def test_an_int_that_python_refuses_to_write_is_stored_in_hex() -> None:
    assert plain(1 << 100_000) == hex(1 << 100_000)


def test_a_config_that_contains_itself_is_refused_where_none_can_be_made_and_shown_where_it_can() -> None:
    loop: dict[str, Any] = {"a": 1}
    loop["itself"] = loop
    with pytest.raises(ValueError, match="'itself' contains itself"):
        Config.from_dict(loop)
    config = Config(a=1)
    config.itself = config
    with pytest.raises(ValueError, match="contains itself"):
        _ = config.dict
    assert plain(config) == {"a": 1, "itself": "<Config that contains itself>"}
    assert repr(config) == "Config(a=1, itself=...)"


def test_a_config_of_more_than_a_run_may_have_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 50,000 values and 8 MiB in all"):
        config_parts({str(i): "x" * 1_000_000 for i in range(17)})
    with pytest.raises(ValueError, match="60,001 values"):
        config_parts({"many": list(range(60_000))})


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
