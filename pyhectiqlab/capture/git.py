"""The state of a git repository: commit, branch, remote without credentials, what was changed since."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .command import Command, Output

DIFF_BYTES_MAX = 256 << 10
_ENV = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
# What a repository's own configuration would have git run has no place here.
_PLAIN = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class NoRepositoryError(ValueError):
    """The folder is in no repository that can be read; the message says why in git's words."""


@dataclass(frozen=True)
class GitState:
    """Attributes:
    commit: full hash; None in a repository without commits.
    branch: None for a detached HEAD.
    remote: URL of `origin`, else of the first remote, without credentials; None where there is none.
    dirty: whether tracked files differ from the commit; None where that could not be found out in time.
    diff: how they differ, at most DIFF_BYTES_MAX; `cut` says whether that is not all.
    """

    root: str
    commit: str | None
    branch: str | None
    remote: str | None
    dirty: bool | None = None
    diff: str = ""
    cut: bool = False


def git_state(folder: Path, deadline: float, *, with_diff: bool = True) -> GitState:
    """Runs git a few times; blocks until `deadline` (of time.monotonic()) at most.

    Raises NoRepositoryError, also where the repository ignores the folder (an environment inside a project), OSError
    where there is no git, and TimeoutError.
    """

    def git(*arguments: str, errors: bool = False, bytes_max: int = 1 << 20) -> Output:
        command = Command("git", *_PLAIN, *arguments, cwd=folder, env=_ENV, deadline=deadline, errors=errors)
        return command.finish(bytes_max)

    found = git("rev-parse", "--show-toplevel", errors=True)
    if found.code is None:
        raise TimeoutError("git did not answer in time")
    if not found.ok:
        raise NoRepositoryError(found.text.strip().removeprefix("fatal: ").partition("\n")[0])
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
        root=found.text.strip(),
        commit=commit.text.strip() if commit.ok else None,
        branch=branch.text.strip() if branch.ok else None,
        remote=_remote(git("config", "--get-regexp", r"^remote\..*\.url$").text),
        dirty=dirty,
        diff=diff.text,
        cut=diff.cut or (diff.text != "" and not diff.ok),
    )


def _remote(listing: str) -> str | None:
    """From lines `remote.NAME.url URL`."""
    urls = dict(line.split(" ", 1) for line in listing.splitlines() if " " in line)
    url = urls.get("remote.origin.url") or next(iter(urls.values()), None)
    return without_credentials(url.strip()) if url else None


_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^?#]*)")
_SCP = re.compile(r"(?P<user>[^/@:]+)(?P<password>:[^/@]*)?@(?P<rest>[^/]+:.*)")


def without_credentials(url: str) -> str:
    """The URL of a remote without passwords, tokens and queries. The user name stays for ssh alone, where it is part
    of the address and no secret.
    """
    found = _URL.match(url)
    if found is None:
        scp = _SCP.fullmatch(url)
        return f"{scp['user']}@{scp['rest']}" if scp else url
    host, slash, path = found["rest"].partition("/")
    port = host.rpartition(":")[2]
    if "@" not in host and "@" in path and ":" in host and not (port.isdigit() or port.endswith("]")):
        host, slash, path = path.rpartition("@")[2].partition("/")  # a password with a slash in it
        user = ""
    else:
        user, _, host = host.rpartition("@")
    ssh = found["scheme"].lower() in ("ssh://", "git+ssh://", "ssh+git://")
    name = user.partition(":")[0] + "@" if ssh and user else ""
    return f"{found['scheme']}{name}{host}{slash}{path}"
