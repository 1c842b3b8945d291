"""Messages to a script's user: one line to stderr, where all our output goes."""

from __future__ import annotations

from ..base.stderr import write_stderr

_said: set[str] = set()


def say(text: str) -> None:
    """Write one line. Never raises: stderr may be closed."""
    write_stderr(f"hectiqlab: {text}\n")


def say_once(text: str) -> None:
    """Write the line unless this process did before."""
    if text not in _said:
        _said.add(text)
        say(text)
