"""A group of commands whose modules are loaded when they are called."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click


class LazyGroup(click.Group):
    """Args: commands: name → module:attribute in this package, in the order of the help."""

    def __init__(self, *args: Any, commands_in: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._in)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = difflib.get_close_matches(args[0].replace("_", "-"), self._in, n=1)
            if near and not args[0].startswith("-"):
                raise click.UsageError(f"There is no command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from None
            raise

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        where = self._in.get(name.replace("_", "-"))  # scripts of the first client spell it add_profile
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        return command
