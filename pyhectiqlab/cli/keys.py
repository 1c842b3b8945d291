"""`hectiqlab keys`: your own API keys in the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .. import profile as credentials
from ..errors import ConfigurationError, NotFoundError
from .output import clean, echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..transport import LabClient


@click.group(name="keys")
def command() -> None:
    """List, create and revoke your own API keys in the lab."""


@command.command(name="list")
@json_option("a JSON list of objects")
@click.pass_obj
def list_keys(profile: str | None, as_json: bool) -> None:
    """List your keys; a star marks the one of the profile. The lab keeps only digests of keys, so it cannot show
    them.
    """
    with _lab(profile) as (lab, own):
        keys = lab.get("/keys")["items"]
    if as_json:
        echo_json([{**key, "active": key["id"] == own.api_key_uuid} for key in keys])
        return
    rows = [
        (
            "*" if key["id"] == own.api_key_uuid else "",
            key["id"],
            key["name"],
            moment(key["created"]),
            moment(key["last_used"]) or "not yet",
            moment(key["expires"]) or "never",
            key.get("scope", "all"),
        )
        for key in keys
    ]
    table(("", "id", "name", "created", "last used", "expires", "may"), rows)


@command.command()
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it works.  [default: until it is revoked]")
@click.option("--only-metrics", is_flag=True, help="A key that reads the lab's metrics, and nothing else; for admins.")
@click.pass_obj
def create(profile: str | None, name: str, days: int | None, only_metrics: bool) -> None:
    """Create a key called NAME, for example after a machine, and print it. It is never shown again."""
    scope = {"scope": "metrics"} if only_metrics else {}
    with _lab(profile) as (lab, _):
        made = lab.post("/keys", {"name": name, "days": days, **scope})
    click.echo(made["key"])


@command.command()
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(profile: str | None, key_id: str) -> None:
    """Revoke the key with this ID of the list. Programs that use it can no longer reach the lab."""
    from ..transport.http import quoted

    with _lab(profile) as (lab, own):
        if key_id == own.api_key_uuid:
            raise ConfigurationError(
                f"That is the key in use: `hectiqlab remove-profile {clean(own.name)} --revoke` removes it here too."
            )
        try:
            lab.delete(f"/keys/{quoted(key_id)}")
        except NotFoundError:
            raise ConfigurationError(f"You have no key {clean(key_id)!r}: see `hectiqlab keys list`.") from None
    click.echo(f"Revoked {clean(key_id)}.")


@contextmanager
def _lab(profile: str | None) -> Iterator[tuple[LabClient, credentials.Profile]]:
    from ..transport.connecting import client_of, find_profile

    own = find_profile(profile)
    with client_of(own) as lab:
        lab.handshake()
        yield lab, own
