"""The command line of a program, as the config of a run: `--lr 0.1`, `--model=x`, `key=value`. No I/O."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..capture.argv import HIDDEN, is_secret, without_user

_SCRIPT = re.compile(r".*\.(py|sh|bash|R|jl|pl|rb|lua|js|ipynb)")
_ASSIGNMENT = re.compile(r"\+{0,2}[A-Za-z_][\w./-]*=.*", re.DOTALL)
_OPTION = re.compile(r"--?[A-Za-z][^=\s]*")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_SHELLS_AND_INTERPRETERS = re.compile(r"(ba|da|z|k|fi)?sh|python[\d.]*")


def config_of(command: Sequence[str]) -> dict[str, Any]:
    """Return the config that a command line states, nested where names have dots. Values of secrets are hidden.

    Options of a launcher, such as torchrun's, which stand before the script, are no config. What cannot be read as an
    option or an assignment is left out.
    """
    config: dict[str, Any] = {}
    for name, values in _options(_arguments(command)):
        key = name.lstrip("-+").replace("-", "_")
        plain = [value_of(text) for text in values]
        value = True if not plain else plain[0] if len(plain) == 1 else plain
        _put(config, key.split("."), HIDDEN if is_secret(key) and values else value)
    return config


def value_of(text: str) -> Any:
    """Return a number, a bool, None, a JSON list or object; anything else as the text it is."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return without_user(text)


def script_of(command: Sequence[str]) -> str | None:
    """Return the script's file that a command line names."""
    return next((word for word in command if _SCRIPT.fullmatch(word) and os.path.isfile(word)), None)


def _arguments(command: Sequence[str]) -> Sequence[str]:
    """Return the words behind the script, or behind `-m module`; where there is neither, all behind the program."""
    program = os.path.basename(command[0])
    if _SHELLS_AND_INTERPRETERS.fullmatch(program) and "-c" in command:
        return ()
    for at, word in enumerate(command):
        if _SCRIPT.fullmatch(word) and (at or "/" in word or os.path.isfile(word)):
            return command[at + 1 :]
    modules = [at for at, word in enumerate(command[:-1]) if word in ("-m", "--module")]
    return command[modules[-1] + 2 :] if modules else command[1:]


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each option or assignment with its values."""
    name, values = "", list[str]()
    for word in words:
        option = _OPTION.fullmatch(word.partition("=")[0]) is not None and not word.startswith("=")
        assigned = _ASSIGNMENT.fullmatch(word) is not None
        if not option and not assigned:
            if name:
                values.append(word)
            continue
        if name:
            yield name, values
        name, values = "", []
        if "=" in word:
            key, _, value = word.partition("=")
            yield key, [value]
        elif word != "--":
            name = word
    if name:
        yield name, values


def _put(config: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        below = config.get(name)
        config[name] = config = below if isinstance(below, dict) else {}
    if path[-1]:
        config[path[-1]] = value
