"""Bars for files: one for the file under way, one for all; none where nobody looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyhectiqlab.cli.bars import FileBars
from pyhectiqlab.spool import FileRequest

ONE = FileRequest("1" * 32, "w", "run", "one.pt", None, "file", {}, "1.data", "copy", 3_000_000, None, 0.0)
TWO = replace(ONE, id="2" * 32, name="two.pt", size=1_000_000)


def test_the_bar_for_all_knows_the_whole_from_the_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(shown=True) as bars:
        for request in (ONE, TWO):
            bars.update(request, 0)
        assert capsys.readouterr().err == ""
        bars.update(ONE, 1_500_000)
        bars._one.refresh()
        bars._all.refresh()
        shown = capsys.readouterr().err
        assert "one.pt:  50%" in shown and "1.50M/3.00M" in shown
        assert "all files:  38%" in shown and "1.50M/4.00M" in shown
        bars.say("a line")
        bars.update(TWO, 1_000_000)
        bars._one.refresh()
        assert "two.pt: 100%" in capsys.readouterr().err


def test_where_nobody_looks_only_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with FileBars(shown=False) as bars:
        bars.update(ONE, 1)
        bars.say("a line")
    assert capsys.readouterr() == ("", "a line\n")
