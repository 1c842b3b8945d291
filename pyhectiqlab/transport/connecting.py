"""Clients for the labs that outboxes and the spool name by URL, profile and id: which lab is meant, and whose key to
use.

A lab is recognised by its id, if it has sent one. So the same lab may move to another address or port, and another lab
at the old address is not taken for it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .. import profile
from ..errors import ConfigurationError, LabError
from ..profile import Profile, same_address

if TYPE_CHECKING:
    from .http import LabClient


def connect(url: str = "", name: str = "", lab_id: str = "", *, waits: bool = False) -> LabClient:
    """Return a client for a lab, with the key that the profiles have now. Asks labs for their ids only where the
    profiles do not have them. Raises ConfigurationError; LabRequestError where the lab is asked and fails.

    Args:
        url: address of the lab. "": no lab was known when it was written down, so the lab that is configured now.
        name: name of the profile to prefer.
        lab_id: id of the lab; "" where it was never known.
        waits: whether somebody waits for the answers, which are small. Each then takes ATTACH_TIMEOUT_S at most.
    """
    from .http import LabClient, asking, defaults

    now = reach(url, name, lab_id) if url else profile.resolve()
    return LabClient(now.url, now.secret_api_key, **(asking() if waits else defaults()))


def reach(url: str, name: str = "", lab_id: str = "") -> Profile:
    """Return the profile by which the lab is reached now: that of the environment if it is of this lab, else the
    profile `name` if it is, else any profile of this lab. Raises as `connect`.
    """
    known = known_profiles(name)
    fitting = [p for p in known if not (lab_id and p.lab_id and p.lab_id != lab_id)]
    for candidate in fitting:
        if same_address(candidate.url, url):
            if lab_id and not candidate.lab_id and _asked(candidate) not in ("", lab_id):
                fitting = [p for p in fitting if not same_address(p.url, url)]
                break
            return candidate
    for candidate in fitting:
        if lab_id and candidate.lab_id == lab_id:
            return candidate
    for candidate in fitting if lab_id else ():
        with contextlib.suppress(LabError):
            if not candidate.lab_id and _asked(candidate) == lab_id:
                return candidate
    if any(same_address(p.url, url) for p in known):
        raise ConfigurationError(
            f"The lab at {url} is another one than this was logged for: start that one again, on a port of its own "
            "(`hectiqlab server --port PORT`)."
        )
    raise ConfigurationError(f"No profile is for the lab {url}: log in with `hectiqlab add-profile --url {url}`.")


def known_profiles(name: str = "") -> list[Profile]:
    """Return every profile by which a lab can be reached now: first that of the environment, then the profile `name`,
    then the others. Raises ConfigurationError where the credentials file is corrupt and the environment names no lab.
    """
    ways = []
    with contextlib.suppress(ConfigurationError):
        ways.append(profile.resolve())
    try:
        profiles = profile.load_profiles()
    except ConfigurationError:
        if ways:
            return ways
        raise
    for candidate in (profiles.get(name), *profiles.values()):
        if candidate is not None and candidate.url and candidate.secret_api_key and candidate not in ways:
            ways.append(candidate)
    return ways


def _asked(candidate: Profile) -> str:
    """Ask the lab at that address for its id; "" for an older lab. Raises LabError."""
    from .http import LabClient, asking

    with LabClient(candidate.url, **asking()) as client:  # without a key: an unknown lab must not see it
        return client.handshake().lab_id
