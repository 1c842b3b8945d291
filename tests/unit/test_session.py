"""Sessions beside each other in one process: a Run of its own, and one that was pickled into it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, time
from pyhectiqlab.client import sessions
from pyhectiqlab.capture.process import this_process
from pyhectiqlab.client.binding import Binding
from pyhectiqlab.client.queue_outbox import QueueOutbox
from pyhectiqlab.client.session import Session
from pyhectiqlab.spool import SessionDir
from pyhectiqlab import settings

Session.look_after_uploader = lambda self: None  # nobody drains: only the files are looked at
mine = sessions.current()
other = SessionDir.create(settings.spool_dir(), this_process(), time.time())
joined = sessions.joined(other.path)
assert joined is not mine and sessions.joined(other.path) is joined
outbox = QueueOutbox(joined, Binding("offline", "", "", {"name": "r", "rank": 0}, None, False))
outbox.point("k", 1, 1.0)
tail = outbox._mapping.words[16]
if (pid := os.fork()) == 0:
    outbox.point("k", 2, 1.0)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert outbox._mapping.words[16] == tail, "the child wrote into its parent's ring"
print(len(list(other.writers())), len(list(mine.dir.writers())))
for writer in other.writers():
    os.unlink(writer.queue)
"""


def test_a_fork_disowns_the_queues_of_every_session(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 0\n", "")
