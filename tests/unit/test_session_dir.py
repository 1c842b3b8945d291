"""The folder of a session, where it cannot be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import errno, resource, signal, sys, time
from pathlib import Path
from pyhectiqlab.capture.process import this_process
from pyhectiqlab.spool import SessionDir

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # folders can be made, files cannot be written
try:
    SessionDir.create(Path(sys.argv[1]), this_process(), time.time())
except OSError as e:
    print(errno.errorcode[e.errno])
"""


def test_a_session_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    done = subprocess.run([sys.executable, "-B", "-c", SCRIPT, str(spool)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("EFBIG\n", "")
    assert not list(spool.iterdir())
