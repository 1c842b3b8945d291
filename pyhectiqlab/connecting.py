"""Which lab, and with whose key: clients for the labs that outboxes and the spool name by URL and profile."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from . import profile
from .errors import ConfigurationError

if TYPE_CHECKING:
    from .transport.http import LabClient


def connect(url: str = "", name: str = "", *, waits: bool = False) -> LabClient:
    """A client for the lab at `url`, with a key as profiles are now. Sends nothing yet. Raises ConfigurationError.

    Args:
        url: "" means no lab was known when it was written down: whichever is the one now.
        name: of the profile to prefer.
        waits: somebody waits for the answers, which are small: each takes ATTACH_TIMEOUT_S at most.
    """
    from .transport.http import LabClient, asking, defaults

    bounds = asking() if waits else defaults()
    if not url:
        now = profile.resolve()
        return LabClient(now.url, now.secret_api_key, **bounds)
    return LabClient(url, key_for(url, name), **bounds)


def key_for(url: str, name: str) -> str:
    """The API key for a lab, as things are now: what the environment says if it is about this lab, else the profile
    `name` if it is, else any profile of this lab. Raises ConfigurationError.
    """
    with contextlib.suppress(ConfigurationError):
        now = profile.resolve()
        if _same(now.url, url):
            return now.secret_api_key
    profiles = profile.load_profiles()
    for candidate in (profiles.get(name), *profiles.values()):
        if candidate is not None and _same(candidate.url, url) and candidate.secret_api_key:
            return candidate.secret_api_key
    raise ConfigurationError(f"No profile is for the lab {url}: log in with `hectiqlab add-profile --url {url}`.")


def _same(a: str, b: str) -> bool:
    return a.strip().rstrip("/") == b.strip().rstrip("/")
