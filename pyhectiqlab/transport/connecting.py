"""Which lab, and with whose key: clients for the labs that outboxes and the spool name by URL, profile and id.

A lab is known by its id where it has told one: then another address, or another port of this machine, is still the same
lab, and another lab at the same address is not.
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
    """Return a client for a lab, with a key as profiles are now. Asks labs who they are only where the profiles do not
    tell. Raises ConfigurationError; LabRequestError where the lab is asked and fails.

    Args:
        url: "" means no lab was known when it was written down: whichever is the one now.
        name: of the profile to prefer.
        lab_id: of the lab, "" where it was never told.
        waits: somebody waits for the answers, which are small: each takes ATTACH_TIMEOUT_S at most.
    """
    from .http import LabClient, asking, defaults

    now = reach(url, name, lab_id) if url else profile.resolve()
    return LabClient(now.url, now.secret_api_key, **(asking() if waits else defaults()))


def reach(url: str, name: str = "", lab_id: str = "") -> Profile:
    """Return the profile by which that lab is reached, as things are now: what the environment says if it is about this
    lab, else the profile `name` if it is, else any profile of this lab. Raises as `connect`.
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
            f"The lab at {url} is another one than this was logged for: start that one again, at a port of its own "
            "(`hectiqlab server --port PORT`)."
        )
    raise ConfigurationError(f"No profile is for the lab {url}: log in with `hectiqlab add-profile --url {url}`.")


def known_profiles(name: str = "") -> list[Profile]:
    """Every way to a lab that is known here now: what the environment says first, then the profile `name`, then the
    others. Raises ConfigurationError where the credentials file is corrupt and the environment does not do.
    """
    found = []
    with contextlib.suppress(ConfigurationError):
        found.append(profile.resolve())
    try:
        profiles = profile.load_profiles()
    except ConfigurationError:
        if found:
            return found
        raise
    for candidate in (profiles.get(name), *profiles.values()):
        if candidate is not None and candidate.url and candidate.secret_api_key and candidate not in found:
            found.append(candidate)
    return found


def _asked(candidate: Profile) -> str:
    """Return the id of the lab there, as it tells it; "" of an older lab. Raises LabError."""
    from .http import LabClient, asking

    with LabClient(candidate.url, **asking()) as client:  # without a key: it is not shown to a lab that is not known
        return client.handshake().lab_id
