"""`status.json`: how far an uploader is. `hectiqlab status`, processes that wait, and the next uploader read it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from ..spool import write_json
from .stream import Stream
from .streams import Streams


class StatusFile:
    """Writes `status.json`. For the main thread."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._written: dict[str, Any] = {}

    def write(self, *, trouble: str, fails: int, files: dict[str, dict[str, Any]]) -> None:
        """Write the file if something changed. Raises nothing.

        Args:
            trouble: why not everything gets to the lab, in a line; "" where it does.
            fails: requests that failed, ever.
            files: progress by id.
        """
        status = {
            "pid": os.getpid(),
            "trouble": trouble,
            "fails": fails,
            "files": files,
            "writers": {s.id: self._of(s) for s in self._streams},
        }
        if status != self._written:
            with contextlib.suppress(OSError):
                write_json(self._streams.session.path / "status.json", status)
                self._written = status

    def _of(self, stream: Stream) -> dict[str, Any]:
        stream.look(time.time(), self._streams.status_before.get(stream.id, {}).get("behind_since"))
        return {
            "journaled": stream.journaled,
            "sent": stream.sent,
            "acked": stream.acked,
            "lost": dict(stream.lost),
            "stopped": stream.stopped,
            "queued_bytes": self._streams.queued_bytes(stream),
            "behind_since": stream.behind_since,
        }
