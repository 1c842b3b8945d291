"""Name the project that a command is about: by its argument PROJECT, or by -p PROJECT, which all commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .completion import projects

option: Callable[[Any], Any] = click.option(
    "-p",
    "--project",
    "by_option",
    metavar="PROJECT",
    shell_complete=projects,
    help="The same as the argument PROJECT.",
)


def place_of(argument: str | None, by_option: str | None) -> str | None:
    if argument is not None and by_option is not None:
        raise click.UsageError("Name the project once: as an argument or with -p.")
    return argument if argument is not None else by_option
