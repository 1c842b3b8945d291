"""hectiqlab admin user, project, audit: accounts and permissions, for people who can read the lab's data folder."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ..errors import ConfigurationError
from .lab_data import change_noted, data_option, opened_lab
from .lazy import LazyGroup
from .output import echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..server.accounts.accounts import Accounts
    from ..store.meta import MetaTransaction, MetaView, Project, User
    from ..store.storage import Storage

T = TypeVar("T")
_role = click.Choice(["viewer", "member", "admin"])
_password_file = click.option(
    "--password-file", type=click.Path(path_type=Path), help="Read the password from this file instead of asking."
)


@contextlib.contextmanager
def opened_accounts(data: Path | None) -> Iterator[tuple[Storage, Accounts]]:
    """Open the accounts of a lab. A running lab reads permissions again after a change."""
    from ..server.accounts.accounts import Accounts

    with opened_lab(data) as storage:

        def write(function: Callable[[MetaTransaction], T], /) -> T:
            with storage.meta.writing() as tx:
                return function(tx)

        yield storage, Accounts(storage.meta, write, storage.permissions)


def _a(role: str) -> str:
    return f"an {role}" if role == "admin" else f"a {role}"


def checked_username(name: str) -> str:
    """Return a name for a new user. Raises ConfigurationError."""
    from ..protocol.usernames import new_username
    from ..server.models.models import name_checked

    try:
        return new_username(name_checked(name))
    except ValueError as e:
        raise ConfigurationError(f"{name!r} is not a username: {e}.") from None


def found_user(view: MetaView, name: str, deleted_too: bool = False) -> User:
    user = view.user_named(name, deleted_too)
    if user is None:
        raise ConfigurationError(f"No user is named {name!r}: see `hectiqlab admin user list`.")
    return user


def _project(view: MetaView, name: str) -> Project:
    project = view.project(name)
    if project is None:
        raise ConfigurationError(f"No project is named {name!r}: see `hectiqlab projects`.")
    return project


def _password(accounts: Accounts, file: Path | None) -> str:
    """Return the hash of a password, which is typed or read from a file."""
    from ..server.first_start import read_password_file

    if file is not None:
        password = read_password_file(file)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        return accounts.hash_password(password)
    except ValueError as e:
        raise ConfigurationError(str(e)) from None


@click.group(
    cls=LazyGroup,
    commands_in={
        "list": "users:list_users",
        "add": "users:add",
        "invite": "users:invite",
        "role": "users:role",
        "disable": "users:disable",
        "enable": "users:enable",
        "reset-password": "users:reset_password",
        "keys": "people:keys",
        "add-key": "people:add_key",
        "revoke-key": "people:revoke_key",
        "hand-over": "people:hand_over",
        "delete": "people:delete",
    },
)
def user() -> None:
    """List, add and change users of a lab. It may run meanwhile: a change holds from the next request on."""


@click.command("list")
@data_option
@json_option("a JSON list of objects")
def list_users(data: Path | None, as_json: bool) -> None:
    """List the users."""
    with opened_accounts(data) as (storage, _), storage.meta.reading() as view:
        users = view.users()
    if as_json:
        names = ("username", "role", "service", "created", "last_seen")
        echo_json([{**{name: getattr(u, name) for name in names}, "disabled": u.disabled is not None} for u in users])
        return
    rows = [[u.username, u.role, _marks(u), moment(u.created), moment(u.last_seen) or "never"] for u in users]
    table(["USER", "ROLE", "", "SINCE", "LAST SEEN"], rows)


def _marks(user: User) -> str:
    return ", ".join(filter(None, ["service" if user.service else "", "disabled" if user.disabled else ""]))


@click.command()
@click.argument("name")
@click.option("--role", type=_role, default="member", show_default=True)
@click.option("--service", is_flag=True, help="For a program: it has API keys, and no other way in.")
@_password_file
@data_option
def add(name: str, role: str, service: bool, password_file: Path | None, data: Path | None) -> None:
    """Add a user, and ask for their password. `invite` lets them choose it themselves.

    With --service, the account is for a program, such as a nightly job: give it a key with `add-key`.
    """
    from ..store.meta import NameTakenError

    if service and password_file is not None:
        raise click.UsageError("A service account has no password.")
    name = checked_username(name)
    with opened_accounts(data) as (_, accounts):
        hashed = None if service else _password(accounts, password_file)
        try:
            accounts.change(
                lambda tx: tx.add_user(name, role, hashed, time.time(), service),
                change_noted("added", f"{'service account' if service else 'user'} {name}", f"as {role}"),
            )
        except NameTakenError as e:
            raise ConfigurationError(str(e)) from None
    if service:
        click.echo(f"{name} is there, as {_a(role)}: `hectiqlab admin user add-key {name} KEYNAME` prints a key.")
    else:
        click.echo(f"{name} can log in now, as {_a(role)}.")


@click.command()
@click.option("--role", type=_role, default="member", show_default=True)
@click.option("--url", help="Where people find the lab.  [default: its --public-url, or where it listens]")
@data_option
def invite(role: str, url: str | None, data: Path | None) -> None:
    """Print a link with which one person makes an account, within a week."""
    from ..store.accounts import TooManyError

    change = change_noted("invited", _a(role))
    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            place = _peoples_url(view, url)
        try:
            _, token = accounts.new_invite(role, change.who, change)
        except TooManyError as e:
            raise ConfigurationError(str(e)) from None
    click.echo(f"{place}/invite#{token}")


@click.command()
@click.argument("name")
@click.argument("role", type=_role)
@data_option
def role(name: str, role: str, data: Path | None) -> None:
    """Give a user another role in the lab: viewers read, members add runs, admins may do everything."""
    change_user(data, name, lambda tx, its: tx.set_role(its.id, role), "changed the role", f"now {role}")
    click.echo(f"{name} is {_a(role)} now.")


@click.command()
@click.argument("name")
@data_option
def disable(name: str, data: Path | None) -> None:
    """Lock a user out at once, both by password and by key. The keys end for good. Their runs stay."""
    change_user(data, name, lambda tx, its: tx.set_disabled(its.id, time.time()), "disabled")
    click.echo(f"{name} is disabled.")


@click.command()
@click.argument("name")
@data_option
def enable(name: str, data: Path | None) -> None:
    """Let a disabled user in again, by password. Their old keys stay revoked: they make new ones."""
    change_user(data, name, lambda tx, its: tx.set_disabled(its.id, None), "enabled")
    click.echo(f"{name} is enabled.")


@click.command("reset-password")
@click.argument("name")
@click.option("--generate", is_flag=True, help="Print a random one instead of asking.")
@_password_file
@data_option
def reset_password(name: str, generate: bool, password_file: Path | None, data: Path | None) -> None:
    """Give a user a new password. Ends their web sessions; keys go on working."""
    from ..store.accounts import ServiceAccountError

    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = found_user(view, name)
        generated = secrets.token_urlsafe(12) if generate else None
        hashed = _password(accounts, password_file) if generated is None else accounts.hash_password(generated)
        try:
            accounts.change(
                lambda tx: tx.set_password(its.id, hashed), change_noted("reset the password", f"user {its.username}")
            )
        except ServiceAccountError as e:
            raise ConfigurationError(str(e)) from None
    click.echo(f"{name} can log in with that password now." if generated is None else generated)


def change_user(
    data: Path | None, name: str, change: Callable[[MetaTransaction, User], None], action: str, detail: str = ""
) -> None:
    from ..store.accounts import LastAdminError

    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = found_user(view, name)
        try:
            accounts.change(lambda tx: change(tx, its), change_noted(action, f"user {its.username}", detail))
        except LastAdminError as e:
            raise ConfigurationError(str(e)) from None


@click.command("login-link", short_help="Print a link that logs a browser in to the lab of this machine.")
@click.option("--user", "name", metavar="NAME", help="Whom it logs in.  [default: the owner]")
@click.option("--url", help="Where the lab is found.  [default: its --public-url, or where it listens]")
@data_option
def login_link(name: str | None, url: str | None, data: Path | None) -> None:
    """Print a link that logs your browser in, once, within 15 minutes, as `hectiqlab server` prints one.

    You need to be able to read the lab's data folder, or name its engines as `hectiqlab admin` does. The lab may run
    already, or be started within these minutes.
    """
    from ..store.accounts import ServiceAccountError

    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            its = view.owner() if name is None else found_user(view, name)
            place = _peoples_url(view, url)
        if its is None:
            raise ConfigurationError("The lab has no owner yet: start it once with `hectiqlab server`.")
        if its.disabled is not None:
            raise ConfigurationError(f"The account {its.username!r} is disabled.")
        noted = change_noted("made a login link", f"user {its.username}")
        try:
            token = accounts.new_login_link(its, noted)
        except ServiceAccountError as e:
            raise ConfigurationError(str(e)) from None
    click.echo(f"{place}/login-link?token={token}")


def _peoples_url(view: MetaView, url: str | None) -> str:
    """Return the address at which people find the lab, without a slash at its end. Raises ConfigurationError."""
    from ..server.lab import PEOPLES_URL

    place = url or view.lab_value(PEOPLES_URL)
    if place is None:
        raise ConfigurationError("Nobody said where people find the lab: give --url.")
    return place.rstrip("/")


@click.group(name="project")
def project() -> None:
    """Say who may see a project, and what its members may do."""


@project.command()
@click.argument("name")
@data_option
def private(name: str, data: Path | None) -> None:
    """Show a project only to those who have a role in it, and to the lab's admins."""
    _set_private(data, name, True, "made private")
    click.echo(f"{name} is private: give roles in it with `hectiqlab admin project member`.")


@project.command()
@click.argument("name")
@data_option
def public(name: str, data: Path | None) -> None:
    """Show a project to everybody who has an account in the lab."""
    _set_private(data, name, False, "opened to the lab")
    click.echo(f"Everybody in the lab sees {name} now.")


def _set_private(data: Path | None, name: str, private: bool, action: str) -> None:
    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            project = _project(view, name)
        accounts.change(lambda tx: tx.set_private(project.id, private), change_noted(action, f"project {project.name}"))


@project.command()
@click.argument("name")
@click.argument("username")
@click.argument("role", type=click.Choice(["viewer", "member", "admin", "none"]))
@data_option
def member(name: str, username: str, role: str, data: Path | None) -> None:
    """Give a user a role in a project, or take their role away (none)."""
    with opened_accounts(data) as (storage, accounts):
        with storage.meta.reading() as view:
            project_row, user = _project(view, name), found_user(view, username)
        accounts.change(
            lambda tx: tx.set_member(project_row.id, user.id, None if role == "none" else role),
            change_noted(
                "changed the role",
                f"project {project_row.name}, user {username}",
                "no longer a member" if role == "none" else f"now {role}",
            ),
        )
    click.echo(f"{username} is {'no longer a member' if role == 'none' else _a(role)} of {name}.")


@click.command()
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many.")
@data_option
@json_option("a JSON list of objects")
def audit(limit: int, data: Path | None, as_json: bool) -> None:
    """List who changed what, when and from where, the newest first."""
    with opened_accounts(data) as (storage, _), storage.meta.reading() as view:
        changes = view.changes_told(limit)
    if as_json:
        names = ("at", "who", "via", "address", "action", "subject", "detail")
        echo_json([{name: getattr(c, name) for name in names} for c in changes])
        return
    rows = [[moment(c.at), c.who, c.via, c.address, c.action, f"{c.subject} {c.detail}".strip()] for c in changes]
    table(["WHEN", "WHO", "BY", "FROM", "DID", "WHAT"], rows)
