"""Names of runs, projects and tags: what is refused, and that the message says why."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol.names import new_name, shown_name
from pyhectiqlab.protocol.registry import alias_name

from ..cases import cases


@pytest.mark.parametrize("name", ["a", "a/b", "team/vision", "é", "a b", "x" * 512, "...", "a.b", "-", "日本"])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert shown_name("name", name) == new_name("name", name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("x" * 513, "longer than 512 bytes"),
        ("é" * 257, "longer than 512 bytes"),
        ("a\nb", "a line break (U+000A)"),
        ("a\0", "a control character (U+0000)"),
        ("a\u200db", "ZERO WIDTH JOINER (U+200D)"),
        ("a\u202eb", "RIGHT-TO-LEFT OVERRIDE (U+202E)"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_the_lab_takes_for_no_name_is_refused_with_the_reason(name: str, says: str) -> None:
    for check in (shown_name, new_name):
        with pytest.raises(ValueError, match="the name ") as caught:
            check("name", name)
        assert says in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("name", [" a", "a ", ".", ".."])
def test_what_may_be_there_is_not_given_anew(name: str) -> None:
    assert shown_name("name", name) == name
    with pytest.raises(ValueError, match="the name "):
        new_name("name", name)


def test_what_can_be_an_alias_of_a_version() -> None:
    known = cases("aliases")
    assert [alias_name(text) for text in known["aliases"]] == known["aliases"]
    for text in known["others"]:
        with pytest.raises(ValueError, match="cannot be an alias"):
            alias_name(text)
