"""hectiqlab admin user keys, add-key, revoke-key, hand-over, delete: what people leave behind, and service accounts."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.texts import counted
from ..errors import ConfigurationError
from .lab_data import change_noted, data_option
from .output import clean, echo_json, json_option, moment, table
from .users import found_user, opened_accounts

if TYPE_CHECKING:
    from ..store.accounts import HandedOver


@click.command("keys")
@click.argument("name")
@json_option("a JSON list of objects")
@data_option
def keys(name: str, as_json: bool, data: Path | None) -> None:
    """List the API keys of a user that are not revoked."""
    with opened_accounts(data) as (storage, _), storage.meta.reading() as view:
        its_keys = view.keys(found_user(view, name).id)
    if as_json:
        echo_json([asdict(key) for key in its_keys])
        return
    rows = [
        (
            key.id,
            key.name,
            moment(key.created),
            moment(key.last_used) or "not yet",
            moment(key.expires) or "never",
            key.scope,
        )
        for key in its_keys
    ]
    table(("id", "name", "created", "last used", "expires", "may"), rows)


@click.command("add-key")
@click.argument("name")
@click.argument("key_name", metavar="KEYNAME")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it works.  [default: until it is revoked]")
@click.option("--only-metrics", is_flag=True, help="A key that reads the lab's metrics, and nothing else.")
@data_option
def add_key(name: str, key_name: str, days: int | None, only_metrics: bool, data: Path | None) -> None:
    """Make a key for a service account, and print it. It is never shown again. People make their own keys."""
    from ..server.models.models import name_checked
    from ..store.accounts import SCOPE_ALL, SCOPE_METRICS, TooManyError

    try:
        name_checked(key_name)
    except ValueError as e:
        raise ConfigurationError(f"{key_name!r} names no key: {e}.") from None
    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = found_user(view, name)
        if not its.service:
            raise ConfigurationError(
                f"{its.username!r} is a person, and makes their own keys: `hectiqlab keys create`."
            )
        if its.disabled is not None:
            raise ConfigurationError(f"{its.username!r} is disabled: `hectiqlab admin user enable` it first.")
        expires = None if days is None else time.time() + days * 86_400.0
        details = ("for metrics alone" if only_metrics else "", f"for {counted(days, 'day')}" if days else "")
        detail = ", ".join(filter(None, details))
        noted = change_noted("made", f"key {key_name}, service account {its.username}", detail)
        try:
            scope = SCOPE_METRICS if only_metrics else SCOPE_ALL
            _, secret = accounts.add_key(its, key_name, expires, noted, scope=scope)
        except TooManyError as e:
            raise ConfigurationError(str(e)) from None
    click.echo(secret)


@click.command("revoke-key")
@click.argument("name")
@click.argument("key_ids", metavar="ID...", nargs=-1)
@click.option("--all", "all_keys", is_flag=True, help="All keys of the user.")
@data_option
def revoke_key(name: str, key_ids: tuple[str, ...], all_keys: bool, data: Path | None) -> None:
    """Revoke keys of a user, by their IDs in the list. Programs that use one can no longer reach the lab."""
    if bool(key_ids) == all_keys:
        raise click.UsageError("Name keys by their ids, or give --all.")
    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = found_user(view, name)
            names = {key.id: key.name for key in view.keys(its.id)}
        unknown = [key for key in key_ids if key not in names]
        if unknown:
            raise ConfigurationError(f"{its.username!r} has no key {unknown[0]!r}: see `hectiqlab admin user keys`.")
        for key in key_ids or names:
            noted = change_noted("revoked", f"key {names[key]} ({key}), user {its.username}")
            if accounts.revoke_key(its, key, noted):
                click.echo(f"Revoked {clean(names[key])} ({key}).")


@click.command("hand-over")
@click.argument("name")
@click.argument("heir", metavar="TO")
@click.option("--projects", is_flag=True, help="The projects that the user owns, too.")
@json_option("a JSON object")
@data_option
def hand_over(name: str, heir: str, projects: bool, as_json: bool, data: Path | None) -> None:
    """Make the user TO the author of all runs of a user, who may have been deleted.

    Runs that have not ended keep their author, because their scripts could add no more to them; so do runs in projects
    to which TO may not add. Call it again later for these.
    """
    done = _handed_over(data, name, heir, projects)
    if as_json:
        echo_json(asdict(done))
        return
    click.echo(_handed_over_text(done, name, heir))


@click.command("delete")
@click.argument("name")
@click.option("--to", "heir", metavar="NAME", help="Hand over their runs and projects first, as `hand-over` does.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@data_option
def delete(name: str, heir: str | None, yes: bool, data: Path | None) -> None:
    """Delete a user for good: keys, web sessions and roles end.

    What they made stays, under their name, which nobody else can take. If you may want to let them in again later, use
    `disable` instead.
    """
    from ..store.accounts import LastAdminError

    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = found_user(view, name)
        if not yes:
            click.confirm(f"Delete {its.username} for good?", abort=True, err=True)
    if heir is not None:
        click.echo(_handed_over_text(_handed_over(data, name, heir, True), name, heir))
    with opened_accounts(data) as (_, accounts):
        what = "service account" if its.service else "user"
        try:
            accounts.change(
                lambda tx: tx.delete_user(its.id, time.time()), change_noted("deleted", f"{what} {its.username}")
            )
        except LastAdminError as e:
            raise ConfigurationError(str(e)) from None
    click.echo(f"{clean(its.username)} is deleted.")


def _handed_over(data: Path | None, name: str, heir: str, projects: bool) -> HandedOver:
    from ..store.accounts import NoHeirError
    from ..store.meta import FullError

    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its, to = found_user(view, name, deleted_too=True), found_user(view, heir)
        what = "the runs and projects" if projects else "the runs"
        noted = change_noted(f"handed over {what}", f"user {its.username}", f"to {to.username}")
        try:
            return accounts.change(lambda tx: tx.hand_over(its.id, to.id, time.time(), projects), noted)
        except (NoHeirError, FullError) as e:
            raise ConfigurationError(str(e)) from None


def _handed_over_text(done: HandedOver, name: str, heir: str) -> str:
    sentences = [f"{clean(heir)} has {counted(done.runs, 'run')} and {counted(done.projects, 'project')} more."]
    if done.live:
        again = f"`hectiqlab admin user hand-over {shlex.quote(clean(name))} {shlex.quote(clean(heir))}`"
        sentences.append(f"Going on, and left as they are: {counted(done.live, 'run')}. Once they have ended: {again}.")
    if done.kept_out:
        sentences.append(f"In projects to which {clean(heir)} may not add: {counted(done.kept_out, 'run')}.")
    return " ".join(sentences)
