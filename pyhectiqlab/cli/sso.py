"""hectiqlab admin sso: link people of the provider of single sign-on to users of the lab."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigurationError
from .lab_data import change_noted, data_option, opened_lab
from .output import clean, echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..store.meta import MetaTransaction, MetaView, User

_issuer = click.option("--issuer", help="The provider.  [default: the one that the lab last started with]")


@click.group()
def sso() -> None:
    """Say which person of the provider of single sign-on is which user. The lab may run meanwhile."""


@sso.command(name="list")
@_issuer
@data_option
@json_option("a JSON list of objects")
def list_links(issuer: str | None, data: Path | None, as_json: bool) -> None:
    """List the users who log in at the provider."""
    with opened_lab(data) as storage, storage.meta.reading() as view:
        names = {user.id: user.username for user in view.users()}
        links = view.sso_links(_issuer_of(view, issuer))
    rows = [(names[link.user_id], link.subject, link.created, link.last_login) for link in links]
    if as_json:
        echo_json([dict(zip(("username", "subject", "created", "last_login"), row, strict=True)) for row in rows])
        return
    shown = [[name, clean(subject), moment(made), moment(last) or "not yet"] for name, subject, made, last in rows]
    table(["USER", "IDENTIFIER", "SINCE", "LAST LOGIN"], shown)


@sso.command()
@click.argument("name")
@click.argument("subject", metavar="IDENTIFIER")
@_issuer
@data_option
def link(name: str, subject: str, issuer: str | None, data: Path | None) -> None:
    """Let the person whom the provider calls IDENTIFIER (`sub`) log in as the user NAME.

    A login that was refused leaves the identifier in `hectiqlab admin audit`.
    """
    from ..store.sso import LinkTakenError

    if not 0 < len(subject) <= 255:
        raise ConfigurationError("An identifier has 1 to 255 characters: take it from `hectiqlab admin audit`.")
    with _changed(data, name, issuer) as (tx, user, provider):
        try:
            tx.link_sso(provider, subject, user.id, time.time())
        except LinkTakenError as e:
            raise ConfigurationError(str(e)) from None
        tx.note_changes([change_noted("linked", f"user {user.username}", f"to {subject} at {provider}")])
    click.echo(f"{user.username} logs in at {provider} from now on, and not with a password any more.")


@sso.command()
@click.argument("name")
@_issuer
@data_option
def unlink(name: str, issuer: str | None, data: Path | None) -> None:
    """Let nobody of the provider log in as the user NAME. Ends their web sessions."""
    with _changed(data, name, issuer) as (tx, user, provider):
        if tx.unlink_sso(provider, user.id) is None:
            raise ConfigurationError(
                f"{user.username} is linked to nobody at {provider}: see `hectiqlab admin sso list`."
            )
        tx.end_web_sessions(user.id)
        tx.note_changes([change_noted("unlinked", f"user {user.username}")])
    click.echo(f"{user.username} does not log in at {provider} any more.")


@contextlib.contextmanager
def _changed(data: Path | None, name: str, issuer: str | None) -> Iterator[tuple[MetaTransaction, User, str]]:
    with opened_lab(data) as storage:
        with storage.meta.writing() as tx:
            user = tx.user_named(name)
            if user is None or user.deleted is not None:
                raise ConfigurationError(f"No user is named {name!r}: see `hectiqlab admin user list`.")
            if user.service:
                raise ConfigurationError(f"{name!r} is a service account, and logs in nowhere: name a person.")
            yield tx, user, _issuer_of(tx, issuer)
        storage.permissions.set()


def _issuer_of(view: MetaView, issuer: str | None) -> str:
    from ..server.lab import SSO_ISSUER

    known = issuer or view.lab_value(SSO_ISSUER)
    if not known:
        raise ConfigurationError("The lab has no single sign-on: start it with --oidc-issuer, or give --issuer.")
    return known
