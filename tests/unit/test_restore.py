"""From the quarantine back into the spool: the same events with their numbers, or as a writer of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab import settings
from pyhectiqlab.capture.process import Process, this_process
from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.journal import Journal
from pyhectiqlab.protocol import records
from pyhectiqlab.spool import SessionDir, Writer
from pyhectiqlab.uploader import encode, quarantine, recover, restore
from pyhectiqlab.uploader.lease import Lease
from pyhectiqlab.uploader.stream import Batch, Stream

ATTACHED = {"run": {"id": "r1"}, "attempt": 1}


def made(home: Path, **fields: Any) -> tuple[SessionDir, Stream]:
    me = this_process()
    owner = Process(me.pid, me.start - 1, me.host, me.boot_id, me.pid_ns)
    session = SessionDir.create(home / "spool", owner, time.time())
    plain = {"mode": "online", "url": "http://lab", "profile": "p", "attach": {"name": "r"}, "run": ATTACHED}
    plain |= {"ends_run": True, "created": 0.0, "queue": str(session.path / "none.q"), "done": True}
    info = Writer(writer=f"{1:032x}", owner=owner, **(plain | fields))
    session.save_writer(info)
    return session, Stream(info)


def points(*steps: int) -> bytes:
    return b"".join(records.point_full("loss", step, float(step), 1.0) for step in steps)


def put_back(home: Path, session: SessionDir) -> list[tuple[Writer, Stream]]:
    """Return what an uploader finds after it."""
    (aside,) = quarantine.contents(home)
    restore.restore(settings.spool_dir(), aside)
    known = recover.read_journal(Journal(session.path / "journal"), lambda line: None)
    return [
        (info, recover.open_stream(session, info, known.get(info.writer), lambda line: None))
        for info in session.writers()
        if not info.done
    ]


def steps(stream: Stream, after: int = 0) -> list[int]:
    steps_left: list[int] = []
    for batch in stream.pending:
        for series in encode.encoded(stream, batch, max(after, stream.acked)).wire["series"]:
            steps_left += memoryview(series["step"]).cast("q").tolist()
    return steps_left


def test_events_of_a_deleted_run_keep_their_numbers_and_wait_behind_what_the_lab_has(home: Path) -> None:
    session, stream = made(home)
    for first in (11, 14):
        batch = Batch(first, first + 2, 0, data=points(first, first + 1, first + 2))
        quarantine.keep(session, stream, batch, "deleted")
    (aside,) = quarantine.contents(home)
    assert (aside.events, aside.reasons, list(aside.runs)) == (6, {"deleted": 6}, ["r"])
    ((info, back),) = put_back(home, session)
    assert (info.writer, info.drained, back.acked, back.journaled) == (stream.id, True, 10, 16)
    assert steps(back) == [11, 12, 13, 14, 15, 16] and not back.lost
    assert quarantine.contents(home) == [] and not aside.path.exists()


def test_parts_of_a_batch_that_was_being_split_come_back_once(home: Path) -> None:
    session, stream = made(home)
    for first, last in ((3, 4), (5, 6)):
        part = Batch(first, last, 0, data=points(1, 2, 3, 4, 5, 6), frame=(1, 6))
        quarantine.keep(session, stream, part, "deleted")
    ((_, back),) = put_back(home, session)
    assert back.acked == 2 and steps(back) == [3, 4, 5, 6]


def test_what_the_lab_refused_comes_as_a_writer_of_its_own_without_its_neighbours(home: Path) -> None:
    """The lab has a loss in the place of 3 and 4, and the others."""
    session, stream = made(home)
    part = Batch(3, 4, 0, data=points(1, 2, 3, 4, 5, 6), frame=(1, 6))
    quarantine.keep(session, stream, part, "rejected")
    ((info, back),) = put_back(home, session)
    assert info.writer != stream.id and not info.ends_run
    assert (back.acked, back.journaled, steps(back)) == (0, 2, [3, 4])
    quarantine.keep(session, stream, part, "rejected")  # as if the restore had been cut off before its end
    assert [w.writer for w, _ in put_back(home, session)] == [info.writer], "not as yet another one"


def test_who_still_works_on_a_session_is_not_disturbed(home: Path) -> None:
    session, stream = made(home)
    quarantine.keep(session, stream, Batch(1, 1, 0, data=points(1)), "deleted")
    lease = Lease(session.path)
    assert lease.acquire()
    (aside,) = quarantine.contents(home)
    with pytest.raises(ConfigurationError, match="at work"):
        restore.restore(settings.spool_dir(), aside)
    lease.release()
    assert restore.restore(settings.spool_dir(), aside) == (1, 0)


def test_what_belongs_to_nobody_known_stays_where_it_is(home: Path) -> None:
    import msgpack

    folder = home / "quarantine" / "gone"
    folder.mkdir(parents=True)
    kept = {"writer": "0" * 32, "run": None, "url": "", "reason": "denied", "table": b"", "records": points(1)}
    (folder / f"{0:032x}-1-1.msgpack").write_bytes(msgpack.packb(kept))
    (folder / f"{0:032x}-2-2.msgpack").write_bytes(b"no msgpack")
    (aside,) = quarantine.contents(home)
    assert aside.events == 1
    with pytest.raises(ConfigurationError, match="cannot be restored"):
        restore.restore(settings.spool_dir(), aside)
    assert SessionDir.all(settings.spool_dir()) == [] and len(list(folder.iterdir())) == 2
