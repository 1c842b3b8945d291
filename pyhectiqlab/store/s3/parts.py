"""The parts of an unfinished upload: objects `uploads/<id>/<number>-<nonce>`.

Their names and sizes are all that a process has to know of the upload. No I/O.

Part number k is full if it has exactly `full_bytes(k)` bytes. A shorter one is a tail, and nothing comes after it. An
object is never replaced: another process that receives the same bytes writes another object of the same number. Of
several, all processes choose the same one: a full part before a tail, a longer tail before a shorter one. So every
process knows all that any process acknowledged, and the offset never goes down.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

PART_BYTES = 8 << 20  # a file's piece in one request of our client; S3 takes no less than 5 MiB
GROWS_EVERY = 1000  # S3 joins at most 10,000 parts, so each thousand parts are larger than the thousand before
PARTS_MAX = 10_000


@dataclass(frozen=True)
class Part:
    number: int
    nonce: str
    bytes: int

    @property
    def name(self) -> str:
        return f"{self.number:05d}-{self.nonce}"


@dataclass(frozen=True)
class Sizes:
    """How large the parts are. After a change, uploads that are under way begin anew.

    Attributes:
        part: bytes of each of the first GROWS_EVERY parts.
    """

    part: int = PART_BYTES

    def full_bytes(self, number: int) -> int:
        return self.part * (1 + number // GROWS_EVERY)

    @property
    def largest(self) -> int:
        """Bytes of the largest file: 429 GiB."""
        steps = PARTS_MAX // GROWS_EVERY
        return self.part * GROWS_EVERY * steps * (steps + 1) // 2


SIZES = Sizes()


@dataclass(frozen=True)
class Chain:
    """What an upload has: full parts without a gap, and perhaps a tail.

    Attributes:
        passed: shorter tails of the same number, which are not used.
    """

    full: tuple[Part, ...]
    tail: Part | None
    passed: tuple[Part, ...]

    @property
    def offset(self) -> int:
        return sum(part.bytes for part in self.full) + (self.tail.bytes if self.tail is not None else 0)


def new_part(number: int, size: int) -> Part:
    return Part(number, secrets.token_hex(8), size)


def part_of(name: str, size: int) -> Part | None:
    """Return the part that an object of this name is; None: it is none of ours."""
    number, _, nonce = name.partition("-")
    return Part(int(number), nonce, size) if number.isdecimal() and nonce else None


def chain(parts: Iterable[Part], sizes: Sizes) -> Chain:
    """Return the chain of these parts, which come in any order."""
    by_number: dict[int, list[Part]] = {}
    for part in parts:
        by_number.setdefault(part.number, []).append(part)
    full: list[Part] = []
    while candidates := by_number.get(len(full)):
        size = sizes.full_bytes(len(full))
        whole = [part for part in candidates if part.bytes == size]
        if not whole:
            tails = sorted((p for p in candidates if p.bytes < size), key=lambda part: (-part.bytes, part.nonce))
            return Chain(tuple(full), tails[0] if tails else None, tuple(tails[1:]))
        full.append(min(whole, key=lambda part: part.nonce))
    return Chain(tuple(full), None, ())
