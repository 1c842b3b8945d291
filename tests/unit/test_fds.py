"""Descriptors: waiting for them, whatever their numbers are."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from pyhectiqlab.base.fds import wait_ready

HIGH = 1500  # select.select takes numbers below 1024


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the ends of a pipe, with numbers that a process with very many descriptors has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[0] <= 2 * HIGH:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * HIGH, before[1]))
    low = os.pipe()
    source, target = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH) for fd in low)
    for fd in low:
        os.close(fd)
    yield source, target
    for fd in (source, target):
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_is_ready_is_returned_and_nothing_is_when_the_time_is_over(pipe: tuple[int, int]) -> None:
    source, target = pipe
    assert source >= HIGH
    assert wait_ready([source], 0.01) == set()
    assert wait_ready([source], -1.0) == set(), "a time that is over is no wait without an end"
    os.write(target, b"x")
    assert wait_ready([source], 60.0) == {source}
    assert wait_ready([target], 60.0, to_write=True) == {target}


def test_an_end_whose_other_end_is_gone_is_ready(pipe: tuple[int, int]) -> None:
    source, target = pipe
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), target)
    assert wait_ready([source], 60.0) == {source}
    assert os.read(source, 1) == b""
