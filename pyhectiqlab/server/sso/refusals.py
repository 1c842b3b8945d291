"""Why a login by single sign-on is refused: a word for the login page, and more for the lab's log.

The page has a sentence for each word.
"""

from __future__ import annotations

from typing import Literal, get_args

from ...base.texts import clean

Why = Literal[
    "unreachable",  # the provider does not answer
    "misconfigured",  # the lab's options and the provider do not fit each other
    "clock",  # the clocks of the provider and of the lab differ
    "audience",  # the token is for another client
    "untrusted",  # the token is not what the provider would send for this login
    "stale",  # no such login is under way in this browser
    "denied",  # the provider let nobody in
    "no_group",  # in no group that may use the lab
    "no_name",  # the provider gives no name that a user could have
    "name_taken",  # somebody else has the name
    "no_account",  # not a user, and the lab makes none by itself
    "disabled",  # the user is disabled
    "throttled",  # too many failures from this address
    "off",  # the lab has no single sign-on
]
CHARS_MAX = 500
ALL: tuple[str, ...] = get_args(Why)


class RefusedError(Exception):
    """`why` is for the person; the text is one line, for whoever runs the lab."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(clean(" ".join(text.split()))[:CHARS_MAX])  # it may quote what a stranger sent
        self.why = why
