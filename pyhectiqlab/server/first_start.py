"""The owner of a lab on loopback: made at the first start, with a profile so that scripts here work at once."""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests

from .. import settings
from ..errors import ConfigurationError
from ..profile import load_profiles, same_address, save_profile
from ..store.meta import User
from .accounts.accounts import hash_token
from .lab import Lab

PROFILE = "local"
KNOCK_S = 0.5


def owner_of(lab: Lab) -> User | None:
    with lab.meta.reading() as view:
        return view.owner()


def make_owner(lab: Lab) -> User:
    """Return the lab's owner. If there is none, make one without a password."""
    owner = owner_of(lab)
    if owner is not None:
        return owner
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = "owner"
    return lab.write(lambda tx: tx.make_owner(name, time.time()))


def write_profile(lab: Lab, owner: User, url: str, old_ports: Sequence[int] = ()) -> str:
    """Write a profile on this machine that leads to this lab, as its owner, unless there is one. Return its name.

    If a profile `local` leads to another lab that still answers, it is left alone, and the name is `local-<port>`. A
    lab of which this one is a copy counts as another lab. `old_ports`: ports at which this lab listens, too. Raises
    ConfigurationError if the credentials file is corrupt or cannot be written.
    """
    path = settings.credentials_path()
    profiles = load_profiles(path)
    name = PROFILE
    other = profiles.get(PROFILE)
    elsewhere = other is not None and not same_address(other.url, url) and _place(other.url)[1] not in old_ports
    same = lab.lab_id if other is not None and other.lab_id == lab.lab_id else None
    if other is not None and elsewhere and _answers(other.url, same):
        name = f"{PROFILE}-{urlsplit(url).port}"
    current = profiles.get(name)
    if current is not None and _is_ours(lab, current.secret_api_key):
        if (current.url, current.lab_id) != (url, lab.lab_id):
            save_profile(
                name,
                url=url,
                username=current.username,
                secret_api_key=current.secret_api_key,
                api_key_uuid=current.api_key_uuid,
                project=current.project,
                lab_id=lab.lab_id,
                path=path,
            )
        return name
    key, secret = lab.accounts.add_key(owner, f"profile {name} on {socket.gethostname()}"[:200])
    project = current.project if current is not None and same_address(current.url, url) else None
    save_profile(
        name,
        url=url,
        username=owner.username,
        secret_api_key=secret,
        api_key_uuid=key.id,
        project=project,
        lab_id=lab.lab_id,
        path=path,
    )
    return name


def _is_ours(lab: Lab, secret: str) -> bool:
    if not secret:
        return False
    with lab.meta.reading() as view:
        return view.user_of_key(hash_token(secret), time.time()) is not None


def _place(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return ("127.0.0.1" if host in {"localhost", "::1"} else host, parts.port)
    except ValueError:
        return ("", None)


def _answers(url: str, same: str | None) -> bool:
    """Return whether something listens where that profile's lab was. `same`: the id of this lab, if the profile has it:
    then return whether a lab of that id listens there. Another lab on another machine counts as listening.
    """
    host, port = _place(url)
    if host != "127.0.0.1":
        return same is None
    try:
        with socket.create_connection((host, port or 80), KNOCK_S):
            pass
    except OSError:
        return False
    return same is None or _is_lab(url, same)


def _is_lab(url: str, lab_id: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # no proxy, no netrc
        try:
            answer = session.get(f"{url}/api/v1/handshake", timeout=KNOCK_S, verify=False)
            return bool(answer.json()["lab_id"] == lab_id)
        except requests.Timeout:
            return True  # it is busy
        except (requests.RequestException, ValueError, LookupError, TypeError):
            return False


def read_password_file(path: Path) -> str:
    """Return the first line of a file. Raises ConfigurationError."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(f"{path} cannot be read ({e}): name a text file with the password.") from None
    if not lines:
        raise ConfigurationError(f"{path} is empty: put the password on its first line.")
    return lines[0]
