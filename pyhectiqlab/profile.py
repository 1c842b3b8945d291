"""Read and write the credentials file, and choose the profile that a script or a command uses.

    [local]
    url = "http://127.0.0.1:8080"
    username = "ann"
    secret_api_key = "…"
    api_key_uuid = "…"
    lab_id = "…"              # by which the lab is known again at another address
    project = "vision"        # optional: the project of a Run that names none

The file has one table per profile. A file that is not understood is never overwritten: the keys in it were shown once
and cannot be shown again.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

from . import settings
from .base.lazyclass import dataclass, field, replace
from .base.stderr import write_stderr
from .base.texts import address
from .errors import ConfigurationError

__all__ = ["AuthProvider", "Profile", "load_profiles", "remove_profile", "resolve", "save_profile"]

FROM_ENVIRONMENT = "environment"
_FIELDS = ("url", "username", "secret_api_key", "api_key_uuid", "lab_id", "project")
_warned: set[Path] = set()


class UnknownAddressError(ConfigurationError):
    """HECTIQLAB_URL is not the address of a profile. Only the lab there can say whether it is the lab of one."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


@dataclass(frozen=True)
class Profile:
    """A user's access to a lab: its address, and the key to use.

    Attributes:
        name: name of its table in the credentials file; "environment" if no profile is used.
        url: address of the lab; "" if the file has none (files of older clients).
        secret_api_key: not shown by repr().
        project: name or id of the default project, or None.
        lab_id: the id of the lab itself; "" if it was never asked.
    """

    name: str
    url: str = ""
    username: str = ""
    secret_api_key: str = field(default="", repr=False)
    api_key_uuid: str = ""
    project: str | None = None
    lab_id: str = ""


def same_address(a: str, b: str) -> bool:
    """Return whether both addresses mean the same place."""
    return _place(a) == _place(b)


def _place(url: str) -> tuple[str, str, int | None, str]:
    from urllib.parse import urlsplit

    url = address(url)
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url, "", None, ""
    host = parts.hostname or ""
    path = parts.path.rstrip("/").removesuffix("/api/v1")
    return parts.scheme, "127.0.0.1" if host in ("localhost", "::1") else host, port, path


def key_mark(key: str) -> str:
    """Return a mark by which a key can be recognised although it is not kept; "" for no key."""
    import hashlib

    return hashlib.sha256(f"hectiqlab key {key}".encode()).hexdigest()[:12] if key else ""


def load_profiles(path: Path | None = None) -> dict[str, Profile]:
    """Return the profiles of the credentials file, in their order; none if there is no file.

    Warns on stderr, once, about a file that others can read. Raises ConfigurationError if it is corrupt, with the line.
    """
    path = path or settings.credentials_path()
    profiles = {}
    for name, table in _read(path).items():
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{path}: {name!r} stands outside of any table: put it under a [profile], or remove the line."
            )
        for key in _FIELDS:
            if not isinstance(table.get(key, ""), str):
                raise ConfigurationError(f"{path}: {key} of profile {name!r} is not a text: put it in quotes.")
        profiles[name] = Profile(name, **{key: table[key].strip() for key in _FIELDS if key in table})
    return profiles


def resolve(profile: str | None = None) -> Profile:
    """Return the profile to use now: where the lab is, and the key for it. Reads one small file.

    A name given here is the one used. Otherwise it is HECTIQLAB_PROFILE, else the only profile of the file, else the
    one named `default`, else `local`; HECTIQLAB_URL and HECTIQLAB_API_KEY then replace what it says. With HECTIQLAB_URL
    and no profile named, only a profile of that same lab lends its key: a key is not shown to a lab that did not make
    it. (Of the same address, here; `transport.connecting.find_profile` asks the lab for its id.)

    Raises ConfigurationError if there is no such profile, several to choose from, or none at all, or if the file is
    corrupt.
    """
    if profile is not None:
        named = _named(profile, load_profiles(), "Profile")
        return _complete(replace(named, url=address(named.url)))
    url, key = settings.get("url"), settings.get("api_key")
    url = address(url) if url else url
    if url and key:  # the credentials file is not used, so it does not matter if it is broken
        return Profile(FROM_ENVIRONMENT, url, secret_api_key=key)
    name, profiles = settings.get("profile"), load_profiles()
    if name is not None:
        chosen = _named(name, profiles, "HECTIQLAB_PROFILE: profile")
    elif url:
        chosen = _of_lab(url, profiles)
    else:
        chosen = only(profiles)
    return _complete(
        Profile(
            chosen.name,
            url or address(chosen.url),
            username="" if key else chosen.username,
            secret_api_key=key or chosen.secret_api_key,
            api_key_uuid="" if key else chosen.api_key_uuid,
            project=chosen.project,
            lab_id=chosen.lab_id,  # kept at another address, too: the code that connects asks the lab there for its id
        )
    )


def save_profile(
    name: str,
    *,
    url: str,
    username: str,
    secret_api_key: str,
    api_key_uuid: str,
    project: str | None = None,
    lab_id: str = "",
    path: Path | None = None,
) -> Path:
    """Add a profile to the credentials file, or replace it. The other tables stay. Return the path of the file.

    The file is replaced as a whole and is readable by its owner only. Comments in it are lost. Raises
    ConfigurationError if the existing file is corrupt (it stays as it is) or cannot be written.
    """
    path = path or settings.credentials_path()
    if not name.strip() or not name.isprintable():
        raise ConfigurationError("The name of a profile is a short text, such as `default`: choose another.")
    if name == FROM_ENVIRONMENT:
        raise ConfigurationError(f"No profile can be named {name!r}: choose another name.")
    tables = _read(path)
    table = {"url": url, "username": username, "secret_api_key": secret_api_key, "api_key_uuid": api_key_uuid}
    tables[name] = table | ({"lab_id": lab_id} if lab_id else {}) | ({"project": project} if project else {})
    _write(path, tables)
    return path


def move_profile(name: str, before: str, now: str, *, path: Path | None = None) -> None:
    """Write the new address of its lab into a profile whose address is `before`. Raises as `save_profile`."""
    path = path or settings.credentials_path()
    tables = _read(path)
    if name in tables and tables[name].get("url") == before:
        tables[name]["url"] = now
        _write(path, tables)


def remove_profile(name: str, *, path: Path | None = None) -> Path:
    """Remove a profile from the credentials file. Return the path of the file. Raises as `save_profile`."""
    path = path or settings.credentials_path()
    tables = _read(path)
    if name not in tables:
        raise ConfigurationError(f"Profile {name!r} is not in {path}: {_choices(tables)}.")
    del tables[name]
    _write(path, tables)
    return path


class AuthProvider:
    """Says whether this machine is logged in, and as which user. Reads the credentials when asked; never talks to the
    lab.

    Args:
        profile: name of a profile. None: the one that `resolve` chooses.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._name = profile

    def is_logged(self) -> bool:
        """Return whether there is an address and a key to use. Does not ask the lab whether it accepts them."""
        try:
            resolve(self._name)
        except ConfigurationError:
            return False
        return True

    @property
    def profile(self) -> Profile:
        """The profile in use. Raises ConfigurationError if there is none."""
        return resolve(self._name)

    @property
    def url(self) -> str:
        """Address of its lab. Raises as `profile`."""
        return self.profile.url

    @property
    def username(self) -> str:
        """Name of its user. Raises as `profile`."""
        return self.profile.username

    def __repr__(self) -> str:
        try:
            profile = self.profile
        except ConfigurationError as e:
            return f"<AuthProvider: not logged in: {e}>"
        return f"<AuthProvider: {profile.username or profile.name} at {profile.url}>"


def _named(name: str, profiles: dict[str, Profile], called: str) -> Profile:
    if name not in profiles:
        where = settings.credentials_path()
        raise ConfigurationError(f"{called} {name!r} is not in {where}: {_choices(profiles)}.")
    return profiles[name]


def _of_lab(url: str, profiles: dict[str, Profile]) -> Profile:
    same = {name: p for name, p in profiles.items() if same_address(p.url, url)}
    if not same:
        raise UnknownAddressError(
            f"No profile is for HECTIQLAB_URL={url}: set HECTIQLAB_API_KEY too, or log in with "
            "`hectiqlab add-profile`.",
            url,
        )
    return only(same)


def only(profiles: dict[str, Profile]) -> Profile:
    """Return the profile to use if nothing names one. Raises ConfigurationError if there is no way to choose."""
    if len(profiles) == 1:
        return next(iter(profiles.values()))
    for name in ("default", "local"):
        if name in profiles:
            return profiles[name]
    if not profiles:
        raise ConfigurationError(
            f"No lab is known here ({settings.credentials_path()} has no profile): log in with "
            "`hectiqlab add-profile`, or start a lab of your own with `hectiqlab server`."
        )
    raise ConfigurationError(f"Several profiles to choose from: set HECTIQLAB_PROFILE; {_choices(profiles)}.")


def _complete(profile: Profile) -> Profile:
    for value, what, variable in (
        (profile.url, "address", "HECTIQLAB_URL"),
        (profile.secret_api_key, "API key", "HECTIQLAB_API_KEY"),
    ):
        if not value:
            raise ConfigurationError(
                f"Profile {profile.name!r} has no {what}: log in again with `hectiqlab add-profile`, or set {variable}."
            )
    return profile


def _choices(names: dict[str, Any]) -> str:
    return "it has " + ", ".join(names) if names else "log in with `hectiqlab add-profile`"


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        with path.open("rb") as f:
            _warn_if_open(path, os.fstat(f.fileno()).st_mode)
            raw = f.read()
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise ConfigurationError(f"{path} cannot be read ({e.strerror}): make it readable for you.") from None
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise ConfigurationError(f"{path} is corrupt (line {line} is not UTF-8): {_MEND}.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise ConfigurationError(f"{path} is corrupt ({e}): {_MEND}.") from None


_MEND = "mend that line, or move the file away and log in again with `hectiqlab add-profile`"


def _warn_if_open(path: Path, mode: int) -> None:
    if stat.S_IMODE(mode) & 0o077 and path not in _warned:
        _warned.add(path)
        write_stderr(f"hectiqlab: {path} holds keys and can be read by others: run `chmod 600 {path}`.\n")


def _write(path: Path, tables: dict[str, Any]) -> None:
    import tempfile

    import tomli_w

    path = Path(os.path.realpath(path))  # a link to the file stays a link
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(fd, "wb") as f:
                tomli_w.dump(tables, f)
                f.flush()
                os.fsync(f.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_folder(path.parent)
    except OSError as e:
        raise ConfigurationError(f"{path} cannot be written ({e.strerror}): check the folder and the disk.") from None


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
