"""Stderr: how a text of ours is written there without harm to the program where stderr is closed, full or broken.

What Python could not write stays in the buffer of `sys.stderr`. Python tries again when the program ends, and where
that fails, too, the program ends with exit status 120.
"""

from __future__ import annotations

import contextlib
import io
import sys


def write_stderr(text: str) -> None:
    """Write a text to `sys.stderr` at once, past its buffer, so that nothing of it stays there. Never raises."""
    stream = sys.stderr
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if type(stream) is io.TextIOWrapper and isinstance(stream.buffer, io.BufferedWriter):
            stream.flush()  # what the program wrote comes first; where that fails, ours would, too
            left = memoryview(text.encode(stream.encoding, "backslashreplace"))
            while left:  # a signal may end a write early
                left = left[stream.buffer.raw.write(left) or len(left) :]  # None: a pipe that is full and does not wait
        else:  # a notebook, a stream of somebody else, or one without a buffer
            stream.write(text)
            stream.flush()
