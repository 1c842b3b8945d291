"""Bars for files: one for the file under way, one for all; now and then a line where nobody looks."""

from __future__ import annotations

import pytest

from pyhectiqlab.base.bars import LINES, NOTEBOOK, TERMINAL, FileBars, bar, place

ONE, TWO = ("1", "one.pt", 3_000_000), ("2", "two.pt", 1_000_000)


def test_the_bar_for_all_knows_the_whole_from_the_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(TERMINAL) as bars:
        for file in (ONE, TWO):
            bars.update(*file, 0)
        assert capsys.readouterr().err == ""
        bars.update(*ONE, 1_500_000)
        bars._one.refresh()
        bars._all.refresh()
        shown = capsys.readouterr().err
        assert "one.pt:  50%" in shown and "1.50M/3.00M" in shown
        assert "all files:  38%" in shown and "1.50M/4.00M" in shown
        bars.say("a line")
        bars.update(*TWO, 1_000_000)
        bars._one.refresh()
        assert "two.pt: 100%" in capsys.readouterr().err


def test_a_notebook_has_the_bar_for_all_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(NOTEBOOK) as bars:
        bars.update(*ONE, 1_500_000)
        bars._all.refresh()
        shown = capsys.readouterr().err
        assert "all files:  50%" in shown and "one.pt" not in shown and "\033[A" not in shown


def test_where_nobody_looks_a_line_now_and_then_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(LINES) as bars:
        bars.update(*ONE, 1)
        bars.say("a line")
    assert capsys.readouterr() == ("", "a line\n")
    with FileBars(LINES, every_s=0) as bars:
        bars.update(*ONE, 3_000_000)
        bars.update(*TWO, 500_000)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "hectiqlab: 1 of 2 files at the lab, 3.5 MB of 4 MB"


def test_names_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(TERMINAL) as bars:
        bars.update("1", "\033[31mred", 10, 5)
        bars._one.refresh()
        assert "\033[31m" not in capsys.readouterr().err


def test_a_pipe_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert place() == LINES
    with bar("file", 10) as progress:
        progress(5)
    assert capsys.readouterr().err == ""


def test_a_bar_starts_no_thread_and_no_process(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    before = threading.active_count()
    with FileBars(TERMINAL) as bars:
        bars.update(*ONE, 10)
        assert threading.active_count() == before
