"""For all tests."""

from __future__ import annotations

import signal

from .seeds import rng, rng_that_stays  # noqa: F401
from .stores import meta, points  # noqa: F401

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background job: the scripts under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
