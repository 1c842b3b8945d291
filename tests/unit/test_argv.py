"""Command lines are stored as they were typed, without the values of secrets."""

from __future__ import annotations

import shlex

import pytest

from pyhectiqlab.capture.argv import CHARS_MAX, command_line


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("python train.py --lr 0.1 'a b'", "python train.py --lr 0.1 'a b'"),
        ("train --hf-token abc --steps 3", "train --hf-token *** --steps 3"),
        ("train --password=abc api_key=abc token=", "train '--password=***' 'api_key=***' 'token=***'"),
        ("train --url https://me:abc@example.org/x", "train --url 'https://***@example.org/x'"),
        ("train --tokenizer abc --max-tokens 5", "train --tokenizer abc --max-tokens 5"),
    ],
)
def test_secrets_of_a_command_line_are_hidden(typed: str, stored: str) -> None:
    assert command_line(shlex.split(typed)) == stored


def test_a_long_command_line_is_cut() -> None:
    assert len(command_line(["train", *(str(n) for n in range(10_000))])) == CHARS_MAX
