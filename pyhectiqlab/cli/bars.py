"""Progress of files in a terminal: a bar for the one under way and a bar for all."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..spool import FileRequest


class FileBars:
    """Bars on stderr. Use as a context manager; `shown=False` shows none, which is right where nobody looks."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._sizes: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._one: Any = None
        self._all: Any = None
        self._id = ""

    def __enter__(self) -> FileBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in (self._one, self._all):
            if bar is not None:
                bar.close()

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        if self._all is None:
            click.echo(line, err=True)
        else:
            self._all.write(line)

    def update(self, request: FileRequest, sent: int) -> None:
        """`sent` bytes of the file are at the lab. 0 announces it: it counts in the bar for all."""
        self._sizes[request.id], self._sent[request.id] = request.size, sent
        if not self._shown or not sent:
            return
        from tqdm import tqdm

        style: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1000, "leave": False}
        if self._all is None:
            self._all = tqdm(desc="all files", total=0, position=1, **style)
        if request.id != self._id:
            if self._one is not None:
                self._one.close()
            self._one = tqdm(desc=request.name[:40], total=request.size, position=0, **style)
            self._id = request.id
        self._all.total = sum(self._sizes.values())
        for bar, n in ((self._one, sent), (self._all, sum(self._sent.values()))):
            bar.n = n
            bar.update(0)  # redraws, but not more often than the eye can follow
