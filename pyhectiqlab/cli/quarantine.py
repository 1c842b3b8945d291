"""`hectiqlab quarantine`: show, put back or delete what was put aside because a lab does not take it any more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..base.texts import counted
from .output import clean, echo_json, json_option, table

if TYPE_CHECKING:
    from ..uploader.quarantine import Aside


@click.group("quarantine", invoke_without_command=True, short_help="Show what no lab takes any more; put it back.")
@json_option("a JSON list of objects")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what was put aside: what was logged for a run that was deleted at the lab, events that the lab refused, and
    damaged segments of journals.

    If the run was restored, `hectiqlab quarantine restore` puts back what belongs to it, and `hectiqlab sync` sends
    that.
    """
    if ctx.invoked_subcommand is not None:
        return
    from ..uploader.report import quarantined

    contents = _contents()
    if as_json:
        echo_json([quarantined(aside) for aside in contents])
        return
    if not contents:
        click.echo("The quarantine is empty.")
        return
    table(("session", "runs", "why", "what", "folder"), (_row(aside) for aside in contents))
    click.echo(
        "Put it back with `hectiqlab quarantine restore`, or delete it with `hectiqlab quarantine drop SESSION`."
    )


@command.command("restore")
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
def restore(sessions: tuple[str, ...]) -> None:
    """Put back into the spool what was put aside of SESSION, or of all sessions; `hectiqlab sync` then sends it.

    Events of a run that is still deleted come back here when they are sent. Damaged segments stay.
    """
    from ..errors import ConfigurationError
    from ..uploader.restore import restore as put_back

    failed = False
    events = files = 0
    for aside in _chosen(sessions):
        try:
            its = put_back(aside.path.parent.parent / "spool", aside)
        except (ConfigurationError, OSError) as e:
            click.echo(f"Error: {e}", err=True)
            failed = True
            continue
        events, files = events + its[0], files + its[1]
    done = f"Put back {counted(events, 'event')} and {counted(files, 'file')}."
    click.echo(done + (" `hectiqlab sync` sends them." * bool(events or files)))
    if failed:
        sys.exit(1)


@command.command("drop")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(sessions: tuple[str, ...], yes: bool) -> None:
    """Delete for good what was put aside of SESSION."""
    from ..uploader import quarantine

    for aside in _chosen(sessions):
        if yes or click.confirm(f"Delete {aside.text()} of session {aside.session}?", err=True):
            quarantine.drop(aside)
            click.echo(f"Deleted {aside.text()} of session {aside.session}.")


def _contents() -> list[Aside]:
    from ..uploader import quarantine

    return quarantine.everywhere()


def _chosen(names: tuple[str, ...]) -> list[Aside]:
    """Return the sessions whose names begin with one of `names`; all if none is named."""
    from ..errors import ConfigurationError

    contents = _contents()
    if not names:
        return contents
    chosen = []
    for name in names:
        matches = [aside for aside in contents if aside.session.startswith(name)]
        if len(matches) != 1:
            count = counted(len(matches), "session")
            raise ConfigurationError(f"{count} in the quarantine are named {name!r}: see `hectiqlab quarantine`.")
        chosen += matches
    return chosen


def _row(aside: Aside) -> tuple[str, ...]:
    why = " ".join(f"{reason or 'unknown'}={count}" for reason, count in aside.reasons.items())
    return aside.session, clean(" ".join(aside.runs)) or "-", why or "-", aside.text(), str(aside.path)
