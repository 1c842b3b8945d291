"""Where a session's folder may be: in the spool of the home.

Where no home can be written (a container with a read-only root, a full disk, a user without a home), it is in a private
folder of temporary storage or of shared memory.

    $HECTIQLAB_HOME/spool/<session>/
    <temporary>/hectiqlab-<uid>/home-<of which>/spool/<session>/   instead of that home, with a quarantine too

Anybody can write to temporary storage. So a folder there counts only if it is this user's, no link, and closed to all
others.
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
    """Yield the places that can stand in for a home, the best first. Makes them where there is none."""
    for home in _substitutes():
        if private_dir(home.parent) and private_dir(home):
            yield home


def homes() -> list[Path]:
    """Return the home of now, and the places on this machine that stood in for a home. Makes none."""
    places = [home for home in _substitutes() if is_private(home.parent) and is_private(home)]
    with contextlib.suppress(ConfigurationError):
        places.insert(0, settings.home())
    return places


def queue_folders() -> list[Path]:
    """Return the folders where queues of this user may be, whichever home their sessions are in. Makes none."""
    return [own for shared in _shared() if is_private(own := shared / own_name())]


def is_substitute(session: Path) -> bool:
    """Return whether this session's folder is in a place that stands in for a home."""
    home = session.parent.parent
    return home.name.startswith("home-") and home.parent.name == own_name()


def budget(session: Path, wanted: int) -> int:
    """Return how many of the `wanted` bytes a session's folder may take. In storage that all users share, and which may
    be memory, that is a share of what is free, as for a queue.
    """
    if not is_substitute(session):
        return wanted
    try:
        disk = os.statvfs(session)
    except OSError:
        return wanted
    return min(wanted, max(1 << 20, disk.f_bavail * disk.f_frsize // settings.SHM_SHARE))


def _substitutes() -> list[Path]:
    try:
        which = f"{zlib.crc32(os.fsencode(settings.home())):08x}"
    except ConfigurationError:  # none is known
        which = "none"
    return [shared / own_name() / f"home-{which}" for shared in _shared()]


def _shared() -> list[Path]:
    import tempfile

    folders = []
    with contextlib.suppress(OSError):  # no folder can be written, or there is no working folder any more
        temporary = Path(tempfile.gettempdir())
        if temporary != Path.cwd():  # Python's last resort: other processes would not look there
            folders.append(temporary)
    return list(dict.fromkeys(p for p in (*folders, *_COMMON) if p.is_dir()))
