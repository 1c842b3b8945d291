"""`hectiqlab sync`."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..base.bars import FileBars
from ..base.texts import counted
from .completion import profiles, projects
from .output import clean

if TYPE_CHECKING:
    from ..uploader.sync import Order, SyncResult


@click.command("sync", short_help="Send what earlier scripts left here.")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--all", "everything", is_flag=True, help="Also wait for sessions whose scripts still run.")
@click.option("--watch", is_flag=True, help="Go on until interrupted: new sessions, and what living ones log.")
@click.option(
    "--to",
    metavar="PROFILE|URL",
    shell_complete=profiles,
    help="Send here what was kept for an address that was wrong, and what is of this lab; of SESSIONs that are named, "
    "all that no lab has yet.",
)
@click.option(
    "--as-new-runs",
    is_flag=True,
    help="With --to and SESSION: also to another lab than it was logged for, which makes the runs anew.",
)
@click.option(
    "-p",
    "--project",
    metavar="NAME",
    shell_complete=projects,
    help="Send to this project what the lab does not take into its own.",
)
@click.option(
    "--name", metavar="NAME", help="Send under this name a run of SESSION that the lab does not take as it is."
)
@click.option("--create-project", is_flag=True, help="Make a project that is missing.")
@click.option(
    "--host-gone",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="That machine, or its job, will not come back: give up what was in its memory.",
)
@click.option("--drop", is_flag=True, help="Delete what is left of SESSION instead of sending it; asks first.")
@click.option("--yes", is_flag=True, help="With --drop: do not ask.")
@click.pass_obj
def command(
    profile: str | None,
    sessions: tuple[str, ...],
    everything: bool,
    watch: bool,
    to: str | None,
    as_new_runs: bool,
    project: str | None,
    name: str | None,
    create_project: bool,
    hosts: tuple[str, ...],
    drop: bool,
    yes: bool,
) -> None:
    """Send to the lab what earlier scripts left on this machine, or other machines on a disk shared with it.

    SESSION is a name that `hectiqlab status` lists, or its beginning. Without SESSION, every session whose script has
    ended is sent, and what was kept while offline or because something was wrong, files too. In a terminal, there is a
    bar for each file and one for all of them. Waits until everything is in the lab; for scripts that still run, some
    seconds. If a session cannot be sent, it goes on with the next. If something stays behind, it fails in the end and
    says for each session what is wrong and what to do.

    What was kept because the address, the key or the profile was wrong is sent once that is corrected; if more than one
    lab may have been meant, --to says which. A lab is recognised by its id, also at another address. Another lab gets
    nothing that was logged for it unless you say so (--as-new-runs), and never a part of a run that it has.

    On a cluster whose compute nodes have no network, run it on a login node, with --watch to follow jobs as they log. A
    lab that was restored from a backup is sent again what is still kept of the last day.
    """
    from ..uploader.aim import Wishes, destination
    from ..uploader.redirect import Redirect
    from ..uploader.sync import Order, check_hosts, sync_sessions

    if name is not None and len(sessions) != 1:
        raise click.UsageError("--name is for the run of one session: name that SESSION.")
    if as_new_runs and not (to and sessions):
        raise click.UsageError("--as-new-runs makes runs anew at another lab: name that with --to, and the SESSION.")
    if drop:
        if not sessions:
            raise click.UsageError("--drop is for sessions that are named: name a SESSION.")
        _drop(list(sessions), yes)
        return
    where = to or profile
    wishes = Wishes(
        destination(where) if where else None, bool(sessions), as_new_runs, Redirect(project, name, create_project)
    )
    order = Order(hosts, wishes)
    if watch:
        check_hosts(hosts, lambda line: click.echo(line, err=True))
        result = _watch(list(sessions) or None, order)
    else:
        with FileBars() as bars:
            order = replace(
                order,
                report=bars.say,
                on_file=lambda request, sent: bars.update(request.id, request.name, request.size, sent),
            )
            result = sync_sessions(list(sessions) or None, order, all=everything)
    if result.sent_files or result.left_files:
        click.echo(f"Sent {counted(result.sent_files, 'file')}; {result.left_files:,} left.")
    click.echo(f"Sent {counted(result.sent_events, 'event')}; {result.left_events:,} left.")
    for error in result.errors:
        click.echo(f"Error: {error}", err=True)
    if result.errors or result.left_events or result.left_files:
        sys.exit(1)


def _drop(names: list[str], yes: bool) -> None:
    from ..uploader.report import session_report
    from ..uploader.sync import chosen, drop

    for session in chosen(names, True):
        report = session_report(session)
        what = f"{counted(report['backlog'], 'event')} and {counted(report['files_left'], 'file')}"
        what += f" of {' '.join(report['runs']) or 'no run'}"
        if yes or click.confirm(f"Delete session {session.name} with {clean(what)} that are at no lab?", err=True):
            drop(session)
            click.echo(f"Deleted session {session.name} with {clean(what)}.")


def _watch(sessions: list[str] | None, order: Order) -> SyncResult:
    """Send until Ctrl-C or SIGTERM; the leases are released then."""
    from ..uploader.follow import Follower

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    follower = Follower(sessions, replace(order, report=lambda line: click.echo(line, err=True)))
    try:
        click.echo("Following the sessions here; Ctrl-C ends it.", err=True)
        follower.run()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return follower.result()
