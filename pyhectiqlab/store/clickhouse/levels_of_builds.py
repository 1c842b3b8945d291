"""Which levels of nodes a series has in a build. Whoever makes them and whoever reads them computes it alike."""

from __future__ import annotations

from dataclasses import dataclass

from ..series.grid import SHIFT_MAX, Window, shift_for
from .statements import LEVEL_SHIFT, TOP_NODES


@dataclass(frozen=True)
class Sizes:
    """Bounds of the tidying. The defaults are for real data; tests take tiny ones."""

    window_points: int = 1 << 17  # a window of so many points, of all series, becomes a build,
    window_s: float = 600.0  # or one this old
    node_points: int = 128  # about so many points are a node of the finest level
    nodes_from: int = 4096  # a series of fewer points in a build has no nodes: its points are read as fast
    fan_in: int = 4  # so many builds of about the same size become one
    merged_points_max: int = 1 << 27  # larger builds stay
    grace_s: float = 120.0  # what no longer counts is kept so long for queries that still read it; none takes longer
    settle_s: float = 2.0  # age of an insert's note from which on others ask whether its process died


def finest(points: int, ends: Window, sizes: Sizes) -> int:
    """Return log2 of the width of the finest nodes of so many points between these ends."""
    return shift_for(*ends, max(1, points // sizes.node_points))


def count_of(shift: int, ends: Window) -> int:
    """Return how many levels there are, of which the finest has nodes of 2^shift."""
    levels = 1
    while (ends[1] >> shift) - (ends[0] >> shift) >= TOP_NODES and shift + LEVEL_SHIFT <= SHIFT_MAX:
        shift += LEVEL_SHIFT
        levels += 1
    return levels


def level_for(shift: int, ends: Window, wanted: int) -> int:
    """Return the coarsest level that is no coarser than 2^wanted. There is one: shift ≤ wanted."""
    return min(count_of(shift, ends) - 1, (wanted - shift) // LEVEL_SHIFT)
