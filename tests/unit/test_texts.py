"""Texts of other people, as they are shown: nobody reads another name than there is, and no language is broken."""

from __future__ import annotations

import io
import unicodedata
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.base.texts import clean, counted, isolated
from pyhectiqlab.cli.output import table
from pyhectiqlab.protocol.terminal import shown
from pyhectiqlab.server.routes.artifacts import disposition

from ..cases import cases

RLO = "\u202e"
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize("case", cases("visible"), ids=lambda case: ascii(case["text"]))
def test_what_misleads_is_seen_and_the_rest_is_as_it_was(case: dict[str, str]) -> None:
    text, seen = case["text"], case["seen"]
    assert clean(text) == seen.replace("\ufffd", "?"), "in a terminal it is a question mark, on a page another sign"
    assert shown([text + "\n"]) == seen.replace("\ufffd", "") + "\n", "in a log it is left out"


@given(st.text())
def test_nothing_printed_turns_others_around(text: str) -> None:
    for printed in (clean(text), shown([text])):
        assert not any(unicodedata.bidirectional(c) in TURNS for c in printed)
        assert not any(c in printed for c in "\u200b\u2060\ufeff\x1b")


def test_a_name_from_right_to_left_moves_no_column() -> None:
    hebrew = "\u05d0\u05d1"
    assert isolated("ada") == "ada" and isolated(hebrew) == f"\u2068{hebrew}\u2069"
    out = io.StringIO()
    with redirect_stdout(out):
        table(["who", "n"], [[hebrew, "1"], ["ada", "2"]])
    lines = [line.replace("\u2068", "").replace("\u2069", "") for line in out.getvalue().splitlines()]
    assert {line.index(n) for line, n in zip(lines[1:], "12", strict=True)} == {lines[0].index("N")}


def test_a_downloaded_file_has_the_ending_that_is_seen() -> None:
    header = disposition("attachment", f"photo{RLO}gnp.exe")
    assert "%E2%80%AE" not in header and header.endswith("photo_gnp.exe")


def test_one_is_no_plural() -> None:
    assert [counted(n, "event") for n in (0, 1, 2, 1200)] == ["0 events", "1 event", "2 events", "1,200 events"]
    assert counted(2, "event or file", "events or files") == "2 events or files"
