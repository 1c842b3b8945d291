"""Files whose points, events and media become one run, which goes on when the files grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .incoming import Event, NewFile
from .points import Point, Problems

Item = Point | Event | NewFile


@dataclass(frozen=True)
class Part:
    """A file of a source. Its points and events are a stream of their own.

    Attributes:
        head: 32 hex digits of its beginning, which stay the same while it grows.
        size: how many of its bytes are read.
        digest: returns the digest of its first so many bytes. Blocks on the disk, raises OSError.
        read: yields what is in it in order of arrival, each time the same, and reports what it cannot read. Blocks on
            the disk. Raises OSError.
    """

    name: str
    head: str
    size: int
    digest: Callable[[int], str] = field(compare=False)
    read: Callable[[Problems], Iterator[Item]] = field(compare=False)


@dataclass(frozen=True)
class Source:
    """What becomes one run.

    Attributes:
        name: name for the run.
        digest: 32 hex digits of its content: the same content has the same digest.
        parts: its files, at least one, in the order in which they are read.
    """

    name: str
    digest: str
    parts: tuple[Part, ...]

    @property
    def head(self) -> str:
        """32 hex digits that stay the same while its files grow, and while more files follow."""
        return self.parts[0].head

    def read(self, problems: Problems) -> Iterator[Item]:
        """Yield what is in all parts."""
        for part in self.parts:
            yield from part.read(problems)
