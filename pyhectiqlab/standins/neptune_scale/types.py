"""Types that Neptune Scale's calls take."""

from __future__ import annotations

from typing import Any


class File:
    """A file: its path, or its bytes."""

    def __init__(self, source: Any, mime_type: str | None = None, size: int | None = None) -> None:
        self.source, self.mime_type, self.size = source, mime_type, size


class Histogram:
    """Counts, or densities, between edges."""

    def __init__(self, bin_edges: Any, *, densities: Any = None, counts: Any = None) -> None:
        self.bin_edges, self.densities, self.counts = bin_edges, densities, counts
