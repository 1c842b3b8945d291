"""hectiqlab admin notify, mail-server: choose who is told when a run fails, is lost or ends."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

import click

from ..errors import ConfigurationError
from ..store.notices import LAB, NOTICE_STATES, Target, states_of
from .lab_data import change_noted, data_option, opened_lab
from .output import clean, echo_json, json_option, moment, table

_MAIL = re.compile(r"mailto:[^\s@,;<>]+@[^\s@,;<>]+")
_SCHEMES = ("smtp", "smtps", "smtp+starttls")


@click.group()
def notify() -> None:
    """Tell people when a run fails, is killed, lost, stopped, or completed.

    A running lab applies changes within seconds. A notice that cannot be delivered is tried again, for about 17 hours.
    """


@notify.command()
@click.argument("address")
@click.option("--project", metavar="NAME", help="Only of this project's runs.")
@click.option(
    "--on", "words", metavar="STATES", default="", help=f"By commas, of {', '.join(NOTICE_STATES)}.  [default: all]"
)
@data_option
def add(address: str, project: str | None, words: str, data: Path | None) -> None:
    """Send notices about runs to ADDRESS, or with `--on lab` about the lab itself: that its disk runs full, or is full.

    It is a URL that takes a POST of JSON, such as a chat's incoming webhook, or mailto:NAME@HOST.

    Prints the secret that signs what is posted: the header Hectiqlab-Signature is "sha256=" and the HMAC-SHA256 of the
    body, in hex.
    """
    if not _MAIL.fullmatch(address) and not _is_url(address, ("http", "https")):
        raise click.UsageError(f"{address!r} is neither an http or https URL nor mailto:NAME@HOST.")
    from ..server.tending.notifier import safe

    try:
        on = states_of([word.strip() for word in words.split(",") if word.strip()])
    except ValueError as e:
        raise click.UsageError(f"--on: {e}.") from None
    if project is not None and LAB in on:
        raise click.UsageError("--on lab concerns the whole lab: leave --project out.")
    with opened_lab(data) as storage:
        project_id = None
        if project is not None:
            with storage.meta.reading() as view:
                row = view.project(project)
            if row is None:
                raise ConfigurationError(f"No project is named {project!r}: see `hectiqlab projects`.")
            project_id = row.id
        target = Target(secrets.token_hex(4), address, project_id, project, on, secrets.token_urlsafe(24), time.time())
        with storage.meta.writing() as tx:
            tx.add_target(target)
            tx.note_changes([change_noted("added a notice", f"target {target.id}", f"to {safe(address)}")])
    of = [f"runs that are {', '.join(state for state in on if state != LAB)}"] if set(on) - {LAB} else []
    click.echo(f"{target.id} gets notices of {' and of '.join(of + ['the lab itself'] * (LAB in on))}.")
    if not address.startswith("mailto:"):
        click.echo(f"Secret of its signatures: {target.secret}")


@notify.command(name="list")
@json_option("a JSON list of objects")
@data_option
def list_targets(data: Path | None, as_json: bool) -> None:
    """List who gets which notices, and whether they arrive."""
    from ..server.tending.notifier import safe

    with opened_lab(data) as storage, storage.meta.reading() as view:
        targets = view.targets()
    if as_json:
        names = ("project", "states", "waiting", "created", "delivered", "failed", "error")
        shown = ({name: getattr(target, name) for name in names} for target in targets)
        echo_json([{"id": t.id, "address": safe(t.address), **its} for t, its in zip(targets, shown, strict=True)])
        return
    table(
        ("id", "address", "project", "on", "waiting", "last"),
        [
            (t.id, clean(safe(t.address)), t.project or "(all)", ",".join(t.states), str(t.waiting), _last(t))
            for t in targets
        ],
    )


def _last(target: Target) -> str:
    """Return how the last delivery went."""
    if target.failed is not None:
        return f"failed {moment(target.failed)}: {clean(target.error)}"
    return f"delivered {moment(target.delivered)}" if target.delivered is not None else "nothing yet"


@notify.command()
@click.argument("target")
@data_option
def remove(target: str, data: Path | None) -> None:
    """Send no more notices to TARGET (an id of the list)."""
    with opened_lab(data) as storage, storage.meta.writing() as tx:
        known = tx.remove_target(target)
        if known:
            tx.note_changes([change_noted("removed a notice", f"target {target}")])
    if not known:
        raise _unknown(target)
    click.echo(f"{target} gets no more notices.")


@notify.command()
@click.argument("target")
@data_option
def test(target: str, data: Path | None) -> None:
    """Send a test notice to TARGET (an id of the list) now, and say whether it arrived."""
    from ..server.tending.notifier import MAIL_SERVER, Undelivered, deliver

    with opened_lab(data) as storage:
        with storage.meta.reading() as view:
            its = next((t for t in view.targets() if t.id == target), None)
            server = view.lab_value(MAIL_SERVER)
        if its is None:
            raise _unknown(target)
        error = None
        try:
            deliver(its, {"id": 0, "text": "A test of the lab's notices.", "state": "test", "url": ""}, server)
        except Undelivered as e:
            error = str(e)
        with storage.meta.writing() as tx:
            tx.target_tried(target, time.time(), error)
    if error is not None:
        raise ConfigurationError(f"It did not get through: {error}.")
    click.echo("Delivered.")


@notify.command()
@data_option
def mute(data: Path | None) -> None:
    """Send no notices until `unmute`. Notices of what happens meanwhile are not sent later, either."""
    with opened_lab(data) as storage, storage.meta.writing() as tx:
        tx.mute_notices(time.time())
        tx.note_changes([change_noted("muted", "notices")])
    click.echo("No notices are sent until `hectiqlab admin notify unmute`.")


@notify.command()
@data_option
def unmute(data: Path | None) -> None:
    """Send notices again, for example from a lab that was restored from a backup and replaces the old one."""
    with opened_lab(data) as storage, storage.meta.writing() as tx:
        tx.mute_notices(None)
        tx.note_changes([change_noted("unmuted", "notices")])
    click.echo("Notices are sent from now on.")


@click.command(name="mail-server")
@click.argument("url")
@data_option
def mail_server(url: str, data: Path | None) -> None:
    """Send mail through URL: smtp://HOST:25, smtps://USER:PASSWORD@HOST:465 or smtp+starttls://USER:PASSWORD@HOST:587.

    `?from=NAME@HOST` behind it is the sender. A % or @ in the password is written as %25 or %40.
    """
    if not _is_url(url, _SCHEMES):
        raise click.UsageError(f"That is not a URL of {', '.join(f'{s}://' for s in _SCHEMES)}.")
    from ..server.tending.notifier import MAIL_SERVER

    with opened_lab(data) as storage, storage.meta.writing() as tx:
        tx.set_lab_value(MAIL_SERVER, url)
        tx.note_changes([change_noted("set the mail server", str(urlsplit(url).hostname))])
    click.echo(f"Mail goes through {urlsplit(url).hostname}.")


def _unknown(target: str) -> ConfigurationError:
    return ConfigurationError(f"No target of notices has the id {target!r}: see `hectiqlab admin notify list`.")


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or not all(0 < len(label) <= 63 for label in parts.hostname.rstrip(".").split(".")):
        return False
    return parts.scheme in schemes and port != 0 and text.isprintable() and " " not in text
