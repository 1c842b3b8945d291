"""`hectiqlab sync`."""

from __future__ import annotations

import sys

import click

from ..bars import FileBars


@click.command("sync", short_help="Send what earlier scripts left here.")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--all", "everything", is_flag=True, help="Also sessions whose scripts still run.")
def command(sessions: tuple[str, ...], everything: bool) -> None:
    """Send to the lab what earlier scripts left on this machine.

    Without SESSION (`hectiqlab status` lists them; the beginning of a name is enough): every session whose script has
    ended, and what was logged offline or in dry mode; files too, with a bar for each and for all of them in a terminal.
    Waits until all of it is there; fails, saying why, where something stays behind.
    """
    from ..uploader.sync import sync_sessions

    with FileBars() as bars:
        result = sync_sessions(
            list(sessions) or None,
            all=everything,
            report=bars.say,
            on_file=lambda request, sent: bars.update(request.id, request.name, request.size, sent),
        )
    if result.sent_files or result.left_files:
        click.echo(f"Sent {result.sent_files:,} files; {result.left_files:,} left.")
    click.echo(f"Sent {result.sent_events:,} events; {result.left_events:,} left.")
    for error in result.errors:
        click.echo(f"Error: {error}", err=True)
    if result.errors or result.left_events or result.left_files:
        sys.exit(1)
