"""How old what the lab lacks is, as `hectiqlab status` says it."""

from __future__ import annotations

from pyhectiqlab.capture.process import this_process
from pyhectiqlab.spool import Writer
from pyhectiqlab.uploader.stream import Stream


def stream() -> Stream:
    return Stream(Writer("w", "q", this_process(), "online", "", "", {"rank": 0}, None, True, 0.0))


def test_a_writer_that_logs_faster_than_acks_come_is_only_as_far_behind_as_its_oldest_event() -> None:
    its = stream()
    for second in range(1, 100):
        its.journaled, its.acked = 10 * second, 10 * (second - 1)
        its.look(float(second))
    assert its.behind_since is not None and 97 <= its.behind_since <= 99
    its.acked = its.journaled
    its.look(100.0)
    assert its.behind_since is None


def test_a_lab_that_acks_nothing_is_ever_farther_behind() -> None:
    its = stream()
    for second in range(1, 100):
        its.journaled = 10 * second
        its.look(float(second))
    assert its.behind_since == 1.0


def test_an_uploader_goes_on_from_what_the_one_before_it_noted() -> None:
    its = stream()
    its.journaled = 10
    its.look(50.0, since=7.0)
    its.look(51.0, since=7.0)
    assert its.behind_since == 7.0
