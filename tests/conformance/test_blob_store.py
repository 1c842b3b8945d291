"""What store/blobs.py promises, for every BlobStore."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.blobs import BlobStore, NoRoomError, UploadBusyError, WrongDigestError
from pyhectiqlab.store.folder.blob_store import FolderBlobStore
from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.testing.memory_blobs import MemoryBlobStore

from ..seaweedfs import needs_s3, seaweedfs

DATA = os.urandom(300_000)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def new_store(kind: str, tmp_path: Path) -> BlobStore:
    if kind == "s3":
        needs_s3()
        return S3BlobStore(seaweedfs().settings())
    return FolderBlobStore(tmp_path / "blobs") if kind == "folder" else MemoryBlobStore()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    made = new_store(request.param, tmp_path)
    yield made
    made.close()


def keep(store: BlobStore, data: bytes, upload: str = "aa") -> str:
    with store.open_upload(upload) as up:
        up.append(data)
        up.finish(digest_of(data))
    return digest_of(data)


def content(store: BlobStore, digest: str, start: int = 0) -> bytes:
    with store.open(digest, start) as file:
        return file.read()


def test_a_finished_upload_is_a_blob(store: BlobStore) -> None:
    digest = keep(store, DATA)
    assert store.has(digest) and store.size(digest) == len(DATA)
    assert content(store, digest) == DATA
    assert list(store.digests()) == [digest]
    assert store.received("aa") == 0


def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    assert content(store, keep(store, b"")) == b""


def test_it_is_read_from_anywhere(store: BlobStore) -> None:
    digest = keep(store, DATA)
    for start in (0, 1, 1000, len(DATA) - 1, len(DATA), len(DATA) + 5):
        assert content(store, digest, start) == DATA[start:]


def test_nothing_is_visible_before_the_end(store: BlobStore) -> None:
    with store.open_upload("aa") as up:
        up.append(DATA)
        assert not store.has(digest_of(DATA)) and list(store.digests()) == []
        up.verify(digest_of(DATA))
        assert not store.has(digest_of(DATA)) and list(store.digests()) == []
        up.finish(digest_of(DATA))
    assert store.has(digest_of(DATA))


def test_an_upload_goes_on_where_it_was(store: BlobStore) -> None:
    for start in range(0, len(DATA), 70_000):
        with store.open_upload("aa") as up:
            assert up.offset == start == store.received("aa")
            up.append(DATA[start : start + 70_000])
    with store.open_upload("aa") as up:
        up.finish(digest_of(DATA))
    assert content(store, digest_of(DATA)) == DATA


def test_what_is_kept_is_what_was_received_while_it_is_open(store: BlobStore) -> None:
    with store.open_upload("aa") as up:
        for end in (100_000, 250_000, 250_000):
            up.append(DATA[up.offset : end])
            up.keep()
            assert store.received("aa") == up.offset == end


def test_a_closed_upload_takes_nothing(store: BlobStore) -> None:
    up = store.open_upload("aa")
    up.append(DATA)
    up.close()
    up.close()
    with pytest.raises(ValueError, match="closed"):
        up.append(b"more")
    assert store.received("aa") == len(DATA)


def test_sweeping_keeps_what_is_known_and_what_is_young(store: BlobStore) -> None:
    digest = keep(store, DATA, "bb")
    with store.open_upload("aa") as up:
        up.append(DATA)
    store.sweep(time.time() + 1000, lambda upload: upload == "aa")
    store.sweep(time.time() - 1000, lambda upload: False)
    assert store.received("aa") == len(DATA) and list(store.digests()) == [digest]


def test_wrong_bytes_are_refused_and_removed(store: BlobStore) -> None:
    with store.open_upload("aa") as up:
        up.append(b"other bytes")
        with pytest.raises(WrongDigestError, match=digest_of(b"other bytes")):
            up.finish(digest_of(DATA))
    assert not store.has(digest_of(DATA)) and store.received("aa") == 0
    assert content(store, keep(store, DATA)) == DATA, "the same upload may be tried again"


def test_bytes_that_came_after_the_check_are_checked_again(store: BlobStore) -> None:
    with store.open_upload("aa") as up:
        up.append(DATA)
        up.verify(digest_of(DATA))
        up.append(b"more")
        with pytest.raises(WrongDigestError):
            up.finish(digest_of(DATA))
    assert not store.has(digest_of(DATA))


def test_one_at_a_time_sends_to_an_upload(store: BlobStore) -> None:
    with store.open_upload("aa") as up:
        up.append(b"a")
        with pytest.raises(UploadBusyError):
            store.open_upload("aa")
        with pytest.raises(UploadBusyError):
            store.abort("aa")
    store.abort("aa")
    assert store.received("aa") == 0
    store.abort("aa")


def test_the_same_bytes_may_arrive_at_once_and_are_kept_once(store: BlobStore) -> None:
    digest, start = digest_of(DATA), threading.Barrier(4)

    def send(upload: str) -> None:
        start.wait()
        keep(store, DATA, upload)

    threads = [threading.Thread(target=send, args=(f"a{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(store.digests()) == [digest] and content(store, digest) == DATA


def test_a_deleted_blob_is_gone_but_for_who_reads_it(store: BlobStore) -> None:
    digest = keep(store, DATA)
    with store.open(digest) as file:
        store.delete(digest)
        try:
            assert file.read() == DATA
        except StoreError as e:
            assert "removed" in str(e)
    assert not store.has(digest) and list(store.digests()) == []
    store.delete(digest)
    for ask in (store.size, store.open):
        with pytest.raises(KeyError):
            ask(digest)


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "g" * 64, "a" * 64 + "\n"])
def test_what_is_no_digest_is_refused(store: BlobStore, digest: str) -> None:
    for ask in (store.has, store.size, store.open, store.delete):
        with pytest.raises(ValueError, match="hex"):
            ask(digest)


def test_it_tells_how_much_it_can_take(store: BlobStore) -> None:
    room = store.room()
    assert room is None or room > 0


def test_it_lends_no_address_unless_that_is_wished(store: BlobStore) -> None:
    assert store.address(keep(store, DATA), "attachment", "text/plain") is None


def test_a_full_memory_store_keeps_what_came_before() -> None:
    store = MemoryBlobStore(capacity=10)
    with store.open_upload("aa") as up, pytest.raises(NoRoomError):
        up.append(b"x" * 11)
    assert store.received("aa") == 10


# The folder alone: processes and disks


def in_process(folder: Path, script: str) -> int:
    head = f"""
        import hashlib, os, resource, signal, sys
        from pathlib import Path
        from pyhectiqlab.store.blobs import NoRoomError
        from pyhectiqlab.store.folder.blob_store import FolderBlobStore
        store = FolderBlobStore(Path({str(folder)!r}))
        data = Path({str(folder.parent / "data")!r}).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path / "blobs"


@pytest.mark.parametrize("moment", ["appending", "verified"])
def test_a_killed_process_leaves_an_upload_to_go_on_with(folder: Path, moment: str) -> None:
    script = f"""
        up = store.open_upload("aa")
        up.append(data if {moment == "verified"} else data[:100_000])
        if {moment == "verified"}:
            up.verify(digest)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert in_process(folder, script) == -signal.SIGKILL
    store = FolderBlobStore(folder)
    assert list(store.digests()) == [] and not store.has(digest_of(DATA))
    with store.open_upload("aa") as up:
        assert up.offset == (len(DATA) if moment == "verified" else 100_000)
        up.append(DATA[up.offset :])
        up.finish(digest_of(DATA))
    assert content(store, digest_of(DATA)) == DATA


def test_an_upload_that_a_power_failure_spoilt_is_refused(folder: Path) -> None:
    store = FolderBlobStore(folder)
    with store.open_upload("aa") as up:
        up.append(DATA[:100_000])
    (folder / "uploads" / "aa").write_bytes(bytes(100_000))
    with FolderBlobStore(folder).open_upload("aa") as up:
        up.append(DATA[100_000:])
        with pytest.raises(WrongDigestError):
            up.finish(digest_of(DATA))
    assert list(store.digests()) == []


def test_a_full_disk_keeps_what_came_before_and_goes_on_once_there_is_room(folder: Path) -> None:
    script = """
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        with store.open_upload("aa") as up:
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
            try:
                up.append(data)
            except NoRoomError as e:
                assert up.offset == 150_000 == store.received("aa"), up.offset
                assert "make room" in str(e)
            else:
                sys.exit(3)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            up.append(data[up.offset:])
            up.finish(digest)
    """
    assert resource.RLIMIT_FSIZE is not None and in_process(folder, script) == 0
    assert content(FolderBlobStore(folder), digest_of(DATA)) == DATA


def test_nobody_else_may_read_it_and_nobody_write_it(folder: Path) -> None:
    store = FolderBlobStore(folder)
    digest = keep(store, DATA)
    path = folder / digest[:2] / digest[2:4] / digest
    assert path.stat().st_mode & 0o777 == 0o400
    assert all(p.stat().st_mode & 0o077 == 0 for p in folder.rglob("*"))
