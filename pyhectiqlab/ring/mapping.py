"""The file behind a queue: where it may be, how its pages are reserved, who may open it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import sys
from pathlib import Path

from ..base.fds import lifted
from ..base.storage import file_bytes_max, own_name, private_dir
from ..settings import QUEUE_BYTES, QUEUE_BYTES_MIN, SHM_SHARE
from . import layout

# If a file of one of these is mapped and the server goes away, the process gets SIGBUS.
_NETWORK_FILE_SYSTEMS = (
    "nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "fuse", "glusterfs", "orangefs", "pvfs",
    "panfs",
)  # fmt: skip
SHM_DIR = Path("/dev/shm")


class FileWords:
    """Header words through pread and pwrite, where nothing may be mapped. It is used like the cast memoryview."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __getitem__(self, index: int) -> int:
        return int.from_bytes(os.pread(self._fd, 8, 8 * index), sys.byteorder)

    def __setitem__(self, index: int, value: int) -> None:
        os.pwrite(self._fd, value.to_bytes(8, sys.byteorder), 8 * index)


class Mapping:
    """An open queue file.

    Attributes:
        path: the file.
        words: header words, indexable by the constants of layout.py.
        table: writable bytes of the intern table (empty where nothing is mapped).
        ring: writable bytes of the ring (empty where nothing is mapped).
        capacity: len(ring), a power of two, or 0.
    """

    def __init__(self, path: Path, fd: int, mapped: bool) -> None:
        self.path = path
        self._fd = fd
        self._map: mmap.mmap | None = None
        self.words: memoryview | FileWords
        if mapped:
            flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
            self._map = mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            view = memoryview(self._map)
            self.words = view[: layout.HEADER_BYTES].cast("Q")
            table_end = layout.HEADER_BYTES + self.words[layout.W_TABLE_BYTES]
            self.table = view[layout.HEADER_BYTES : table_end]
            self.ring = view[table_end : table_end + self.words[layout.W_CAPACITY]]
        else:
            self.words = FileWords(fd)
            self.table = self.ring = memoryview(bytearray())
        self.capacity = len(self.ring)

    def close(self) -> None:
        """Unmap the file. Safe twice. Views that others still hold keep the memory until they are gone."""
        for view in (self.table, self.ring, self.words):
            if isinstance(view, memoryview):
                view.release()
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_network_file_system(path: Path) -> bool:
    """Return whether `path` is on a file system that should not be mapped. An unknown one (no /proc) counts as
    local.
    """
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    where = os.path.realpath(path)
    kind, longest = "", -1
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            kind, longest = right.split(" ")[0], len(point)
    return kind.startswith(_NETWORK_FILE_SYSTEMS)


def _capacity(folder: Path, share: int, wanted: int) -> int:
    """Return the largest power of two that is at most `wanted` and 1/share of what is free, in a file that this process
    may write; 0 where that is too small.
    """
    free = os.statvfs(folder)
    longest = (file_bytes_max() - layout.HEADER_BYTES) * 16 // 17 - 4096  # the table takes a sixteenth, or 4 KiB
    room = min(wanted, free.f_bavail * free.f_frsize // share, longest)
    return 1 << room.bit_length() - 1 if room >= QUEUE_BYTES_MIN else 0


def _reserve(fd: int, size: int) -> None:
    """Reserve the pages now: with a sparse file on a tmpfs that fills up later, the training would get SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    # macOS has no posix_fallocate; writing the pages reserves them as well.
    block = bytes(1 << 16)
    for at in range(0, size, len(block)):
        os.pwrite(fd, block[: size - at], at)


def _new_file(path: Path) -> int:
    return lifted(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _header(capacity: int, table_bytes: int) -> bytes:
    return layout.MAGIC + b"".join(n.to_bytes(8, sys.byteorder) for n in (layout.VERSION, capacity, table_bytes))


def _create_mapped(folder: Path, name: str, capacity: int) -> Mapping | None:
    path = folder / name
    table_bytes = max(4096, capacity // 16)
    try:
        fd = _new_file(path)
    except OSError:
        return None
    try:
        _reserve(fd, layout.HEADER_BYTES + table_bytes + capacity)
        os.pwrite(fd, _header(capacity, table_bytes), 0)
        return Mapping(path, fd, mapped=True)
    except OSError:  # the file system filled up, or cannot be mapped
        os.close(fd)
        path.unlink(missing_ok=True)
        return None


def create(name: str, fallback: Path, *, capacity: int = QUEUE_BYTES) -> Mapping:
    """Make the queue file `name` in the best place there is.

    `fallback` is a folder of ours on any file system. It is used, unmapped, if neither /dev/shm nor a local temporary
    folder will do. Raises OSError where that fails, too. Does not block beyond file operations.
    """
    owner = own_name()
    places = [(SHM_DIR / owner, SHM_SHARE)] if SHM_DIR.is_dir() else []
    import tempfile

    with contextlib.suppress(FileNotFoundError):  # there may be none that can be written
        temporary = Path(tempfile.gettempdir())
        if not is_network_file_system(temporary):
            places.append((temporary / owner, SHM_SHARE))
    for folder, share in places:
        if not private_dir(folder):
            continue
        size = _capacity(folder, share, capacity)
        if size and (mapping := _create_mapped(folder, name, size)):
            return mapping
    path = fallback / name
    fd = _new_file(path)
    os.pwrite(fd, _header(0, 0).ljust(layout.HEADER_BYTES, b"\0"), 0)
    return Mapping(path, fd, mapped=False)


def open_existing(path: Path) -> Mapping:
    """Open a queue file for its consumer.

    Raises FileNotFoundError; another OSError where it cannot be opened now (no descriptor is left, another user's);
    ValueError where it is not a whole queue.
    """
    fd = lifted(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC))
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"{path} is not a file")
        if about.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it is not a queue of this user", str(path))
        head = os.pread(fd, 32, 0)
        version, capacity, table_bytes = (int.from_bytes(head[i : i + 8], sys.byteorder) for i in (8, 16, 24))
        if head[:8] != layout.MAGIC or version != layout.VERSION:
            raise ValueError(f"{path} is not a queue of version {layout.VERSION}")
        if about.st_size < layout.HEADER_BYTES + table_bytes + capacity or capacity & capacity - 1:
            raise ValueError(f"{path} is cut short")
        return Mapping(path, fd, mapped=capacity > 0)
    except BaseException:
        os.close(fd)
        raise
