"""What is recorded of a captured console, and how far it is known to be."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

import pytest

from pyhectiqlab.capture.process import this_process
from pyhectiqlab.ring import layout
from pyhectiqlab.spool import SessionDir, Writer, consolefiles
from pyhectiqlab.spool.consolefiles import ConsoleDir, copy_some
from pyhectiqlab.uploader import console, show
from pyhectiqlab.uploader.console import Consoles, Recording, whole_characters
from pyhectiqlab.uploader.show import Show, is_written
from pyhectiqlab.uploader.stream import Stream


@pytest.mark.parametrize("text", ["", "plain", "Ω", "aé", "a€", "a\U0001f600"])
def test_a_character_is_never_cut(text: str) -> None:
    data = text.encode()
    for end in range(len(data) + 1):
        whole = whole_characters(data[:end])
        assert text.startswith(data[:whole].decode()) and end - whole < 4
    assert whole_characters(data) == len(data)


@pytest.mark.parametrize("data", [b"\xff", b"a\xff\xfe", b"\x80\x80\x80\x80\x80"])
def test_what_is_no_character_is_not_waited_for(data: bytes) -> None:
    assert whole_characters(data) == len(data)


def test_two_that_copy_show_every_byte_once(tmp_path: Path) -> None:
    folder = ConsoleDir(tmp_path)
    folder.make()
    folder.file("stdout").write_bytes(bytes(range(256)) * 100)
    file = os.open(folder.file("stdout"), os.O_RDONLY)
    terminal = os.open(tmp_path / "terminal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    first, second = folder.shown(), folder.shown()
    with first.copying() as mine, second.copying() as also:
        assert mine and not also
    turn = 0
    while True:
        shown = (first, second)[turn % 2]
        turn += 1
        with shown.copying() as mine:
            assert mine
            if not copy_some(file, terminal, shown, 0):
                break
    assert (tmp_path / "terminal").read_bytes() == folder.file("stdout").read_bytes()
    assert second[consolefiles.SHOWN] == 25600
    for fd in (file, terminal):
        os.close(fd)
    first.close(), second.close()


def test_whether_anybody_may_still_write_is_asked_of_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT)
    reader = os.open(path, os.O_RDONLY)
    assert is_written(reader)
    os.close(writer)
    assert not is_written(reader)
    os.close(reader)


def full_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, bytes(4096))
    return reader, writer


def test_a_terminal_that_takes_nothing_is_given_up_though_the_other_stream_has_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "GIVE_UP_S", 0.5)
    folder = ConsoleDir(tmp_path)
    folder.make()
    folder.file("stdout").write_text("nobody reads this")
    reader, writer = full_pipe()
    ours, theirs = socket.socketpair()
    shown = Show(folder, theirs.detach(), lambda: True, print)
    with ours:
        socket.send_fds(ours, [b"c"], [writer, writer])
        shown.start()
        deadline = time.monotonic() + 10
        while not shown.is_over() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert shown.is_over()
    for fd in (reader, writer):
        os.close(fd)


def writer_of(session: SessionDir) -> Writer:
    return Writer("a" * 32, "", this_process(), "online", "", "", {}, {"run": {"id": "r"}}, True, time.time())


def test_the_end_of_a_run_does_not_wait_for_ever_for_a_recording_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionDir(tmp_path)
    stream = Stream(writer_of(session))
    streams = {stream.id: stream}
    folder = ConsoleDir(tmp_path)
    folder.make()
    (folder.path / f"{'b' * 32}-{stream.id}").mkdir()  # no file of words
    said: list[str] = []
    consoles = Consoles(session, -1, lambda: True, said.append)
    consoles.turn(time.monotonic(), streams)
    assert len(said) == 1 and consoles.holds_end(stream, streams)
    monkeypatch.setattr(console, "END_WAIT_S", -1.0)  # as if it had waited for that long
    assert not consoles.holds_end(stream, streams)


def test_the_end_of_a_run_waits_for_a_console_that_the_main_thread_has_not_seen_yet(tmp_path: Path) -> None:
    """A script may capture its console, print and crash while the uploader's main thread is in one turn."""
    session = SessionDir(tmp_path)
    (session.path / "writers").mkdir()
    (session.path / "spill").mkdir()
    stream = Stream(writer_of(session))
    ended = False
    consoles = Consoles(session, -1, lambda: ended, lambda text: None)
    assert not consoles.turn(time.monotonic(), {stream.id: stream})
    folder = ConsoleDir(session.path)
    folder.make()
    folder.ask(stream.id, (0, 0)).close()
    folder.file("stderr").write_bytes(b"last words\n")
    ended = True
    assert consoles.holds_end(stream, {stream.id: stream})
    assert consoles.turn(time.monotonic(), {stream.id: stream})
    assert consoles.holds_end(stream, {stream.id: stream})  # they are in a queue, not at the lab


def test_what_is_printed_while_the_uploader_looks_is_recorded_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may print its last line and close its run between the uploader's look at the size of the file and its
    look at whether the recording has ended.
    """
    session = SessionDir(tmp_path)
    (session.path / "writers").mkdir()
    (session.path / "spill").mkdir()
    stream = Stream(writer_of(session))
    folder = ConsoleDir(session.path)
    folder.make()
    words = folder.ask(stream.id, (0, 0))
    folder.file("stderr").write_bytes("a line\n\u00e9".encode()[:-1])
    last = "\u00e9".encode()[-1:] + b" and the last one\n"
    size_of = os.fstat

    def print_behind(fd: int) -> os.stat_result:
        looked = size_of(fd)
        if looked.st_ino == folder.file("stderr").stat().st_ino and not words[consolefiles.UNTIL]:
            with folder.file("stderr").open("ab") as file:
                file.write(last)
            words.store(consolefiles.UNTIL, (1, looked.st_size + len(last) + 1))
        return looked

    monkeypatch.setattr(console.os, "fstat", print_behind)
    consoles = Consoles(session, -1, lambda: False, lambda text: None)
    streams = {stream.id: stream}
    now = time.monotonic()
    while consoles.turn(now, streams):
        now += console.READ_INTERVAL_S * 2
    assert words.pair(consolefiles.RECORDED) == (0, folder.file("stderr").stat().st_size)
    (info,) = [w for w in session.writers() if w.console]
    data = Path(info.queue).read_bytes()
    assert b"a line\n" in data and "\u00e9 and the last one\n".encode() in data
    words.close()
    Path(info.queue).unlink()


def test_a_loss_waits_for_room_in_the_queue(tmp_path: Path) -> None:
    session = SessionDir(tmp_path)
    (session.path / "writers").mkdir()
    (session.path / "spill").mkdir()
    folder = ConsoleDir(tmp_path)
    folder.make()
    main = writer_of(session)
    words = folder.ask(main.writer, (0, 0))
    recording = Recording(session, "b" * 32, main, words.path)
    words.close()
    recording.lose("no room")
    while recording.tell_loss():  # nobody drains the queue
        recording.lose("no room")
    queue = recording._queue
    assert queue is not None and not recording.tell_loss()
    queue.words[layout.HEAD] = queue.words[layout.TAIL]
    assert recording.tell_loss()
    queue.path.unlink()
