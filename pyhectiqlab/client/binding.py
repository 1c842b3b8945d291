"""Binding: for which run, at which lab, and how an outbox's events are kept."""

from __future__ import annotations

import time
from typing import Any

from ..base.lazyclass import dataclass
from ..capture.process import this_process
from ..spool import Writer


@dataclass(frozen=True)
class Binding:
    """What an outbox's events are for; see spool.Writer for the fields."""

    mode: str
    url: str
    profile: str
    attach: dict[str, Any]
    run: dict[str, Any] | None
    ends_run: bool
    cache: dict[str, Any] | None = None  # settings of the metrics cache
    lab_id: str = ""
    key_mark: str = ""

    def as_writer(self, writer: str, queue: str) -> Writer:
        """Return what the spool keeps of a writer of this process, whose queue is the file `queue`."""
        return Writer(
            writer=writer,
            queue=queue,
            owner=this_process(),
            mode=self.mode,
            url=self.url,
            profile=self.profile,
            attach=self.attach,
            run=self.run,
            ends_run=self.ends_run,
            created=time.time(),
            cache=[[0, self.cache]] if self.cache else [],
            lab_id=self.lab_id,
            key_mark=self.key_mark,
        )
