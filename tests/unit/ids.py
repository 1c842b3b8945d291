"""Names of parametrized tests that are the same in every process: those that run in two need that."""

from __future__ import annotations

import re


def named(value: object) -> str:
    return re.sub(r" object at 0x[0-9a-f]+", "", repr(value))
