"""Where a session's folder may be: in the spool of the home; or, where no home can be written (the read-only root of a
container, a full disk, a user without a home), in a private folder of temporary storage or of shared memory.

    $HECTIQLAB_HOME/spool/<session>/
    <temporary>/hectiqlab-<uid>/home-<of which>/spool/<session>/   in the place of that home, with a quarantine too

Temporary storage is anybody's: a folder there counts only where it is this user's, a folder and no link, and closed to
all others.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from .. import settings
from ..base.storage import is_private, own_name, private_dir
from ..errors import ConfigurationError

_COMMON = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


def substitute_homes() -> Iterator[Path]:
    """Made where there is none, the best first."""
    for home in _substitutes():
        if private_dir(home.parent) and private_dir(home):
            yield home


def homes() -> list[Path]:
    """Return the home of now, and the places on this machine where sessions are that it could not take. Makes none."""
    found = [home for home in _substitutes() if is_private(home.parent) and is_private(home)]
    with contextlib.suppress(ConfigurationError):
        found.insert(0, settings.home())
    return found


def queue_folders() -> list[Path]:
    """Where queues of this user may lie, whichever home their sessions are in. Makes none."""
    return [own for shared in _shared() if is_private(own := shared / own_name())]


def is_substitute(session: Path) -> bool:
    """Return whether this session's folder is in a home in the place of one."""
    home = session.parent.parent
    return home.name.startswith("home-") and home.parent.name == own_name()


def budget(session: Path, wanted: int) -> int:
    """Return how many bytes a session's folder may take, of the `wanted` ones. In storage that all share, and which may
    be memory, as little as a queue may: a share of what is free there.
    """
    if not is_substitute(session):
        return wanted
    try:
        found = os.statvfs(session)
    except OSError:
        return wanted
    return min(wanted, max(1 << 20, found.f_bavail * found.f_frsize // settings.SHM_SHARE))


def _substitutes() -> list[Path]:
    try:
        which = f"{zlib.crc32(os.fsencode(settings.home())):08x}"
    except ConfigurationError:  # none is known
        which = "none"
    return [shared / own_name() / f"home-{which}" for shared in _shared()]


def _shared() -> list[Path]:
    import tempfile

    found = []
    with contextlib.suppress(OSError):  # no folder can be written, or the working folder is gone
        told = Path(tempfile.gettempdir())
        if told != Path.cwd():  # Python's last resort, and no place for what others are to find
            found.append(told)
    return list(dict.fromkeys(p for p in (*found, *_COMMON) if p.is_dir()))
