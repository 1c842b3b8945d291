"""`hectiqlab version`."""

from __future__ import annotations

import click

from .._version import __version__


@click.command("version")
def command() -> None:
    """Print the version of this package."""
    click.echo(__version__)
