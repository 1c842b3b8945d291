"""Media: figures, images, tables, histograms and texts by step: their kinds, their bounds, and how they are sent.

Histograms and texts are events (FORMAT.md, section 3). Figures, images, tables and long texts are artifacts of these
kinds. Their meta has the name that the page shows, as an artifact's own name can hold no `/`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ..base.lazyclass import dataclass
from .limits import KEY_BYTES_MAX, STEP_MAX, STEP_MIN

HISTOGRAM, TEXT = "histogram", "text"
FIGURE, IMAGE, TABLE = "figure", "image", "table"
EVENT_KINDS = frozenset({HISTOGRAM, TEXT})
FILE_KINDS = frozenset({FIGURE, IMAGE, TABLE, TEXT})
KINDS = (FIGURE, HISTOGRAM, IMAGE, TABLE, TEXT)

BINS_MAX = 512
TEXT_BYTES_MAX = 16 << 10  # of a text event, UTF-8; a longer text is a file
FILE_BYTES_MAX = 32 << 20  # of a figure, image, table or text
PIXEL_BYTES_MAX = 128 << 20  # of an image before it is packed
NO_STEP = STEP_MIN  # what the lab keeps for "without a step": it comes before all steps


@dataclass(frozen=True)
class Histogram:
    """How many values lie between which edges.

    Attributes:
        edges: float64[n + 1], finite, never falling; empty where there was no finite value.
        counts: float64[n], finite, not negative. A value belongs to the bin whose lower edge it reaches; the last bin
            has its upper edge too.
        nan, pinf, ninf: how many values were NaN, +Inf and −Inf.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    nan: int = 0
    pinf: int = 0
    ninf: int = 0

    def fields(self) -> dict[str, Any]:
        """Return the histogram as the fields of an event."""
        return {
            "edges": _packed(self.edges),
            "counts": _packed(self.counts),
            "nan": self.nan,
            "pinf": self.pinf,
            "ninf": self.ninf,
        }


def check_histogram(histogram: Histogram) -> None:
    """Raise ValueError, which says what is wrong, if it is not a histogram."""
    edges, counts = histogram.edges, histogram.counts
    if len(counts) > BINS_MAX:
        raise ValueError(f"a histogram has at most {BINS_MAX} bins, not {len(counts):,}")
    if len(edges) != (len(counts) + 1 if counts else 0):
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, not {len(edges)}")
    if not all(math.isfinite(x) for x in edges) or any(a > b for a, b in pairwise(edges)):
        raise ValueError("the edges of a histogram are finite numbers that never fall")
    if not all(math.isfinite(x) and x >= 0 for x in counts):
        raise ValueError("the counts of a histogram are finite numbers, 0 or more")


def histogram_of(fields: Mapping[str, Any]) -> Histogram | None:
    """Return the histogram of an event's fields; None where somebody sent something else."""
    edges, counts = fields.get("edges"), fields.get("counts")
    outside = [fields.get(name, 0) for name in ("nan", "pinf", "ninf")]
    if not isinstance(edges, bytes) or not isinstance(counts, bytes) or len(edges) % 8 or len(counts) % 8:
        return None
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= STEP_MAX for n in outside):
        return None
    histogram = Histogram(_unpacked(edges), _unpacked(counts), *outside)
    try:
        check_histogram(histogram)
    except ValueError:
        return None
    return histogram


def _packed(values: tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def _unpacked(column: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(column) // 8}d", column)


def text_of(fields: Mapping[str, Any]) -> str | None:
    text = fields.get("text")
    return text if isinstance(text, str) and len(text) <= TEXT_BYTES_MAX else None


def name_of(fields: Mapping[str, Any]) -> str | None:
    """Return the name under which something is shown; None where it has no valid one."""
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        return None
    return name if len(name.encode(errors="replace")) <= KEY_BYTES_MAX else None


def step_of(fields: Mapping[str, Any]) -> int | None:
    """Return the step as the lab keeps it, NO_STEP where there is none; None for what can be no step."""
    step = fields.get("step")
    if step is None:
        return NO_STEP
    if isinstance(step, bool) or not isinstance(step, int) or not NO_STEP < step <= STEP_MAX:
        return None
    return step


def file_name(name: str, ending: str) -> str:
    """Return the artifact's name for something shown as `name`: with its ending, and `/` as %2F, so that no two names
    become the same.
    """
    escaped = "".join(f"%{ord(c):02X}" if c in "%/\\" else c for c in name)
    return escaped if escaped.lower().endswith(ending) else escaped + ending
