"""Console capture: hand on what Python writes to stdout and stderr, which is still written there.

The stream object stays the same; only its `write` and `flush` are wrapped, on the object. So `isatty`, `encoding` and
`fileno` are those of the original, and code that took `sys.stderr` before, as logging's handlers do, is recorded too.
The layers below, `sys.stdout.buffer` and its `raw`, are wrapped likewise, for bytes that are written there directly.
What a layer writes into the one below it is recorded once. Text is handed on by lines, or when the stream is flushed,
in the order in which it was written. What C libraries and child processes print by themselves is not seen.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

HELD_CHARS_MAX = 1 << 13  # an unfinished line is handed on at this length

TEXT, BUFFER, RAW = 3, 2, 1  # layers of a stream, from the uppermost down

_inside = threading.local()  # `put`: nothing is recorded; `layer`: the uppermost one that writes just now


@contextlib.contextmanager
def _writing(layer: int) -> Iterator[bool]:
    """Note that a layer writes. Yield whether the call came from outside. If a layer above made it, the text is
    recorded already.
    """
    above = getattr(_inside, "layer", 0)
    _inside.layer = max(above, layer)
    try:
        yield above <= layer
    finally:
        _inside.layer = above


class Tee:
    """Hands on what is written to `stream` until `stop`. Raises AttributeError or TypeError if the stream cannot be
    wrapped.

    Args:
        put: called with each text after the stream took it. What `put` itself writes to the stream is not handed to it.
    """

    def __init__(self, stream: Any, put: Callable[[str], None]) -> None:
        self._stream, self._put_on = stream, put
        self._held: deque[str] = deque()  # appended to and emptied by single calls: safe between threads without a lock
        self._held_chars = 0
        self._pid = os.getpid()
        self._active = True
        self._wrapped: dict[str, tuple[Any, Any]] = {}  # name → (ours, what was there before)
        self._below: list[tuple[Any, str, Any, Any]] = []  # of the layers below: object, name, ours, what was there
        self.renew()
        self._wrap_below()

    def renew(self) -> None:
        """Wrap again if somebody put back what was there before us, as IPython does after every cell."""
        if self._active and (not self._wrapped or self._stream.__dict__.get("write") is not self._wrapped["write"][0]):
            self._wrap(self._stream.write, self._stream.flush)

    def _wrap(self, original_write: Any, original_flush: Any) -> None:
        def write(text: str, *more: Any) -> Any:
            with _writing(TEXT):
                answer = original_write(text, *more)
            if self._wrapped["write"][0] is write:  # no newer wrapper is around this one
                self._took(text)
            return answer

        def flush() -> Any:
            with _writing(TEXT):
                answer = original_flush()
            self.drain()
            return answer

        self._wrapped = {"write": (write, original_write), "flush": (flush, original_flush)}
        self._stream.write = write
        self._stream.flush = flush

    def _wrap_below(self) -> None:
        """Wrap the layers below. Streams of other kinds have no such layers, or layers that cannot be wrapped: these
        are not recorded.
        """
        with contextlib.suppress(Exception):  # a class of somebody else may raise anything
            buffer = self._stream.buffer
            raw = getattr(buffer, "raw", None)
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            for layer, below in ((BUFFER, buffer), (RAW, raw)):
                if below is not None:
                    decode = codecs.getincrementaldecoder(encoding)("replace").decode
                    self._wrap_bytes(layer, below, decode)

    def _wrap_bytes(self, layer: int, below: Any, decode: Callable[[bytes], str]) -> None:
        original_write, original_flush = below.write, below.flush

        def write(data: Any, *more: Any) -> Any:
            with _writing(layer) as asked:
                taken = original_write(data, *more)
            if asked and self._active:
                written = memoryview(data).cast("B")
                self._took(decode(bytes(written[:taken] if isinstance(taken, int) else written)))
            return taken

        def flush() -> Any:
            with _writing(layer) as asked:
                answer = original_flush()
            if asked:
                self.drain()
            return answer

        for name, ours, before in (("write", write, original_write), ("flush", flush, original_flush)):
            setattr(below, name, ours)
            self._below.append((below, name, ours, before))

    def _took(self, text: object) -> None:
        if not self._active or not isinstance(text, str) or getattr(_inside, "put", False):
            return
        if self._pid != os.getpid():  # in a forked child: the parent hands on what is held
            self._held, self._held_chars, self._pid = deque(), 0, os.getpid()
        self._held.append(text)
        self._held_chars += len(text)
        if "\n" in text or self._held_chars > HELD_CHARS_MAX:
            self.drain()

    def drain(self) -> None:
        """Hand on what is held, even an unfinished line."""
        if self._pid != os.getpid() or getattr(_inside, "put", False):
            return
        texts: list[str] = []
        while True:
            try:
                texts.append(self._held.popleft())
            except IndexError:
                break
        self._held_chars = 0
        if texts:
            with unrecorded():
                self._put_on("".join(texts))

    def stop(self) -> None:
        """Unwrap the stream. Safe twice. If somebody wrapped the stream after us, our wrapper stays below theirs and
        does nothing.
        """
        if not self._active:
            return
        self.drain()
        self._active = False
        for name, (wrapper, _original) in self._wrapped.items():
            if self._stream.__dict__.get(name) is wrapper:
                delattr(self._stream, name)
                if getattr(self._stream, name) != _original:  # before us, it was an attribute of the object, too
                    setattr(self._stream, name, _original)
        for below, name, wrapper, original in reversed(self._below):
            if below.__dict__.get(name) is wrapper:
                delattr(below, name)
                if getattr(below, name) != original:
                    setattr(below, name, original)


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Have no tee record what this thread writes meanwhile: texts that are recorded already."""
    before = getattr(_inside, "put", False)
    _inside.put = True
    try:
        yield
    finally:
        _inside.put = before
