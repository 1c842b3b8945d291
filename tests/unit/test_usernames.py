"""Names of users: one person, one name, and nobody who is read as somebody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.protocol.usernames import folded, new_username, skeleton


@pytest.mark.parametrize(
    "name", ["ada", "Ada Lovelace", "ada.l-2_x@y.org", "Zoë", "山田 太郎", "ada山田", "Андрей", "محمد", "김철수"]
)
def test_ordinary_names_are_taken_as_they_are(name: str) -> None:
    assert new_username(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ada", "ada ", "a  b", "a\u00a0b", "a:b", "a/b", "..", "ada\u200b", "ada\u202e", "a\ufe0f", "ad\u0430",
     "ａｄａ", "𝐚𝐝𝐚", "😀", "a\u034fb", "a\u3164b", "ﬁ", "a\tb", "αda"],
)  # fmt: skip
def test_what_could_be_mistaken_or_not_be_seen_is_no_new_name(name: str) -> None:
    with pytest.raises(ValueError):
        new_username(name)


def test_a_name_that_comes_decomposed_is_composed() -> None:
    assert new_username("Zoe\u0308") == "Zoë"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("ada", "ADA"),
        ("ada", " ada "),
        ("a b", "a\u00a0 b"),
        ("ada", "ａｄａ"),
        ("ada", "a\u200bda"),
        ("straße", "STRASSE"),
    ],
)
def test_ways_to_write_one_name_are_one(a: str, b: str) -> None:
    assert folded(a) == folded(b) and skeleton(a) == skeleton(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [("ada", "аԁа"), ("Alice", "AIice"), ("bob", "b0b"), ("paul", "pau1"), ("modern", "modem"), ("HERA", "НЕRА"),
     ("coco", "сосо"), ("ina", "ına"), ("PAX", "ΡΑΧ")],
)  # fmt: skip
def test_names_that_are_read_as_the_same_have_one_skeleton(a: str, b: str) -> None:
    assert folded(a) != folded(b) and skeleton(a) == skeleton(b)


@pytest.mark.parametrize(("a", "b"), [("kai", "kal"), ("ada", "ida"), ("ada", "adá"), ("a-b", "a_b"), ("lia", "ila")])
def test_names_that_differ_stay_two(a: str, b: str) -> None:
    assert skeleton(a) != skeleton(b)


@given(st.text(max_size=20))
def test_folding_again_changes_nothing_and_case_does_not_count(name: str) -> None:
    assert folded(folded(name)) == folded(name)
    try:
        taken = new_username(name)
    except ValueError:
        return
    assert new_username(taken) == taken and folded(taken.lower()) == folded(taken)
