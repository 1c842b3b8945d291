"""Return the command line of a program without the values of secrets, so that it may be shown."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence

HIDDEN = "***"
CHARS_MAX = 8192  # in a command line; the rest is left out
_SECRET = re.compile(
    r"(token|.*(hub|hf|access|auth|api|bearer)_?(token|key)|.*(password|passwd|secret|credential).*)", re.IGNORECASE
)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")


def command_line(words: Sequence[str]) -> str:
    """Return the words as a shell would read them, without the values of secrets."""
    text = shlex.join(shown(words)).replace(f"'{HIDDEN}'", HIDDEN)
    return text if len(text) <= CHARS_MAX else f"{text[: CHARS_MAX - 1]}…"


def own_words() -> list[str]:
    """Return the command line of this process: the name of its Python, options, script and arguments."""
    words = list(sys.orig_argv) or list(sys.argv)
    return [os.path.basename(words[0]), *words[1:]] if words else []


def shown(words: Sequence[str]) -> list[str]:
    """Return the words of a command line without the values of secrets."""
    parts, hide = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        secret = is_secret(name.lstrip("-+").replace("-", "_"))
        parts.append(HIDDEN if hide else f"{name}={HIDDEN}" if secret and equals else without_user(word))
        hide = secret and not equals and word.startswith("-")
    return parts


def is_secret(key: str) -> bool:
    return _SECRET.fullmatch(key.rpartition(".")[2]) is not None


def without_user(text: str) -> str:
    """Return the text without user names and passwords in addresses."""
    return _USER_IN_URL.sub(HIDDEN, text)
