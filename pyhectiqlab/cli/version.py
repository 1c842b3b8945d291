"""`hectiqlab version`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from .._version import __version__
from ..base.installing import upgrade_advice
from ..protocol import limits

GIT_TIMEOUT_S = 5.0


@click.command("version")
@click.option("-v", "--verbose", is_flag=True, help="Also the commit, the protocol, the schemas, how to upgrade.")
def command(verbose: bool) -> None:
    """Print the version of this package."""
    click.echo(__version__)
    if not verbose:
        return
    package = Path(__file__).parents[1]
    click.echo(f"Installed in {package}")
    if commit := _commit(package.parent):
        click.echo(f"Commit: {commit}")
    click.echo(f"Protocol: {limits.PROTOCOL_MIN} to {limits.PROTOCOL_VERSION}")
    try:
        from ..store.upgrading import CURRENT
    except ImportError:
        click.echo("The lab is not installed, or lacks packages of this version.")
        extra = ""
    else:
        extra = "server"
        click.echo(f"Schemas: {CURRENT.meta} of lab.db, {CURRENT.points} of points.db")
    click.echo(f"To upgrade: {upgrade_advice(extra)}")


def _commit(clone: Path) -> str:
    """Return the commit of the clone that it runs in, with its tag if it has one; "": it runs in no clone."""
    if not (clone / "setup.cfg").is_file():
        return ""
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--tags", "--match", "v*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
