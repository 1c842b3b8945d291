"""The page that lists these tests."""

from __future__ import annotations

from .page import PAGE, page


def test_the_page_of_compatibility_is_what_the_tests_say() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.standins.page"
