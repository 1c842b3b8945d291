"""Seeds of tests that draw at random: one that stays, and outside CI today's for quick tests, which tries others.

A test that fails prints its seed. `HECTIQLAB_TEST_SEED=N scripts/test tests/…` draws the same again, on any day.
"""

from __future__ import annotations

import os
import time
from random import Random

import pytest

VARIABLE = "HECTIQLAB_TEST_SEED"
STAYS = 20261123
TODAY = os.environ.setdefault(
    "HECTIQLAB_TEST_TODAY", time.strftime("%Y%m%d", time.gmtime())
)  # for pytest's workers, too


def seeds() -> list[int]:
    """Return that of the variable, else the one that stays and today's. CI has the one that stays."""
    given = os.environ.get(VARIABLE)
    if given:
        return [int(given)]
    return [STAYS] if in_ci() else [STAYS, int(TODAY)]


def examples(number: int) -> int:
    """Return how many random cases a test tries: a third of them in CI."""
    return -(-number // 3) if in_ci() else number


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


def _printed(seed: int) -> Random:
    print(f"{VARIABLE}={seed}")  # pytest shows it where the test fails
    return Random(seed)


@pytest.fixture(params=seeds(), ids=lambda seed: f"seed={seed}")
def rng(request: pytest.FixtureRequest) -> Random:
    """Return random numbers. The test is run for each seed."""
    return _printed(request.param)


@pytest.fixture
def rng_that_stays() -> Random:
    """Return the same random numbers every day, for tests that take long."""
    return _printed(seeds()[0])
