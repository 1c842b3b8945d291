"""hectiqlab server: start a lab, or set the password of a user."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import settings
from ..base.installing import install_advice
from ..errors import ConfigurationError
from .fleet_options import fleet_options
from .fleet_options import understood as fleet_understood
from .lab_packages import packages_missing
from .sizes import size_option
from .sso_options import sso_options, understood

if TYPE_CHECKING:
    from ..server.serve import Ready
    from ..store.fleet import Addresses

_file = click.Path(path_type=Path, dir_okay=False)


@click.command(name="server")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the lab's data.  [default: $HECTIQLAB_HOME/lab]",
)
@fleet_options
@click.option("--json", "as_json", is_flag=True, help="Tell the address and the login link as one JSON line.")
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Write that JSON line to this file once the lab answers."
)
@click.option(
    "--lost-after",
    default=settings.LOST_AFTER_S,
    show_default=True,
    type=click.FloatRange(1, 86_400),
    help="Seconds without a sign of life until a run is shown as lost.",
)
@click.option("--tls-cert", type=_file, help="Serve https, with this certificate chain (PEM).")
@click.option("--tls-key", type=_file, help="The certificate's private key (PEM).")
@click.option(
    "--behind-proxy",
    "proxies",
    metavar="ADDRESS",
    default="",
    help="Believe X-Forwarded-For and X-Forwarded-Proto of the proxy at ADDRESS, or in that network; by commas all "
    "that stand in a row. *: of whoever connects, for the one address that they add.",
)
@click.option(
    "--public-url",
    metavar="URL",
    default="",
    help="Where people find the lab, with its --root-path: for the links in notices, invites and below.",
)
@click.option(
    "--moved-from",
    metavar="URL|PORT",
    multiple=True,
    help="Where the lab was: who asks there is sent on for good to where it is now. A PORT is listened at, too.",
)
@click.option("--root-path", metavar="PATH", default="", help="Where the lab lies on its host, such as /hectiqlab.")
@click.option(
    "--warn-free",
    metavar="SIZE",
    callback=size_option,
    help="Warn admins when the disk has less left, such as 50GB.  [default: 5 % of it, at most 20 GiB]",
)
@click.option(
    "--drain",
    "drain_s",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="Seconds between not being ready (/readyz) and stopping, when it is told to: for a balancer to notice.",
)
@sso_options
@click.option(
    "--without-snapshot",
    "snapshot",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not copy the databases before an upgrade: where the disk has no room.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--log-requests", is_flag=True, help="Log every request.")
@click.option("--set-password", is_flag=True, help="Ask for a password of --user, keep it, and exit.")
@click.option("--user", metavar="NAME", help="Whose password to set; made if unknown.  [default: the owner]")
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Read the password from this file instead of asking."
)
def command(
    data: Path | None,
    as_json: bool,
    ready_file: Path | None,
    lost_after: float,
    set_password: bool,
    user: str | None,
    password_file: Path | None,
    **serving: Any,  # the fields of server.serve.Options, and those of sso_options.py
) -> None:
    """Run a lab in the foreground, until Ctrl-C.

    On this machine alone (the default host) it needs no password: it prints a link that logs your browser in, once,
    and writes a profile `local` so that scripts find it.
    """
    if missing := packages_missing():
        raise ConfigurationError(missing)
    addresses = fleet_understood(serving)
    if addresses is not None and data is not None:
        raise click.UsageError(
            "--data is for a single lab: leave it out, or leave out --database, --points and --files."
        )
    place = addresses or (data.absolute() if data is not None else settings.home() / "lab")
    if set_password or password_file is not None or user is not None:
        _set_password(place, user, password_file)
        return
    if (serving["tls_cert"] is None) != (serving["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    serving["sso"] = understood(serving)
    if serving["sso"] is not None and importlib.util.find_spec("authlib") is None:
        raise ConfigurationError(f"Single sign-on needs authlib, which is not installed: {install_advice('server')}")
    gc.disable()  # until the lab answers: the garbage collector takes a sixth of the time until then, and finds little
    from ..server.serve import Options, serve

    options = Options(**serving)

    def ready(lab: Ready) -> None:
        text = json.dumps({name: getattr(lab, name) for name in ("url", "login_link", "data", "profile")}, default=str)
        if ready_file is not None:
            _write_whole(ready_file, text + "\n")
        if as_json:
            click.echo(text)
        else:
            # A collector of lines of JSON has no use for sentences among them.
            say = logging.getLogger("hectiqlab.server").info if options.log_format == "json" else click.echo
            _tell(lab, say, encrypted=options.tls is not None or bool(options.proxies))

    try:
        serve(options, place, ready, lost_after)
    finally:
        gc.enable()


def _tell(lab: Ready, say: Callable[[str], None], *, encrypted: bool) -> None:
    say(f"Lab: {lab.url}")
    if lab.login_link is not None:
        say(f"Open in your browser (one time, 15 minutes): {lab.login_link}")
        is_usual = isinstance(lab.data, str) or lab.data == settings.home() / "lab"
        elsewhere = "" if is_usual else f" --data {shlex.quote(str(lab.data))}"
        where = ", with HECTIQLAB_CONFIG or variables that name the engines" if isinstance(lab.data, str) else ""
        say(f"Another such link, whenever you need one: `hectiqlab login-link{elsewhere}`{where}")
    for note in lab.notes:
        say(note)
    if not lab.loopback and not encrypted:
        say("The connection is not encrypted: give --tls-cert and --tls-key, or put a proxy with TLS before it.")
    if lab.profile is not None:
        say(f"Scripts on this machine find it by the profile {lab.profile!r} in {settings.credentials_path()}")
    say(f"Data: {lab.data}")
    say("Stop it with Ctrl-C. Accounts and passwords, while it runs or not: `hectiqlab admin user --help`.")


def _set_password(data: Path | Addresses, username: str | None, password_file: Path | None) -> None:
    from ..server import first_start
    from ..server.lab import Lab
    from ..store.meta import NameTakenError
    from ..store.opening import open_storage
    from .lab_data import change_noted
    from .users import checked_username

    lab = Lab(open_storage(data, upgrade=False))
    try:
        lab.start()
        with lab.meta.reading() as view:
            account = view.owner() if username is None else view.user_named(username)
        if account is None and username is None:
            account = first_start.make_owner(lab)
        if account is None:
            assert username is not None
            username = checked_username(username)
        if password_file is not None:
            password = first_start.read_password_file(password_file)
        else:
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        try:
            hashed = lab.accounts.hash_password(password)
        except ValueError as e:
            raise ConfigurationError(str(e)) from None
        if account is None:
            assert username is not None
            role = "member" if first_start.owner_of(lab) is not None else "owner"
            noted = change_noted("added", f"user {username}", f"as {role}")
            try:
                account = lab.accounts.change(lambda tx: tx.add_user(username, role, hashed, time.time()), noted)
            except NameTakenError as e:
                raise ConfigurationError(str(e)) from None
        else:
            user_id = account.id
            noted = change_noted("reset the password", f"user {account.username}")
            lab.accounts.change(lambda tx: tx.set_password(user_id, hashed), noted)
        click.echo(f"{account.username} can log in with that password now.")
    finally:
        lab.stop()


def _write_whole(path: Path, text: str) -> None:
    """Write the file so that a reader sees all of it or no file. Only its owner can read it: it holds a login link."""
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        with os.fdopen(fd, "w") as f:
            f.write(text)
        os.replace(temporary, path)
    except OSError as e:
        raise ConfigurationError(f"{path} cannot be written ({e.strerror}): name another --ready-file.") from None
