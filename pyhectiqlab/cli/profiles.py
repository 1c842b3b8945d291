"""`hectiqlab add-profile`, `profiles` and `remove-profile`."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from .. import profile as credentials
from ..errors import AuthenticationError, ConfigurationError, LabError, LabRequestError
from . import browser_login
from .output import clean, echo_json, json_option, table

if TYPE_CHECKING:
    from ..transport import LabClient

_URL_DEFAULT = "http://127.0.0.1:8080"
_TRIES = 3


@click.command("add-profile", short_help="Log in to a lab and keep an API key for it.")
@click.option("--url", help="Address of the lab, such as https://lab.example.com.")
@click.option("--username", help="Your user name in the lab.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@click.option("--browser", is_flag=True, help="Log in on a page of the lab, such as by single sign-on.")
@click.option("--name", help="Name of the profile; by default `default`, or the lab's host where that is taken.")
def add_profile(url: str | None, username: str | None, password_stdin: bool, browser: bool, name: str | None) -> None:
    """Log in to a lab and keep an API key for it in the credentials file.

    Asks for what is not given. A profile of the same name is replaced. Without a terminal, give --url, and either
    --browser or --username and --password-stdin. For a lab with single sign-on you log in in the browser, unless
    --username is given.
    """
    from ..transport.addresses import clean_url, is_loopback
    from ..transport.http import LabClient

    asks = sys.stdin.isatty() and not password_stdin
    if browser and (username or password_stdin):
        raise click.UsageError("--browser logs in without --username and --password-stdin.")
    if not asks and not (url and (browser or (username and password_stdin))):
        raise click.UsageError(
            "Without a terminal to ask on, give --url, and --browser or --username and --password-stdin."
        )
    known = credentials.load_profiles()  # before a key is made, which could not be saved in a corrupt file
    nearest = known["local"].url if "local" in known else _URL_DEFAULT  # a lab on this machine wrote that profile
    url = clean_url(url or click.prompt("Address of the lab", default=nearest, err=True))
    with LabClient(url) as lab:
        greeting = lab.handshake()  # before a password is asked for
    if url.startswith("http:") and not is_loopback(urlsplit(url).hostname or ""):
        click.echo("Warning: the password and the key travel unencrypted to an http:// address.", err=True)
    lab_id = greeting.lab_id
    if browser or (greeting.sso and not username):
        with LabClient(url) as lab:
            lab.handshake()
            username, made = browser_login.log_in(lab, _key_name())
    elif asks:
        username = username or click.prompt("User name", err=True)
        made = _log_in_asking(url, username)
    else:
        assert username is not None
        with LabClient(url, auth=(username, sys.stdin.readline().rstrip("\r\n"))) as lab:
            made = _make_key(lab)
    if name is None:
        name = _default_name(url, username, known, lab_id)
        if asks:
            name = click.prompt("Name of the profile", default=name, err=True)
    path = credentials.save_profile(
        name,
        url=url,
        username=username,
        secret_api_key=made["key"],
        api_key_uuid=made["id"],
        project=known[name].project if name in known and _is_of(known[name], url, lab_id) else None,
        lab_id=lab_id,
    )
    click.echo(f"Logged in to {url} as {clean(username)}: profile {clean(name)!r} is in {path}.")


@click.command("profiles", short_help="List the profiles of the credentials file.")
@json_option("a JSON list of objects")
@click.option(
    "--follow", is_flag=True, help="First ask each lab where it is, and note the new address of one that moved."
)
@click.pass_obj
def profiles(chosen: str | None, as_json: bool, follow: bool) -> None:
    """List the profiles of the credentials file; a star marks the one in use. Keys are not shown.

    A lab that moved is found as long as its old address redirects to it for good (301, 308). With --follow, its new
    address is written into the file.
    """
    known = credentials.load_profiles()
    if follow:
        _follow(known)
        known = credentials.load_profiles()
    why = None
    try:
        active = credentials.resolve(chosen)
    except ConfigurationError as e:
        active, why = None, e
    rows = [
        {
            "name": p.name,
            "url": p.url,
            "username": p.username,
            "project": p.project,
            "active": active is not None and active.name == p.name,
        }
        for p in known.values()
    ]
    if active is not None and active.name == credentials.FROM_ENVIRONMENT:
        rows.append({"name": active.name, "url": active.url, "username": None, "project": None, "active": True})
    if as_json:
        echo_json(rows)
        return
    if rows:
        table(
            ("", "name", "url", "user", "project"),
            (
                ("*" if r["active"] else "", *(str(r[k] or "-") for k in ("name", "url", "username", "project")))
                for r in rows
            ),
        )
    if why is not None:
        click.echo(f"None is in use. {why}", err=True)


def _follow(known: dict[str, credentials.Profile]) -> None:
    from ..transport.bounds import asking
    from ..transport.connecting import client_of

    for p in known.values():
        if not (p.url and p.lab_id and p.secret_api_key):
            continue
        try:
            with client_of(p, asking()) as lab:
                lab.handshake()
        except LabError as e:
            click.echo(f"{clean(p.name)}: {e}", err=True)
            continue
        if not credentials.same_address(lab.url, p.url):
            credentials.move_profile(p.name, p.url, lab.url)
            click.echo(f"{clean(p.name)}: its lab has moved from {p.url} to {lab.url}.", err=True)


@click.command("remove-profile")
@click.argument("name")
@click.option("--revoke", is_flag=True, help="First revoke its API key in the lab.")
def remove_profile(name: str, revoke: bool) -> None:
    """Remove profile NAME from the credentials file."""
    if revoke:
        from ..transport.connecting import client_of
        from ..transport.http import quoted

        profile = credentials.resolve(name)
        if not profile.api_key_uuid:
            raise ConfigurationError(f"The file has no id of the key of {name!r}: remove it without --revoke.")
        with client_of(profile) as lab:
            lab.handshake()
            lab.delete(f"/keys/{quoted(profile.api_key_uuid)}")
    path = credentials.remove_profile(name)
    left = "" if revoke else " Its key stays valid in the lab."
    click.echo(f"Removed profile {clean(name)!r} from {path}.{left}")


def _log_in_asking(url: str, username: str) -> dict[str, str]:
    from ..transport.http import LabClient

    for left in reversed(range(_TRIES)):
        password = click.prompt("Password", hide_input=True, err=True)
        try:
            with LabClient(url, auth=(username, password)) as lab:
                return _make_key(lab)
        except AuthenticationError as e:
            if not left:
                raise
            click.echo(f"Error: {e}", err=True)
    raise AssertionError


def _make_key(lab: LabClient) -> dict[str, str]:
    from ..transport.answers import not_a_lab

    try:
        made = lab.post("/keys", {"name": _key_name()})
    except AuthenticationError:
        raise AuthenticationError(
            f"The lab at {lab.url} does not accept this user name and password: try again.", status=401
        ) from None
    except LabRequestError as e:
        if e.code != "use_sso":
            raise
        command = f"hectiqlab add-profile --browser --url {lab.url}"
        raise AuthenticationError(f"{e} Log in in the browser: `{command}`", status=e.status, code=e.code) from None
    if not isinstance(made, dict) or not all(isinstance(made.get(k), str) for k in ("id", "key")):
        raise not_a_lab(lab.url, "its answer to a new key has another shape")
    return made


def _is_of(p: credentials.Profile, url: str, lab_id: str) -> bool:
    """Return whether a profile belongs to that lab, which may have moved."""
    return p.lab_id == lab_id if p.lab_id and lab_id else p.url == url


def _default_name(url: str, username: str, known: dict[str, credentials.Profile], lab_id: str) -> str:
    for p in known.values():
        if _is_of(p, url, lab_id) and p.username == username:
            return p.name
    return "default" if "default" not in known else urlsplit(url).netloc


def _key_name() -> str:
    return f"{_who()}@{socket.gethostname()}"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user-{os.getuid()}"
