"""The parts of an unfinished upload to a bucket: which of its objects count, and how they are joined."""

from __future__ import annotations

import random

import pytest

from pyhectiqlab.store.s3.parts import PARTS_MAX, Part, Sizes, chain, part_of

SIZES = Sizes(10)


def part(number: int, size: int, nonce: str = "n") -> Part:
    return Part(number, nonce, size)


def test_full_parts_are_followed_up_to_the_first_that_is_missing() -> None:
    parts = chain([part(3, 10), part(1, 10), part(0, 10)], SIZES)
    assert [p.number for p in parts.full] == [0, 1] and parts.tail is None and parts.offset == 20


def test_the_longest_tail_counts_and_a_full_part_more_than_any() -> None:
    parts = [part(0, 10), part(1, 3, "a"), part(1, 7, "b"), part(1, 5, "c")]
    chosen = chain(parts, SIZES)
    assert chosen.tail == part(1, 7, "b") and chosen.offset == 17
    assert {p.nonce for p in chosen.passed} == {"a", "c"}
    chosen = chain([*parts, part(1, 10, "d"), part(2, 1)], SIZES)
    assert chosen.full[1].nonce == "d" and chosen.offset == 21


def test_all_processes_choose_the_same_of_several_parts(rng: random.Random) -> None:
    parts = [part(number, rng.choice([4, 10]), nonce) for number in range(4) for nonce in "abc"]
    wanted = chain(parts, SIZES)
    for _ in range(20):
        rng.shuffle(parts)
        assert chain(parts, SIZES) == wanted


def test_the_offset_never_falls_whatever_is_added_and_whichever_passed_tail_goes(rng: random.Random) -> None:
    for _ in range(200):
        parts: list[Part] = []
        offset = 0
        for n in range(30):
            chosen = chain(parts, SIZES)
            number = len(chosen.full)
            parts.append(part(number, rng.randint(1, 10), f"{n:02}"))
            if rng.random() < 0.5:
                parts = [p for p in parts if p not in chain(parts, SIZES).passed]
            assert chain(parts, SIZES).offset >= offset
            offset = chain(parts, SIZES).offset


def test_part_sizes_grow_so_that_ten_thousand_hold_a_large_file() -> None:
    sizes = Sizes()
    assert sizes.full_bytes(0) == sizes.full_bytes(999) == 8 << 20 and sizes.full_bytes(1000) == 16 << 20
    assert sizes.largest == sum(map(sizes.full_bytes, range(PARTS_MAX)))
    assert sizes.largest > 429 << 30


@pytest.mark.parametrize("name", ["", "readme", "x-abc", "12", "12-", "-abc"])
def test_what_is_no_part_is_none(name: str) -> None:
    assert part_of(name, 10) is None


def test_a_part_is_read_back_from_its_name() -> None:
    made = Part(12, "00ff", 7)
    assert part_of(made.name, 7) == made
