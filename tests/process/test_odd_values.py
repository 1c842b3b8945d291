"""Values that scripts pass without thinking of us: what is odd costs itself, is told, and takes nothing along."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from .conftest import Site
from .test_ends import unique

BEGIN = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
def refused(call, *words):
    try:
        call()
    except (TypeError, ValueError) as e:
        assert all(word in str(e) for word in words), e
        return type(e)
    raise AssertionError("not refused")
"""


def ran(site: Site, name: str, script: str) -> Any:
    done = site.run(BEGIN + script + "\nassert run.close(30), run.status()\n", name)
    assert done.returncode == 0, done.stderr
    return done


def detail(site: Site, name: str) -> Any:
    with site.client() as client:
        run = client.get(f"/runs/{site.find(name)['id']}")
        return {**run, "config": client.config(run["id"])}


def test_a_config_with_odd_parts_arrives_with_all_else_and_the_script_is_told(site: Site) -> None:
    name = unique("config")
    done = ran(
        site,
        name,
        """
import dataclasses
@dataclasses.dataclass
class Node:
    name: str
    parent: object = None
    children: list = dataclasses.field(default_factory=list)
root = Node("root")
root.children += [Node(f"child{i}", root) for i in range(3)]
class Odd:
    def __repr__(self):
        raise RuntimeError("not now")
run.add_config({"lr": 0.1, "tree": root, "odd": Odd(), "epochs": 3})
run.add_config(vars(root), prefix="bare")
""",
    )
    config = detail(site, name)["config"]
    assert (config["lr"], config["epochs"], config["odd"]) == (0.1, 3, "<unreadable: RuntimeError>")
    assert [child["name"] for child in config["tree"]["children"]] == ["child0", "child1", "child2"]
    assert config["bare"]["children"][0]["name"] == "child0"
    assert "'odd' cannot be read" in done.stderr and "'tree.children.[0].parent' contains itself" in done.stderr


def test_what_the_lab_would_refuse_or_cut_is_refused_at_the_call_and_takes_nothing_along(site: Site) -> None:
    name = unique("refused")
    ran(
        site,
        name,
        """
run.add_metrics("loss", 1.0, 0)
refused(lambda: run.add_meta("vocabulary", {f"word{i}": i for i in range(70_000)}), "70,000 entries")
refused(lambda: run.add_meta("list", list(range(300_000))), "300,000 items")
refused(lambda: run.add_meta("text", "x" * 5_000_000), "too large")
refused(lambda: run.add_config({"a": {f"d{i}": "x" * 1_000_000 for i in range(17)}}), "8 MiB")
refused(lambda: run.add_config({"files": list(range(60_000))}), "60,001 values")
refused(lambda: run.set_note("x" * 1_100_000), "65,536 characters")
refused(lambda: run.add_tag("t", description="x" * 5000), "4,096 characters")
refused(lambda: run.add_tag("t", color="#" + "f" * 50), "32 characters")
refused(lambda: run.add_tag("t" * 600), "512 bytes")
run.add_tag("t" * 512)
run.add_meta("small", [1])
run.add_metrics("loss", 1.0, 1)
""",
    )
    detail_of_run = detail(site, name)
    assert len(site.points(name, "loss")) == 2
    assert (detail_of_run["losses"], detail_of_run["meta"], detail_of_run["note"]) == ({}, {"small": [1]}, "")
    assert [tag["name"] for tag in detail_of_run["tags"]] == ["t" * 512]


def test_a_config_that_grows_beyond_its_bound_is_counted_as_lost_and_later_parts_are_kept(site: Site) -> None:
    name = unique("grows")
    ran(
        site,
        name,
        """
for i in range(6):
    run.add_config({f"part{i}": {f"v{j}": "x" * 1000 for j in range(3900)}})
run.add_config({"lr": 0.1})
""",
    )
    detail_of_run = detail(site, name)
    assert detail_of_run["config"]["lr"] == 0.1 and len(detail_of_run["config"]["part0"]) == 3900
    assert sum(len(part) for part in detail_of_run["config"].values() if isinstance(part, dict)) < 6 * 3900
    assert detail_of_run["losses"]["config_full"] > 0


def test_one_bad_value_of_a_dict_is_named_and_the_others_are_logged(site: Site) -> None:
    name = unique("dict")
    ran(
        site,
        name,
        """
class Odd:
    shape = ()
    def item(self):
        raise RuntimeError("no data")
assert refused(lambda: run.add_metrics({"a": 1, "b": "text", "c": 2.0}, step=0), "1 of 3", "'b'", "str") is TypeError
assert refused(lambda: run.add_metrics({"a": 1, "big": 10**400}, step=1), "'big'") is ValueError
assert refused(lambda: run.add_metrics({"a": 1, "odd": Odd()}, 2), "'odd'", "no data") is TypeError
assert refused(lambda: run.add_metrics({"a": 1, 5: 2.0, "": 3.0}, 3), "2 of 3", "not 5", "is empty") is TypeError
assert refused(lambda: run.add_metrics({"b": None}, 4), "'b'") is TypeError
assert refused(lambda: run.add_metrics({"a": 1}, "x"), "whole number") is TypeError
""",
    )
    assert [s for s, _, _ in site.points(name, "a")] == [0, 1, 2, 3]
    assert [s for s, _, _ in site.points(name, "c")] == [0]


def test_without_a_step_each_key_counts_its_own_calls(site: Site) -> None:
    name = unique("count")
    ran(
        site,
        name,
        """
import os
for i in range(3):
    run.add_metrics("loss", 1.0 / (i + 1))
run.add_metrics({"loss": 0.1, "accuracy": 0.5})
run.add_metrics("explicit", 1.0, 7)
again = Run(sys.argv[1])  # the same run, as a notebook's cell that is run again has it
again.add_metrics("loss", 0.05)
again.add_metrics({"accuracy": 0.6})
refused(lambda: run.add_metrics("loss", "text"))
pid = os.fork()
if not pid:
    run.add_metrics("loss", 0.01)
    os._exit(0)
os.waitpid(pid, 0)
""",
    )
    assert sorted(s for s, _, _ in site.points(name, "loss")) == [0, 1, 2, 3, 4, 5]
    assert [s for s, _, _ in site.points(name, "accuracy")] == [0, 1]


@pytest.mark.parametrize("package", ["ml_dtypes", "tensorflow"])
def test_values_of_other_packages(site: Site, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    name = unique("others")
    ran(site, name, OTHERS[package])
    assert [(s, v) for s, v, _ in site.points(name, "loss")] == [(0, 1.5), (1, 1.5), (3, 1.5)]


OTHERS = {
    "ml_dtypes": """
import numpy as np, ml_dtypes
one = np.array(1.5, dtype=ml_dtypes.bfloat16)
run.add_metrics("loss", one, 0)
run.add_metrics({"loss": one[()]}, np.array([1], dtype=ml_dtypes.int4))
run.add_metrics("loss", one.reshape(1, 1), 3)
for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4):
    run.add_histogram(np.ones(8, dtype=kind), "weights", 0)
    run.add_image(np.ones((4, 4), dtype=kind), "picture", 0)
run.add_config({"eps": one})
""",
    "tensorflow": """
import tensorflow as tf
run.add_metrics("loss", tf.constant(1.5), 0)
run.add_metrics({"loss": tf.Variable([1.5])}, tf.constant([1]))
run.add_metrics("loss", 1.5, tf.Variable(3, dtype=tf.int64))
refused(lambda: run.add_metrics("loss", tf.constant([1.0, 2.0]), 4), "shape (2,)")
refused(lambda: run.add_metrics("loss", tf.constant("text"), 4))
run.add_config({"eps": tf.constant(0.5)})
""",
}
