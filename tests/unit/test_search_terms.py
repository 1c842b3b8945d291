"""How searches are written: spaces, ==, AND, quotes."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol.search import parse, quoted


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("config.lr < 0.5", "config.lr<0.5"),
        ("config.lr <0.5", "config.lr<0.5"),
        ("config.lr< 0.5", "config.lr<0.5"),
        ("  config.lr   <=\t0.5  ", "config.lr<=0.5"),
        ("name == x", "name=x"),
        ("name==x", "name=x"),
        ("name != x", "name!=x"),
        ("name !~ x sweep", "name!~x sweep"),
        ("state = failed , killed tag=a", "state=failed,killed tag=a"),
        ("state=failed, killed", "state=failed,killed"),
        ("tag=a AND state=failed", "tag=a state=failed"),
        ("tag = a and state = failed && sweep", "tag=a state=failed sweep"),
        ('name = "a b" AND "AND"', 'name="a b" "AND"'),
        ('tag = "" state=failed', 'tag="" state=failed'),
        ('metric."a < b".min < 1', 'metric."a < b".min<1'),
        ('note ~ "="', 'note~"="'),
        ("created > -7d", "created>-7d"),
    ],
)
def test_spaces_and_words_between_terms_change_nothing(written: str, same: str) -> None:
    assert parse(written) == parse(same)


@pytest.mark.parametrize("text", ["archived=yes", "archived~true", "archived<1", 'archived=""', "archived=true,1"])
def test_archived_is_true_false_or_both(text: str) -> None:
    with pytest.raises(ValueError, match="archived"):
        parse(text)


def test_words_stay_words() -> None:
    assert [term.values for term in parse("and rock and", '"AND" "a=b" "" a,b')] == [
        *(("and",), ("rock",), ("and",)),
        *(("AND",), ("a=b",), ("",), ("a,b",)),
    ]
    for text in ("AND", "and", "==", " ", "a = b", "<"):
        (term,) = parse(f"name={quoted(text)}")
        assert term.values == (text,)


def test_a_long_search_is_read_at_once() -> None:
    (term,) = parse("tag=a" + " , b" * 99)
    assert len(term.values) == 100
    with pytest.raises(ValueError, match="at most 100 values"):
        parse("name=" + " , " * 1000)
