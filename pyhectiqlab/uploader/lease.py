"""The lease: which process may drain a session. It expires unless renewed, so a machine that vanished frees it.

It has two signs, each of which is safe where the other is not:

* The kernel's file lock tells processes of one machine apart at once, however they end. Between machines it means
  nothing: on many network file systems it is local, or missing.
* `lease.json` names the holder. It is made by a link (which exists or does not, on NFS too), renewed by its time of
  change, and taken from a silent holder by a rename. The clock of the file server says how long the holder was silent:
  its time is compared with that of a file made now in the same folder.

Correctness does not rest on the lease: two uploaders would give the same events the same numbers, and the lab takes
each number once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..base.loops import Loop
from ..capture.process import Process, boot_id, host, this_process
from ..settings import LEASE_RENEW_S, LEASE_STALE_S
from ..spool import read_json, write_json

ASKING_S = 1.0  # a process that only asks takes the kernel's lock for a moment: an uploader must not end for that
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class Lease:
    """The right to work on a folder.

    Args:
        name: name of the lock file in `folder`; a folder may have several leases.
    """

    def __init__(self, folder: Path, name: str = "lease") -> None:
        self._path = folder / name
        self._named = folder / f"{name}.json"
        self._fd = -1
        self._token = ""

    def acquire(self) -> bool:
        """Try to take the lease. Return whether this process now holds it. Waits up to ASKING_S while a process that is
        not named as the holder has the lock. Raises OSError where the folder cannot be written.
        """
        self.release()  # if the lease was taken from this process, it still has the kernel's lock
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            locked = _lock(fd)
            deadline = time.monotonic() + ASKING_S
            while locked is False and self._is_free(self._read(), False) and time.monotonic() < deadline:
                time.sleep(0.005)
                locked = _lock(fd)
            if locked is False or not self._claim(bool(locked)):
                return False
            self._fd, fd = fd, -1
            return True
        finally:
            if fd >= 0:
                os.close(fd)

    def _claim(self, locked: bool) -> bool:
        self._token = os.urandom(8).hex()
        for _ in range(3):  # the holder may end meanwhile, and another process may be faster than this one
            try:
                if self._named.exists():
                    seen = self._read()
                    if not self._is_free(seen, locked):
                        break
                    self._put_aside(seen)
                if self._create():
                    return True
            except OSError:
                if not locked:
                    raise
                return True  # a full disk: among the processes of this machine the lock alone will do
        self._token = ""
        return False

    def _create(self) -> bool:
        """Make the file that names the holder, whole or not at all. Return whether there was none."""
        beside = self._path.with_name(f".{self._named.name}.{self._token}")
        write_json(beside, {**this_process().as_dict(), "token": self._token})
        try:
            os.link(beside, self._named)
        except FileExistsError:
            return self._is_mine()  # a server's answer may get lost, and the repeated request fail
        except OSError:  # a file system without hard links
            try:
                with open(self._named, "xb") as f:
                    f.write(beside.read_bytes())
            except FileExistsError:
                return False
        finally:
            beside.unlink(missing_ok=True)
        return True

    def _put_aside(self, seen: dict[str, Any]) -> None:
        """Remove the file of a holder that is gone, and only that: another may have taken its place meanwhile. Only one
        of the processes that saw it may do so: else the slower would remove what the faster has put there.
        """
        token = seen.get("token")
        right = self._path.with_name(f".{self._named.name}.{''.join(filter(str.isalnum, str(token)))}.right")
        try:
            right.touch(0o600, exist_ok=False)
        except FileExistsError:
            if (self._age_s(right) or 0) > LEASE_STALE_S:  # the process that had it is gone, too
                right.unlink(missing_ok=True)
            return
        aside = self._path.with_name(f".{self._named.name}.{self._token}.old")
        try:
            if self._read().get("token") != token:
                return
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._named, aside)
                if (read_json(aside) or {}).get("token") != token:  # the holder came back, and released it
                    with contextlib.suppress(OSError):
                        os.link(aside, self._named)
                aside.unlink(missing_ok=True)
        finally:
            right.unlink(missing_ok=True)

    def _is_free(self, holder_fields: dict[str, Any], locked: bool) -> bool:
        """Return whether the holder that the file names is gone.

        Args:
            holder_fields: what the file says of the holder.
            locked: whether this process got the kernel's lock.
        """
        holder = _process(holder_fields)
        if holder is not None:
            if holder.is_here() and holder.has_ended():
                return True
            if locked and _same_kernel(holder):
                return True
        age = self._age_s(self._named)
        return age is None or age > LEASE_STALE_S

    def _age_s(self, path: Path) -> float | None:
        """Return seconds since the file was changed (the holder renewed it), by the clock of the file system; None
        where there is none.
        """
        try:
            with open(path, "rb") as f:  # not just stat: when a file is opened, NFS asks the server
                renewed = os.fstat(f.fileno()).st_mtime
        except OSError:
            return None
        mark = self._path.with_name(f".{self._named.name}.{os.urandom(4).hex()}.now")
        try:
            with open(mark, "xb") as f:
                now = os.fstat(f.fileno()).st_mtime
            mark.unlink()
        except OSError:  # read-only, or full: this machine's clock is the only one there is
            now = time.time()
        return now - renewed

    def _read(self) -> dict[str, Any]:
        return read_json(self._named) or {}

    def _is_mine(self) -> bool:
        return bool(self._token) and self._read().get("token") == self._token

    def renew(self) -> bool:
        """Renew the lease; call it every LEASE_RENEW_S. Return False where the lease was taken from this process, which
        was silent for too long; then stop. Raises OSError.
        """
        if not self._token:
            return False
        try:
            self._named.read_bytes()  # raises if it cannot be read now, which does not mean that it was taken
        except FileNotFoundError:
            return self._create()
        if not self._is_mine():
            return False
        os.utime(self._named)
        return True

    @contextlib.contextmanager
    def renewed(self, lost: Callable[[], None], tell: Callable[[str], None]) -> Iterator[None]:
        """Renew the lease in a thread of its own, and release it at the end. If it is taken, the thread calls
        `lost`.
        """

        def turn() -> float | None:
            with contextlib.suppress(OSError):  # a full disk, a server that is away: tried again at the next turn
                if not self.renew():
                    lost()
                    return None
            return LEASE_RENEW_S

        loop = Loop("lease", turn, tell)
        loop.start()
        try:
            yield
        finally:
            loop.stop()
            self.release()

    def holder(self) -> Process | None:
        """Return the process that took it last, whether or not it still lives."""
        return _process(self._read())

    def is_held(self) -> bool:
        """Return whether a process holds it now, on this machine or another."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            locked = _lock(fd)
        finally:
            os.close(fd)
        if locked is False:
            return True
        return self._named.exists() and not self._is_free(self._read(), bool(locked))

    def release(self) -> None:
        """Release the lease, if this process has it. Safe twice."""
        if self._is_mine():
            self._named.unlink(missing_ok=True)
        self._token = ""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _process(fields: dict[str, Any]) -> Process | None:
    try:
        return Process.from_dict(fields)
    except (KeyError, TypeError, ValueError):
        return None


def _lock(fd: int) -> bool | None:
    """Return whether the lock was taken; None where there are no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        return None if e.errno in _NO_LOCKS else False
    return True


def _same_kernel(process: Process) -> bool:
    """Return whether it ran under the kernel that this process runs under, in whatever container."""
    return process.boot_id == boot_id() if boot_id() else process.host == host()
