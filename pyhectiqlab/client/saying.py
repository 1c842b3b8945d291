"""Messages to a script's user: one line to stderr, where all our output goes."""

from __future__ import annotations

import contextlib
import sys

_said: set[str] = set()


def say(text: str) -> None:
    """Write one line. Never raises: stderr may be closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"hectiqlab: {text}\n")  # at once: another thread may have something to say, too
        sys.stderr.flush()


def say_once(text: str) -> None:
    """Write the line unless this process did before."""
    if text not in _said:
        _said.add(text)
        say(text)
