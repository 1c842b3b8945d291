"""A sick lab: what the harness does to a living one from inside, asked for by words in a mapped file.

The lab's own code runs as it is. SQLite itself fails: its machine is interrupted in the middle of a statement, at which
it rolls back the transaction by itself, or lab.db may not grow. Threads raise at the beginning of a turn.
"""

from __future__ import annotations

import itertools
import mmap
import os
import time
from pathlib import Path
from typing import Any

VARIABLE = "HECTIQLAB_TEST_SICK"
# INTERRUPT: at which look from now a statement is interrupted, 0: none. FULL: lab.db may not grow. RAISE: turns of
# threads do. STRUCK: how often something failed so.
INTERRUPT, FULL, RAISE, STRUCK = range(4)
STEPS_A_LOOK = 25  # of SQLite's machine
GATHER_S = 0.03  # while statements are interrupted, so that a failing one has others in its group
PAGES_MAX = 0x3FFFFFFF
ERRORS = [OSError(5, "Input/output error"), KeyError("run"), SystemExit(1), MemoryError(), RecursionError()]


class Words:
    """The mapped file. `words` may be indexed by the constants above."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(8 * 8))
        fd = os.open(path, os.O_RDWR)
        try:
            self._memory = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        self.words = memoryview(self._memory).cast("q")


def enter(path: Path) -> None:
    """Set up the faults in the lab's process, before the lab is made."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from pyhectiqlab.base.loops import Loop
    from pyhectiqlab.store.sql import engine_sqlite

    words = Words(path).words
    connected, begin, run = engine_sqlite._writing_connection, engine_sqlite._begin_immediate, Loop.__init__
    errors = itertools.cycle(ERRORS)
    full = [0]

    def look() -> int:
        if words[INTERRUPT] > 0:
            words[INTERRUPT] -= 1
            return int(words[INTERRUPT] == 0)
        return 0

    def connected_sick(connection: Any, record: Any) -> None:
        connected(connection, record)
        connection.set_progress_handler(look, STEPS_A_LOOK)

    def begin_sick(conn: Any) -> None:
        if words[FULL] != full[0]:
            full[0] = words[FULL]
            database = conn.connection.dbapi_connection
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages if full[0] else PAGES_MAX}").fetchone()
        if words[INTERRUPT]:
            time.sleep(GATHER_S)
        begin(conn)

    def made_sick(loop: Any, name: str, turn: Any, *tell: Any) -> None:
        def turn_sick() -> Any:
            if words[RAISE]:
                words[STRUCK] += 1
                raise next(errors)
            return turn()

        run(loop, name, turn_sick, *tell)

    def failed(context: Any) -> None:
        words[STRUCK] += 1

    event.listen(Engine, "handle_error", failed)
    engine_sqlite._writing_connection, engine_sqlite._begin_immediate = connected_sick, begin_sick
    Loop.__init__ = made_sick  # type: ignore[method-assign]
