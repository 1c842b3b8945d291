"""Which attempt processes below one `hectiqlab run` belong to. (What is true of other scripts: tests/process.)"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from pyhectiqlab.store.meta import AttachRequest
from pyhectiqlab.store.sql.meta_attempts import membership

LAUNCH = "launch/boot/1/2/3"


class Row(SimpleNamespace):
    """A row of `sessions`."""

    __hash__ = object.__hash__


def request(rank: int, restart: str | None = None, *, main: bool = False, script: str = LAUNCH) -> AttachRequest:
    return AttachRequest(
        name="r",
        project=None,
        create_project=False,
        session=os.urandom(8).hex(),
        rank=rank,
        world_size=2,
        restart=restart,
        host="h",
        pid=1,
        client_version="",
        skew=0.0,
        script=script,
        main=main,
        opening=0,
    )


def joined(known: list[Any], its: AttachRequest, *, lives: bool = True, state: str = "running") -> tuple[int, bool]:
    """Attach as the lab does: (attempt, whether it has a say). It ends at once unless it lives."""
    place = membership(its, known, [s for s in known if s.ended is None])
    if place.speaks_for_script:
        for s in known:
            if (s.attempt, s.rank, s.script) == (place.attempt, its.rank, its.script):
                s.sets_state = False
    row = {"session": its.session, "rank": its.rank, "restart": its.restart, "script": its.script, "main": its.main}
    about = {"opening": its.opening, "host": its.host, "ended": None if lives else 1.0, "state": state}
    known.append(Row(**row, **about, attempt=place.attempt, sets_state=place.sets_state))
    return place.attempt, place.sets_state


@pytest.mark.parametrize("lives", [True, False])
def test_restarts_of_a_launcher_below_the_command_are_attempts(lives: bool) -> None:
    known: list[Any] = []
    assert joined(known, request(0, "2", main=True), lives=lives) == (1, True)  # the command, that Slurm started again
    assert [joined(known, request(r, "0"), lives=False, state="killed") for r in (0, 1)] == [(1, False), (1, True)]
    assert [joined(known, request(r, "1"), lives=False) for r in (1, 0)] == [(2, True), (2, True)]
    assert joined(known, request(1, "0"), lives=False) == (2, True)  # the next program
    assert joined(known, request(0), lives=False) == (2, True)  # one that no launcher counts: the newest


def test_whoever_comes_first_the_command_speaks_for_its_rank() -> None:
    known: list[Any] = []
    for rank in (1, 0):
        assert joined(known, request(rank), lives=False, state="failed") == (1, True)
    assert joined(known, request(0, main=True), lives=False) == (1, True)
    assert [(s.rank, s.sets_state) for s in known] == [(1, True), (0, False), (0, True)]
    assert joined(known, request(0, main=True, script="launch/another"), lives=False)[0] == 2
