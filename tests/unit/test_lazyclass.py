"""Dataclasses that are made when the first of their objects is."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading

import pytest

from pyhectiqlab.base.lazyclass import asdict, dataclass, field, names_of, replace


@dataclass(frozen=True)
class Place:
    rank: int
    names: dict[str, int] = field(default_factory=dict)
    mode: str = "online"


@dataclass(frozen=True)
class Farther(Place):
    host: str = ""

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.rank}"


@dataclass(frozen=True)
class Unseen:
    first: int
    second: str = ""


@dataclass
class Contended:
    value: int
    seen: list[int] = field(default_factory=list)


def test_it_is_a_dataclass_once_there_is_an_object() -> None:
    one = Farther(3, host="a")  # its base is made with it
    assert (one.rank, one.names, one.mode, one.host, one.shown) == (3, {}, "online", "a", "a:3")
    assert one == Farther(3, {}, "online", "a") != Farther(4, host="a")
    assert repr(Place(1)) == "Place(rank=1, names={}, mode='online')"
    assert replace(one, rank=5) == Farther(5, host="a") and asdict(Place(1))["rank"] == 1
    assert Place(1).names is not Place(1).names
    assert [f.name for f in dataclasses.fields(one)] == ["rank", "names", "mode", "host"]
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.rank = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Place()  # type: ignore[call-arg]


def test_its_fields_are_known_before_there_is_an_object() -> None:
    assert names_of(Unseen) == ("first", "second") and Unseen(1).second == ""


def test_threads_that_make_the_first_object_at_once_make_one_class() -> None:
    made: list[Contended] = []
    gate = threading.Barrier(8)

    def make(i: int) -> None:
        gate.wait()
        made.append(Contended(i))

    threads = [threading.Thread(target=make, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.value for one in made) == list(range(8)) and all(one.seen == [] for one in made)


def test_importing_us_loads_neither_dataclasses_nor_what_they_need() -> None:
    heavy = ("dataclasses", "inspect", "numpy", "requests")
    code = f"import sys, pyhectiqlab; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
