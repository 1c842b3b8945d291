"""Nodes survive packing bit by bit, whatever their widths, and take few bytes; damaged ones are refused."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyhectiqlab.store.series import levels
from pyhectiqlab.store.sqlite_points.nodes import decode_nodes, decode_old_nodes, encode_nodes

from ..seeds import examples

INT64 = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-300, 300))
FLOATS = st.one_of(st.floats(), st.floats(width=32))


@st.composite
def any_nodes(draw: st.DrawFn) -> tuple[levels.Nodes, int]:
    """Return (nodes, log2 of the width of their cells). Their numbers are arbitrary, except at the edges of cells."""
    shift, n = draw(st.integers(0, 63)), draw(st.integers(1, 60))
    nodes = np.zeros(n, levels.NODE)
    for name in levels.NODE.names or ():
        whole = nodes.dtype[name] == np.int64
        regular = whole and draw(st.booleans())
        line = draw(INT64) + draw(st.integers(-5, 300)) * np.arange(n).astype(object)
        wrapped = [(int(number) + (1 << 63)) % (1 << 64) - (1 << 63) for number in line]
        drawn = arrays(nodes.dtype[name], n, elements=INT64 if whole else FLOATS)
        nodes[name] = wrapped if regular else draw(drawn)
    nodes["start"] = levels.cells(nodes["start"], shift)
    return nodes, shift


def bits(nodes: levels.Nodes) -> list[bytes]:
    return sorted(row.tobytes() for row in nodes)


@given(st.lists(any_nodes(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_any_nodes_survive_packing_alone_and_together(drawn: list[tuple[levels.Nodes, int]]) -> None:
    blobs = [encode_nodes(nodes, shift) for nodes, shift in drawn]
    for (nodes, _), blob in zip(drawn, blobs, strict=True):
        assert decode_nodes([blob]).tobytes() == nodes.tobytes()
    assert bits(decode_nodes(blobs)) == bits(np.concatenate([nodes for nodes, _ in drawn]))


def of_training(n: int, shift: int, float32: bool) -> levels.Nodes:
    step = np.arange(n)
    value = np.random.default_rng(0).normal(size=n)
    value = value.astype(np.float32).astype(np.float64) if float32 else value
    return levels.summarise(step, step, 20 * step, step // 50, value, shift)


@pytest.mark.parametrize(("float32", "reach"), [(True, 22.5), (False, 34.5)])
def test_nodes_of_a_steady_training_take_little_more_than_their_floats(float32: bool, reach: float) -> None:
    nodes = of_training(8192, 6, float32)
    assert len(encode_nodes(nodes, 6)) / len(nodes) < reach


def test_nodes_with_a_flipped_bit_are_refused() -> None:
    blob, random = encode_nodes(of_training(1000, 6, True), 6), Random(1)
    for _ in range(200):
        damaged = bytearray(blob)
        damaged[random.randrange(len(blob))] ^= 1 << random.randrange(8)
        with pytest.raises(ValueError, match="checksum"):
            decode_nodes([blob, bytes(damaged)])


def test_no_nodes_are_read_of_no_blobs() -> None:
    assert len(decode_nodes([])) == len(decode_old_nodes([])) == 0
