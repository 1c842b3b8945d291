"""Clients for the labs that outboxes and the spool name by URL, profile and id.

This module decides which lab is meant, and whose key to use.

A lab is recognised by its id, if it has sent one. So the same lab may move to another address or port. Another lab at
the old address is not taken for it, and is sent no key (calls.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .. import profile
from ..base.lazyclass import replace
from ..errors import ConfigurationError, LabError
from ..profile import Profile, same_address

if TYPE_CHECKING:
    from .bounds import Bounds
    from .http import LabClient


def client_of(of: Profile, bounds: Bounds | None = None, lab_id: str = "") -> LabClient:
    """Return a client for the lab of a profile. It sends the key to that lab only, if the id of the lab is known.

    Args:
        bounds: time-outs; None: `defaults`.
        lab_id: id of the lab; "": that of the profile.
    """
    from .bounds import defaults
    from .http import LabClient

    return LabClient(of.url, of.secret_api_key, lab_id=lab_id or of.lab_id, **(bounds or defaults()))


def connect(url: str = "", name: str = "", lab_id: str = "", *, waits: bool = False) -> LabClient:
    """Return a client for a lab, with the key that the profiles have now. Asks labs for their ids where there is more
    than one address to try, or where the profiles do not have them. Raises ConfigurationError; LabRequestError where
    the lab is asked and fails.

    Args:
        url: address of the lab. "": no lab was known when it was written down, so the lab that is configured now.
        name: name of the profile to prefer.
        lab_id: id of the lab; "" where it was never known.
        waits: whether somebody waits for the answers, which are small. Each then takes ATTACH_TIMEOUT_S at most.
    """
    from .bounds import asking, defaults

    bounds = asking() if waits else defaults()
    if not url:
        return client_of(find_profile(), bounds)
    if not lab_id:
        return client_of(reach(url, name), bounds)
    ways = list(dict.fromkeys([reach(url, name, lab_id), *(p for p in known_profiles(name) if p.lab_id == lab_id)]))
    failure: LabError | None = None
    for way in ways:
        client = client_of(way, bounds, lab_id)
        if len(ways) == 1:
            return client
        try:
            client.handshake()
            return client
        except LabError as e:
            client.close()
            failure = failure or e
    assert failure is not None
    raise failure


def find_profile(name: str | None = None) -> Profile:
    """Return the profile to use now, as `profile.resolve` does. If no profile has the address HECTIQLAB_URL, ask the
    lab there for its id, without a key: it may be the lab of a profile, which has moved. Raises ConfigurationError.
    """
    try:
        return profile.resolve(name)
    except profile.UnknownAddressError as e:
        known = [p for p in profile.load_profiles().values() if p.lab_id and p.secret_api_key]
        its_id = ""
        with contextlib.suppress(LabError):
            its_id = _asked(Profile("", e.url)) if known else ""
        same = {p.name: p for p in known if p.lab_id == its_id}
        if not same:
            raise
        return replace(profile.only(same), url=e.url)


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
        ways.append(find_profile())
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
    from .bounds import asking
    from .http import LabClient

    with LabClient(candidate.url, **asking()) as client:  # without a key: an unknown lab must not see it
        return client.handshake().lab_id
