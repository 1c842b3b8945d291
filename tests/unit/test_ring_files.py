"""The file behind a queue: where it may lie, what is refused, and what happens where nothing can be mapped."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pyhectiqlab.ring import layout, mapping
from pyhectiqlab.ring.consumer import Consumer
from pyhectiqlab.ring.producer import make_puts
from pyhectiqlab.ring.spill import SpillReader, SpillWriter

from .rings import PLAIN, Reader, Ring


@pytest.fixture
def shm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a stand-in for /dev/shm, and a temporary folder of the test's own."""
    (tmp_path / "shm").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(mapping, "SHM_DIR", tmp_path / "shm")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "shm"


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def own(folder: Path) -> Path:
    return folder / f"hectiqlab-{os.geteuid()}"


def test_a_queue_lies_in_shared_memory_for_its_user_alone(shm: Path, fallback: Path) -> None:
    made = mapping.create("a.q", fallback, capacity=1 << 16)
    assert made.path == own(shm) / "a.q" and made.capacity == 1 << 16
    assert made.path.stat().st_mode & 0o777 == 0o600 and own(shm).stat().st_mode & 0o777 == 0o700
    status = made.path.stat()
    assert status.st_blocks * 512 >= status.st_size, "pages are reserved: a tmpfs that fills up later is a SIGBUS"
    made.close()
    made.close()


def test_without_shared_memory_a_local_temporary_folder_is_used(
    shm: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "SHM_DIR", shm / "missing")
    made = mapping.create("a.q", fallback, capacity=1 << 16)
    assert made.path.parent == own(Path(tempfile.gettempdir())) and made.capacity == 1 << 16
    made.close()


def test_a_queue_takes_at_most_an_eighth_of_what_is_free(
    shm: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"bytes": 16 << 20}
    real = os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        items = list(real(path))
        items[1], items[4] = 4096, free["bytes"] // 4096  # f_frsize, f_bavail
        return os.statvfs_result(items)

    monkeypatch.setattr("pyhectiqlab.ring.mapping.os.statvfs", statvfs)
    sizes = []
    for i, size in enumerate((16 << 20, 9 << 20, 1 << 20, 1 << 19, (1 << 19) - 1)):
        free["bytes"] = size
        made = mapping.create(f"{i}.q", fallback, capacity=4 << 20)
        sizes.append(made.capacity)
        made.close()
    assert sizes == [2 << 20, 1 << 20, 1 << 17, 1 << 16, 0]


def test_a_file_system_that_fills_up_while_pages_are_reserved_is_passed_over(
    shm: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapping, "_reserve", full)
    made = mapping.create("a.q", fallback)
    assert made.path == fallback / "a.q" and made.capacity == 0
    assert not (own(shm) / "a.q").exists()
    made.close()


def test_a_folder_that_is_not_the_users_alone_is_passed_over(shm: Path, fallback: Path, tmp_path: Path) -> None:
    own(shm).symlink_to(tmp_path / "elsewhere")
    own(tmp_path / "tmp").mkdir(mode=0o755)
    own(tmp_path / "tmp").chmod(0o755)
    made = mapping.create("a.q", fallback)
    assert made.path == fallback / "a.q"
    made.close()


def test_a_file_of_that_name_is_never_taken_over(shm: Path, fallback: Path) -> None:
    own(shm).mkdir(mode=0o700)
    (own(shm) / "a.q").write_text("somebody's")
    made = mapping.create("a.q", fallback, capacity=1 << 16)
    assert made.path.parent != own(shm) and (own(shm) / "a.q").read_text() == "somebody's"
    made.close()


def test_network_file_systems_are_told_by_their_longest_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = (
        "1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / /home rw - nfs4 srv:/home rw\n"
        "3 2 0:3 / /home/local rw - xfs /dev/sdb rw\n4 1 0:4 / /with\\040space rw - fuse.sshfs x rw\n"
    )
    monkeypatch.setattr("pyhectiqlab.ring.mapping.Path.read_text", lambda self, **kw: table)
    monkeypatch.setattr("pyhectiqlab.ring.mapping.os.path.realpath", lambda path: str(path))
    by_name = {p: mapping.is_network_file_system(Path(p)) for p in ("/tmp", "/home/a", "/homes", "/home/local/b")}
    assert by_name == {"/tmp": False, "/home/a": True, "/homes": False, "/home/local/b": False}
    assert mapping.is_network_file_system(Path("/with space/x"))


def test_where_nothing_can_be_mapped_every_record_goes_to_the_spill_file(
    shm: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "SHM_DIR", shm / "missing")
    monkeypatch.setattr(mapping, "is_network_file_system", lambda path: True)
    made = mapping.create("a.q", fallback)
    assert isinstance(made.words, mapping.FileWords) and made.capacity == 0
    spill = SpillWriter(fallback / "spill")
    puts = make_puts(made, spill.append, PLAIN)
    for i in range(100):
        puts.point("k", i, float(i))
        puts.points({"k": 0.5, "b": 1.0}, i)
    reader = Reader(mapping.open_existing(made.path), fallback / "spill")
    items = reader.read_all(1000)
    assert [i[1:] for i in items] == [p for i in range(100) for p in [("k", i, float(i)), ("k", i, 0.5), ("b", i, 1.0)]]
    assert made.words[layout.SPILL] == spill.size()
    made.words[layout.LOST] += 3
    assert reader.consumer.mapping.words[layout.LOST] == 3
    reader.consumer.close()
    spill.close()
    made.close()


def test_a_queue_without_any_place_is_an_error(shm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mapping, "SHM_DIR", shm / "missing")
    monkeypatch.setattr(mapping, "is_network_file_system", lambda path: True)
    with pytest.raises(OSError):
        mapping.create("a.q", tmp_path / "no such folder")


# What is opened -------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    ring = Ring(tmp_path, 4096)
    ring.puts.point("k", 1, 1.0)
    ring.close()
    return ring.path


def word(path: Path, index: int, value: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[8 * index : 8 * index + 8] = value.to_bytes(8, "little")
    path.write_bytes(raw)


def test_a_queue_that_is_whole_is_opened(queue: Path) -> None:
    opened = mapping.open_existing(queue)
    assert opened.capacity == 4096 and opened.words[layout.TAIL] == 36
    opened.close()


@pytest.mark.parametrize("size", [0, 10, 31, 4096, 8191, 12287])
def test_a_queue_cut_short_is_refused(queue: Path, size: int) -> None:
    os.truncate(queue, size)
    with pytest.raises(ValueError):
        mapping.open_existing(queue)


@pytest.mark.parametrize(
    "index, value",
    [
        (0, 7),
        (layout.W_VERSION, 2),
        (layout.W_CAPACITY, 4095),
        (layout.W_CAPACITY, 1 << 63),
        (layout.W_TABLE_BYTES, (1 << 64) - 1),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(queue: Path, index: int, value: int) -> None:
    word(queue, index, value)
    with pytest.raises(ValueError):
        mapping.open_existing(queue)


def test_bytes_behind_a_queue_do_not_become_part_of_its_ring(queue: Path) -> None:
    with open(queue, "ab") as f:
        f.write(b"x" * 5000)
    opened = mapping.open_existing(queue)
    assert opened.capacity == 4096 == len(opened.ring)
    consumer = Consumer(opened, SpillReader(queue.with_name("spill")), 0, 0)
    taken = consumer.take(1 << 20)
    assert taken is not None and taken.count == 1
    consumer.close()


def test_a_link_is_not_followed(queue: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(queue)
    with pytest.raises(OSError):
        mapping.open_existing(tmp_path / "link")


def test_another_users_queue_is_refused(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhectiqlab.ring.mapping.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="not a queue of this user"):
        mapping.open_existing(queue)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError):
        mapping.open_existing(tmp_path / "fifo")
    with pytest.raises(OSError):
        mapping.open_existing(tmp_path)


def test_a_refused_file_leaves_no_descriptor_open(queue: Path) -> None:
    os.truncate(queue, 10)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(ValueError):
            mapping.open_existing(queue)
    assert len(os.listdir("/proc/self/fd")) == before
