"""`hectiqlab version`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import click

from .._version import __version__
from ..base.installing import upgrade_advice
from ..protocol import limits
from .output import echo_json, json_option

GIT_TIMEOUT_S = 5.0


@click.command("version")
@click.option("-v", "--verbose", is_flag=True, help="Also the commit, the protocol, the schemas, how to upgrade.")
@json_option("a JSON object, with all of it")
def command(verbose: bool, as_json: bool) -> None:
    """Print the version of this package."""
    if as_json:
        echo_json(_facts())
        return
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


def _facts() -> dict[str, Any]:
    package = Path(__file__).parents[1]
    facts: dict[str, Any] = {
        "version": __version__,
        "folder": str(package),
        "commit": _commit(package.parent) or None,
        "protocol_min": limits.PROTOCOL_MIN,
        "protocol_max": limits.PROTOCOL_VERSION,
        "schemas": None,
    }
    try:
        from ..store.upgrading import CURRENT
    except ImportError:
        return {**facts, "upgrade": upgrade_advice("")}
    schemas = {"meta": CURRENT.meta, "points": CURRENT.points}
    return {**facts, "schemas": schemas, "upgrade": upgrade_advice("server")}


def _commit(clone: Path) -> str:
    """Return the commit of the git clone that this package runs in, with its tag if it has one; "" outside a clone."""
    if not (clone / "setup.cfg").is_file():
        return ""
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--tags", "--match", "v*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
