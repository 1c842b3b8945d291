"""For all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

from . import compiled
from .seeds import rng, rng_that_stays  # noqa: F401
from .skips import pytest_sessionfinish  # noqa: F401
from .stores import meta, points  # noqa: F401

# In a background job of a shell, which the scripts under test inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Images set it. `print` then writes the end of a line apart, and what a child process printed may come in between.
os.environ.pop("PYTHONUNBUFFERED", None)

# Tests say nothing about speed: a busy machine made single examples slower than hypothesis' own bound.
settings.register_profile("tests", settings.default, deadline=None)
settings.load_profile("tests")


compiled.share()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from the 400,000 objects that pytest has of all tests: they stay until
    the end.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
