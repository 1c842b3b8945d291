"""What is recorded of a captured console, and how far it is known to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyhectiqlab import consolefiles
from pyhectiqlab.consolefiles import ConsoleDir, copy_some
from pyhectiqlab.uploader.console import whole_characters
from pyhectiqlab.uploader.show import is_written


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
