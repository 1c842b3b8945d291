"""How searches are written: spaces, ==, AND, quotes."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol.search import Smoothed, parse, parse_column, parse_sort, quoted, smoothed_of


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
        ("metric.a/b.smoothed(gaussian, 100) < 1 x", "metric.a/b.smoothed(gaussian,100)<1 x"),
        ('metric."a b".smoothed( mean , 90s )<1', 'metric."a b".smoothed(mean,1.5m)<1'),
    ],
)
def test_spaces_and_words_between_terms_change_nothing(written: str, same: str) -> None:
    assert parse(written) == parse(same)


@pytest.mark.parametrize(
    ("stat", "word"),
    [
        ("smoothed(gausian,100)", "did you mean gaussian"),
        ("smoothed(savgol,100)", "there are exponential"),
        ("smoothed(mean)", "whole number of steps"),
        ("smoothed(mean,0.5)", "whole number of steps"),
        ("smoothed(mean,0)", "whole number of steps"),
        ("smoothed(mean,9007199254740992)", "whole number of steps"),
    ],
)
def test_a_smoothing_that_cannot_be_is_refused_and_says_why(stat: str, word: str) -> None:
    for text in (f"metric.loss.{stat}<1", f"metric.loss.{stat} < 1 x"):
        with pytest.raises(ValueError, match=word):
            parse(text)
    with pytest.raises(ValueError, match=word):
        parse_sort(f"-metric.loss.{stat}")


def test_a_smoothing_that_is_not_closed_is_refused() -> None:
    for text in ("metric.loss.smoothed(mean,100<1", "metric.loss.smoothed(mean, 100 < 1"):
        with pytest.raises(ValueError, match="missing"):
            parse(text)


def test_the_width_of_a_smoothing_is_in_steps_or_a_time() -> None:
    assert smoothed_of(parse_column("metric.loss.smoothed(mean,7)").stat) == Smoothed("mean", 7, False)
    its = parse_column('metric."a.smoothed(x)".smoothed(median, 0.000001h)')
    assert (its.name, its.stat) == ("a.smoothed(x)", "smoothed(median,0.0036s)")
    assert smoothed_of(its.stat) == Smoothed("median", 3600, True)


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
