"""`hectiqlab sync`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..bars import FileBars

if TYPE_CHECKING:
    from ..uploader.sync import SyncResult


@click.command("sync", short_help="Send what earlier scripts left here.")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--all", "everything", is_flag=True, help="Also sessions whose scripts still run.")
@click.option("--watch", is_flag=True, help="Go on until interrupted: new sessions, and what living ones log.")
@click.option(
    "--host-gone",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="That machine, or its job, will not come back: give up what was in its memory.",
)
def command(sessions: tuple[str, ...], everything: bool, watch: bool, hosts: tuple[str, ...]) -> None:
    """Send to the lab what earlier scripts left on this machine, or other machines on a disk shared with it.

    Without SESSION (`hectiqlab status` lists them; the beginning of a name is enough): every session whose script has
    ended, and what was logged offline or in dry mode; files too, with a bar for each and for all of them in a terminal.
    Waits until all of it is there. Goes on past a session that cannot be sent; fails in the end, saying what is wrong
    with each, where something stays behind.

    On a cluster whose compute nodes have no network, run it on a login node, with --watch to follow jobs as they log. A
    lab that was restored from a backup gets once more what is still kept of the last day.
    """
    from ..uploader.sync import sync_sessions

    if watch:
        result = _watch(list(sessions) or None, hosts)
    else:
        with FileBars() as bars:
            result = sync_sessions(
                list(sessions) or None,
                all=everything,
                hosts_gone=hosts,
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


def _watch(sessions: list[str] | None, hosts: tuple[str, ...]) -> SyncResult:
    """Until Ctrl-C or SIGTERM; its leases are released then."""
    from ..uploader.follow import Follower

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    follower = Follower(sessions, hosts_gone=hosts, report=lambda line: click.echo(line, err=True))
    try:
        click.echo("Following the sessions here; Ctrl-C ends it.", err=True)
        follower.run()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return follower.result()
