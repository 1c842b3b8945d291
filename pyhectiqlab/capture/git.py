"""The state of a git repository: commit, branch, remote without credentials, and changes since the commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .command import Command, Output

DIFF_BYTES_MAX = 256 << 10
_ENV = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
# Programs that a repository's own configuration names must not run.
_PLAIN = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class NoRepositoryError(ValueError):
    """The folder is in no repository that can be read. The message says why, in git's words."""


@dataclass(frozen=True)
class GitState:
    """Attributes: commit: full hash; None in a repository without commits. branch: None for a detached HEAD. remote:
    URL of `origin`, else of the first remote, without credentials; None where there is none. dirty: whether tracked
    files differ from the commit; None where git did not say in time. diff: how they differ, at most DIFF_BYTES_MAX;
    `cut` is True if there is more.
    """

    root: str
    commit: str | None
    branch: str | None
    remote: str | None
    dirty: bool | None = None
    diff: str = ""
    cut: bool = False


def git_state(folder: Path, deadline: float, *, with_diff: bool = True) -> GitState:
    """Return the state of the repository around a folder. Runs git a few times. Blocks until `deadline` (by
    time.monotonic()) at most.

    Raises NoRepositoryError, also where the repository ignores the folder (an environment inside a project), OSError
    where there is no git, and TimeoutError.
    """

    def git(*arguments: str, errors: bool = False, bytes_max: int = 1 << 20) -> Output:
        command = Command("git", *_PLAIN, *arguments, cwd=folder, env=_ENV, deadline=deadline, errors=errors)
        return command.finish(bytes_max)

    top = git("rev-parse", "--show-toplevel", errors=True)
    if top.code is None:
        raise TimeoutError("git did not answer in time")
    if not top.ok:
        raise NoRepositoryError(top.text.strip().removeprefix("fatal: ").partition("\n")[0])
    if git("check-ignore", "-q", ".").ok:
        raise NoRepositoryError(f"{folder} is ignored by the git repository around it")
    commit = git("rev-parse", "--verify", "-q", "HEAD")
    branch = git("symbolic-ref", "--short", "-q", "HEAD")
    dirty, diff = None, Output("", None)
    if with_diff and commit.ok:
        diff = git(
            "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=short",
            bytes_max=DIFF_BYTES_MAX,
        )  # fmt: skip
        dirty = bool(diff.text) if diff.ok or diff.text else None
    return GitState(
        root=top.text.strip(),
        commit=commit.text.strip() if commit.ok else None,
        branch=branch.text.strip() if branch.ok else None,
        remote=_remote(git("config", "--get-regexp", r"^remote\..*\.url$").text),
        dirty=dirty,
        diff=diff.text,
        cut=diff.cut or (diff.text != "" and not diff.ok),
    )


def _remote(listing: str) -> str | None:
    """Return the remote from lines `remote.NAME.url URL`."""
    urls = dict(line.split(" ", 1) for line in listing.splitlines() if " " in line)
    url = urls.get("remote.origin.url") or next(iter(urls.values()), None)
    return without_credentials(url.strip()) if url else None


_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_USER = r"[A-Za-z0-9._-]{1,32}"
_URL = re.compile(
    rf"(?:(?P<user>{_USER})?(?::[^@/]*)?@|[^@/]*@)?(?P<address>{_HOST}(?::\d{{0,5}})?)(?P<path>(?:/[^@]*)?)"
)
_SCP = re.compile(rf"(?:(?P<user>{_USER})(?::[^@/]*)?@)?(?P<address>{_HOST}):(?P<path>(?!//)[^@]*)")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>/*)")
_HELPER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)::")
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_COMMANDS = frozenset({"ext", "fd"})  # for these helpers, the address is a command


def without_credentials(url: str) -> str:
    """Return the URL of a remote without passwords, tokens and queries. The user name is kept only for ssh, where it is
    part of the address and no secret.

    If an address is not strictly `scheme://user:password@host:port/path`, `user@host:path` or a path, everything before
    its last @ is removed. If the rest is not such an address either, everything is removed. So a path with an @ is cut,
    too.
    """
    url = url.strip()
    if helper := _HELPER.match(url):
        rest = "" if helper["name"] in _COMMANDS else without_credentials(url[helper.end() :])
        return f"{helper['name']}::{rest}"
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme["slashes"]:
        return _url_without(scheme["scheme"], scheme["slashes"], _without_query(url[scheme.end() :]))
    url = _without_query(url)
    if match := _SCP.fullmatch(url):
        user = f"{match['user']}@" if match["user"] else ""
        return f"{user}{match['address']}:{match['path']}"
    return url.rpartition("@")[2]


def _without_query(text: str) -> str:
    plain = re.split(r"[?#;\s]", text, maxsplit=1)[0]
    if "@" in text[len(plain) :]:  # a password may contain an @
        return _without_query(text.rpartition("@")[2])
    return plain


def _url_without(scheme: str, slashes: str, rest: str) -> str:
    if scheme.lower() == "file" and "@" not in rest:
        return f"{scheme}:{slashes}{rest}"
    for doubted in (slashes != "//", True):
        match = _URL.fullmatch(rest.rpartition("@")[2] if doubted else rest)
        if match:
            user = f"{match['user']}@" if match["user"] and scheme.lower() in _SSH else ""
            return f"{scheme}://{user}{match['address']}{match['path']}"
    return f"{scheme}://"
