"""hectiqlab admin shrink: rewrite databases of earlier versions, so that they can shrink."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..base.texts import size_text
from ..errors import ConfigurationError
from .lab_data import folder_of, folder_option, opened_lab


@click.command()
@folder_option
def shrink(data: Path | None) -> None:
    """Rewrite the databases of a stopped lab without their free pages.

    Only a lab that an earlier version made needs this, and only once: from then on its databases give free pages back
    by themselves, as those of new labs do. It takes some seconds per gigabyte, and the disk needs room for twice what
    is in use in the largest of them. If it is killed, the databases are as they were.
    """
    with opened_lab(folder_of(data)) as storage:
        if not storage.alone:
            raise ConfigurationError("The lab runs: stop it first, and start it again afterwards.")
        before = storage.sizes()
        for name in before:
            storage.shrink(name, lambda name=name: _progress(name))  # type: ignore[misc]
        _progress("")
        for name, size in storage.sizes().items():
            click.echo(f"{name} {size_text(before[name])} → {size_text(size)}")


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{what}{' … ' * bool(what)}", nl=False, err=True)
