"""Read back figures, images, tables, histograms and texts of a run, by name and step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..capture import tables
from ..protocol import media as protocol
from ..transport.http import LabClient, quoted
from .artifacts import Artifact, artifact_of
from .shapes import ReadsRun, from_item, shaped

if TYPE_CHECKING:
    import pandas

_AT_ONCE = 1000


@dataclass(frozen=True)
class MediaInfo:
    """What a run shows of one kind under one name.

    Attributes:
        kind: "figure", "histogram", "image", "table" or "text".
        step_min: the smallest step. None if nothing has a step.
        step_max: the largest step. None if nothing has a step.
    """

    kind: str
    name: str
    count: int
    step_min: int | None
    step_max: int | None
    ranks: list[int]


class Histogram(NamedTuple):
    """Counts of values: `counts[i]` lie between `edges[i]` and `edges[i + 1]`.

    Both are empty if no value was finite. `nan`, `pinf` and `ninf` count what is in no bin.
    """

    step: int | None
    rank: int
    edges: list[float]
    counts: list[float]
    nan: int
    pinf: int
    ninf: int


class Text(NamedTuple):
    """A text by name, step and rank."""

    step: int | None
    rank: int
    text: str


@dataclass(frozen=True)
class Table:
    """A table. Its cells have the types that they had when they were logged."""

    step: int | None
    rank: int
    columns: list[str]
    rows: list[list[Any]] = field(repr=False)

    def to_pandas(self) -> pandas.DataFrame:
        """Return it as a DataFrame. Raises ConfigurationError if pandas is not installed."""
        from .frames import load_pandas

        frame: pandas.DataFrame = load_pandas().DataFrame(self.rows, columns=self.columns)
        return frame


class ReadsMedia(ReadsRun):
    """Mixed into RunView. All methods block on the network. Items are sorted by step, those without one first, then by
    rank.

    Their arguments: `rank`, only of this one; `lo`, `hi`, only steps from lo to hi, both included; `steps`, at most so
    many different ones (16 to 1,000), spread over the range.
    """

    def media(self, kind: str | None = None) -> list[MediaInfo]:
        """Return the names under which this run has media."""
        with self._asking() as lab:
            asked = {"kind": kind, "limit": _AT_ONCE}
            items = lab.pages(f"/runs/{quoted(self.id)}/media", asked)
            return [shaped(lab, from_item, MediaInfo, item) for item in items]

    def histograms(self, name: str, **which: int | None) -> list[Histogram]:
        """Return the histograms of a name. Keyword arguments as for `images`."""
        return [
            shaped(lab, lambda item: from_item(Histogram, {**item, **item["histogram"]}), item)
            for lab, item in self._items(protocol.HISTOGRAM, name, which)
        ]

    def texts(self, name: str, **which: int | None) -> list[Text]:
        """Return the texts of a name; long ones are downloaded. Keyword arguments as for `images`."""
        texts = []
        for lab, item in self._items(protocol.TEXT, name, which):
            artifact = shaped(lab, self._artifact, item)
            text = item["text"] if artifact is None else _content(artifact).decode("utf-8", "replace")
            texts.append(Text(item["step"], item["rank"], text))
        return texts

    def tables(self, name: str, **which: int | None) -> list[Table]:
        """Download the tables of a name. Each has `to_pandas()`. Keyword arguments as for `images`."""
        read = []
        for lab, item in self._items(protocol.TABLE, name, which):
            artifact = shaped(lab, self._artifact, item)
            if artifact is not None:
                columns, rows = shaped(lab, tables.unpacked, _content(artifact))
                read.append(Table(item["step"], item["rank"], columns, rows))
        return read

    def images(self, name: str, **which: int | None) -> list[Artifact]:
        """Return the images of a name, each with `step` and `download(path)`.

        Ordered by step, those without a step first, then by rank. Blocks on the network.

        Args:
            name: the name they were logged under.
            which: `rank`: only of this rank. `lo`, `hi`: only steps from lo to hi, both included. `steps`: at most so
                many different steps (16 to 1,000), spread over the range.
        """
        return self._files(protocol.IMAGE, name, which)

    def figures(self, name: str, **which: int | None) -> list[Artifact]:
        """Return the figures of a name, as `images`: PNG files, or the JSON that `plotly.io.read_json` reads."""
        return self._files(protocol.FIGURE, name, which)

    def _files(self, kind: str, name: str, which: dict[str, int | None]) -> list[Artifact]:
        artifacts = [shaped(lab, self._artifact, item) for lab, item in self._items(kind, name, which)]
        return [artifact for artifact in artifacts if artifact is not None]

    def _artifact(self, item: dict[str, Any]) -> Artifact | None:
        return None if item["artifact"] is None else artifact_of(item["artifact"], self.profile)

    def _items(self, kind: str, name: str, which: dict[str, int | None]) -> Iterator[tuple[LabClient, dict[str, Any]]]:
        unknown = sorted(set(which) - {"rank", "lo", "hi", "steps"})
        if unknown:
            raise TypeError(f"{', '.join(unknown)}: the arguments are rank, lo, hi and steps")
        with self._asking() as lab:
            asked = {"kind": kind, "name": name, "limit": _AT_ONCE, **which}
            for item in lab.pages(f"/runs/{quoted(self.id)}/media/items", asked):
                yield lab, item


def _content(artifact: Artifact) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return artifact.download(folder).read_bytes()
