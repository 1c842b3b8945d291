"""Crash points: named places between an accepted event and the lab's ack at which a test kills the process that passes.

`HECTIQLAB_CRASH_AT=NAME:N:FILE` arms one: the process that passes NAME for the Nth time since its start makes FILE and
dies by SIGKILL, as if it had been killed from outside at that place. Once FILE exists, no process dies any more, so
that a test can watch the one that takes over. Without the variable, `passing` is an empty function. No call of `Run`
passes any of these places: the uploader does, at most a few times a batch, and the lab, and imports.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

POINTS = {
    # The uploader, from the queue to the journal.
    "recover.read": "what an earlier uploader left was read, nothing was done yet",
    "drain.taken": "events were copied out of the queue, and are nowhere else",
    "journal.opened": "a new segment is an empty file",
    "drain.appended": "the batch is in the journal, the queue's header does not say so",
    "drain.counted": "the header's cursor counts the batch as journaled, the queue's head was not moved",
    "drain.advanced": "the head was moved, the stream's other numbers were not told to the producer",
    "journal.synced": "the journal was fsynced",
    "drain.direct": "no disk: the lab has the batch, the header says so, the head was not moved",
    # From the journal to the lab.
    "send.attached": "the lab made the run, its answer is not in the spool",
    "send.posting": "a request is ready, nothing was sent",
    "send.answered": "the lab's answer came, no cursor was moved",
    "send.settled": "the cursors were moved in memory only",
    "drain.acked": "the ack is in the journal",
    "journal.released": "an acked segment was removed, others are still to be",
    "end.told": "the lab knows how the run ended, the session does not know that it does",
    # Putting a writer away.
    "finish.synced": "all is in the journal and synced, the queue is still there",
    "finish.unlinked": "the queue is gone, its spill file is not, the writer is not marked done",
    # Files.
    "files.hashed": "the digest was computed, not noted",
    "files.opened": "the digest was noted, nothing was sent",
    "files.sent": "all bytes are at the lab, which does not know whose they are",
    "files.registered": "the lab has the file, the request is still in the spool",
    "files.done": "the request is marked done, its snapshot is still there",
    # Imports.
    "import.sent": "the lab has some points and events of an import, the rest was not sent",
    "import.stored": "the lab has a file of an import, other files were not sent",
    # The lab.
    "lab.planned": "a group of requests was decided, nothing of it is stored",
    "lab.points": "the points are committed, the events and cursors are not",
    "lab.deferred": "batches of points alone are committed, lab.db is told later, nobody was answered",
    "lab.catching_up": "lab.db is told of points that were answered, which is not committed",
    "lab.committed": "all is committed, nobody was answered",
    "lab.blob_placing": "a blob's row is there, its bytes have no name yet",
    "lab.blob_placed": "a blob has its name, nobody was answered",
    # Points in ClickHouse.
    "points.noted": "what is about to be inserted is noted, the insert was not sent",
    "points.inserted": "the insert is there, no cursor was moved",
    "points.settled": "cursors were moved, not committed",
    "points.built": "a build is whole, it does not count yet",
    "points.merged": "builds were merged into one, which does not count yet",
    "points.purged": "points of a deleted run are gone, their series are not",
    "s3.part_sent": "a part of an upload is in the bucket, nobody was answered",
    "s3.placing": "a blob's row is there, its bytes are parts in the bucket",
    "s3.placed": "a blob is in the bucket under its name, nobody was answered",
    "s3.joining": "the bucket is about to join the parts of an upload, its blob is not there",
    # Moving a lab.
    "move.files": "files are in the other place, no rows are",
    "move.rows": "rows were copied, not committed",
    "move.points": "points of some runs are in the other place, others still are to be",
    "move.compared": "all was compared, the other place is not marked as whole",
    # The lab's own upkeep.
    "upkeep.snapshot": "the databases were copied before an upgrade, the snapshot is not whole",
    "upkeep.going_back": "lab.db is that of before an upgrade, points.db is not",
    "upkeep.migrated": "one step of a migration is done, nothing of it is committed",
    "upkeep.flushing": "recent points were written as chunks, not committed",
    "upkeep.removing": "batches whose points are in chunks were removed, not committed",
    "upkeep.dropping": "recent points of a deleted run are marked as purged, not committed",
    "upkeep.rewriting": "a chunk of an earlier version was written anew, not committed",
    "upkeep.compacting": "a head was laid into chunks, not committed",
    "upkeep.purging": "a step of a deleted run's purge is done, not committed",
    "upkeep.run_dropped": "the points of a deleted run are going, its row is there",
    "upkeep.purged_rows": "a step of a deleted run's rows was removed, not committed",
    "upkeep.deleted_with_project": "rows of some runs say that they are deleted with their project, not committed",
    "upkeep.restored_with_project": "rows of some runs say that they are restored with their project, not committed",
    "fork.sent": "a page of a fork's points is committed, how far its parent was read is not noted",
    "upkeep.giving_back": "free pages of lab.db are given back, not committed",
    "upkeep.shrinking": "a database is written anew, not committed",
    "upkeep.part_stored": "a part of a database is in a snapshot, others still are to be",
    "upkeep.retained": "what a rule of retention ends was removed and noted, not committed",
    "upkeep.blob_deleted": "the bytes of a blob that nothing refers to are gone, its row is there",
}


def _nothing(name: str) -> None:
    return None


def armed(wish: str) -> Callable[[str], None]:
    """Return the function `passing` for this value of HECTIQLAB_CRASH_AT. Raises ValueError where it is not
    NAME:N:FILE.
    """
    name, number, marker = wish.split(":", 2)
    if name not in POINTS:
        raise ValueError(f"HECTIQLAB_CRASH_AT: there is no crash point {name!r}: {', '.join(POINTS)}")
    passed = itertools.count(1)
    nth = int(number)

    def passing(here: str) -> None:
        if here != name or next(passed) != nth:
            return
        try:
            os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return passing


passing: Callable[[str], None] = armed(_wish) if (_wish := os.environ.get("HECTIQLAB_CRASH_AT")) else _nothing
