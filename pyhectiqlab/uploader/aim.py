"""Aim: to which lab a session's writers go, as profiles are now. What was kept because an address, a key or a profile
was wrong knows no lab that ever answered; it goes to the one that was meant, where there is one that can have been.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from .. import profile, settings
from ..base.texts import address
from ..errors import ConfigurationError, LabError, LabUnreachableError, NotALabError, NotFoundError
from ..profile import Profile, key_mark, same_address
from ..spool import SessionDir, Writer
from ..transport.addresses import clean_url
from ..transport.connecting import known_profiles, reach
from ..transport.http import LabClient, asking, quoted
from .redirect import NOWHERE_ELSE, Redirect

Changes = dict[str, dict[str, str]]  # writer → its url, profile and lab_id from now on


@dataclass(frozen=True)
class Wishes:
    """What `hectiqlab sync` was told.

    Attributes:
        to: the lab for what was meant for none that is known here.
        named: the sessions were named: `to` holds for all of them that no lab has yet.
        redirect: where goes what the lab does not take as it is.
    """

    to: Profile | None = None
    named: bool = False
    redirect: Redirect = NOWHERE_ELSE


AS_THEY_ARE = Wishes()


def destination(told: str) -> Profile:
    """Return the lab that `--to` names, by a profile or an address. Asks it who it is. Raises ConfigurationError,
    LabRequestError.
    """
    profiles = profile.load_profiles()
    if told in profiles:
        found = profile.resolve(told)
    else:
        url = clean_url(told)
        try:
            found = reach(url)
        except ConfigurationError:
            if not settings.get("api_key"):
                raise
            os.environ["HECTIQLAB_URL"] = url  # of this process: it is said now which lab the key is for
            found = profile.resolve()
    with LabClient(found.url, **asking()) as client:
        return replace(found, lab_id=client.handshake().lab_id)


def aim(session: SessionDir, wishes: Wishes, report: Callable[[str], None]) -> tuple[Changes, list[str]]:
    """Return what changes of the session's writers that are not delivered, and why others can go nowhere, each in a
    line. Asks labs who they are where that is not known. Blocks for a few requests.
    """
    changes: Changes = {}
    problems: dict[str, None] = {}
    found: dict[tuple[Any, ...], Profile | None] = {}
    for info in session.writers():
        if info.done:
            continue
        case = (*info.lab, info.key_mark, info.mode, info.run["run"]["id"] if info.run else "")
        if case not in found:
            try:
                found[case] = _aimed(session, info, wishes)
            except LabError as e:
                problems[str(e)] = None
                found[case] = None
                continue
            if (at := found[case]) is not None:
                before = f"for {info.url}" if info.url else "for no lab"
                report(f"session {session.name}: kept {before}; sending it to {at.url} (profile {at.name!r})")
        if (at := found[case]) is not None:
            changes[info.writer] = {"url": at.url, "profile": at.name, "lab_id": at.lab_id}
    return changes, list(problems)


def apply(session: SessionDir, changes: Changes) -> None:
    """By who holds the session's lease. Raises OSError."""
    for info in session.writers():
        if info.writer in changes:
            session.save_writer(info.changed(**changes[info.writer]), durable=True)


def _aimed(session: SessionDir, info: Writer, wishes: Wishes) -> Profile | None:
    """Return another lab than it says; None where it goes where it says. Raises LabError."""
    if info.run is not None:
        return _at_another_address(info, wishes)
    if not info.url:  # whichever is the one now
        try:
            return wishes.to or _with_id(profile.resolve())
        except ConfigurationError as e:
            raise _with_hint(str(e), session, info) from None
    try:
        own = reach(*info.lab)
    except ConfigurationError as e:
        if wishes.to is not None and (wishes.named or not info.lab_id):
            return wishes.to
        if info.lab_id:
            raise _with_hint(str(e), session, info) from None
        return _meant(session, info)
    if wishes.to is None or same_address(wishes.to.url, own.url) or not (wishes.named or not info.lab_id):
        return None
    return wishes.to if wishes.named or not _answers(own.url) else None


def _at_another_address(info: Writer, wishes: Wishes) -> Profile | None:
    """Return a run that a lab has: it goes to that lab alone, which may be at another address. Raises LabError."""
    try:
        reach(*info.lab)
        return None
    except ConfigurationError:
        if info.lab_id and wishes.to is None:
            raise
        for candidate in [wishes.to] if wishes.to is not None else known_profiles(info.profile):
            if info.lab_id == candidate.lab_id if info.lab_id else _has_run(candidate, info):
                return _with_id(candidate)
        if wishes.to is None:
            raise
    raise ConfigurationError(
        f"A part of the run {info.attach.get('name')!r} is at the lab {info.url}; the rest can go there alone."
    )


def _meant(session: SessionDir, info: Writer) -> Profile:
    """Return the lab that was meant by an address for which there is no profile, and at which no lab ever answered.
    Raises ConfigurationError where it cannot be told.
    """
    known = known_profiles(info.profile)
    fitting = [p for p in known if info.key_mark and key_mark(p.secret_api_key) == info.key_mark]
    fitting = fitting or [p for p in known if p.name == info.profile]
    if not fitting and any(os.environ.get(name) for name in ("HECTIQLAB_URL", "HECTIQLAB_PROFILE")):
        with contextlib.suppress(ConfigurationError):
            fitting = [profile.resolve()]
    if not fitting and len(_places(known)) == 1 and _may_be(info.url, known[0].url):
        fitting = known
    if len(_places(fitting)) != 1:
        raise _with_hint(f"No profile is for the lab {info.url}.", session, info)
    return _with_id(fitting[0])


def _places(profiles: list[Profile]) -> set[str]:
    """Return distinct labs among them: by id, by address where they have none."""
    return {p.lab_id or address(p.url) for p in profiles}


def _may_be(wrong: str, right: str) -> bool:
    """Return whether the first can have been meant to be the second: it is no address, it is of the same machine, or no
    lab is there. Where a machine is there that does not answer, its lab may be down.
    """
    try:
        host = urlsplit(clean_url(wrong)).hostname
    except ConfigurationError:
        return True
    if host == urlsplit(right).hostname or same_address(wrong, right):
        return True
    try:
        with LabClient(wrong, **asking()) as client:
            client.handshake()
    except NotALabError:
        return True
    except LabUnreachableError as e:
        return "is not known" in str(e)  # the name
    except LabError:
        return False
    return False


def _answers(url: str) -> bool:
    try:
        with LabClient(url, **asking()) as client:
            client.handshake()
    except LabError:
        return False
    return True


def _has_run(candidate: Profile, info: Writer) -> bool:
    """Return whether that lab has the run, whose id no other lab has."""
    assert info.run is not None
    try:
        with LabClient(candidate.url, candidate.secret_api_key, **asking()) as client:
            client.get(f"/runs/{quoted(str(info.run['run']['id']))}")
    except NotFoundError:
        return False
    except LabError as e:
        return e.status == 410 if hasattr(e, "status") else False
    return True


def _with_id(found: Profile) -> Profile:
    """Return the same, with the id of the lab where it tells it now."""
    if not found.lab_id:
        with contextlib.suppress(LabError), LabClient(found.url, **asking()) as client:
            return replace(found, lab_id=client.handshake().lab_id)
    return found


def _with_hint(why: str, session: SessionDir, info: Writer) -> ConfigurationError:
    known = ", ".join(f"{p.name} ({p.url})" for p in known_profiles()) or "none"
    known_url = info.url and "add-profile" not in why and "another one" not in why
    log_in = f"If that is right, log in with `hectiqlab add-profile --url {info.url}`; if" if known_url else "If"
    return ConfigurationError(
        f"{why.rstrip('.')}. {log_in} another lab was meant, send it there with `hectiqlab sync {session.name[:8]} "
        f"--to PROFILE` or `--to URL` (profiles: {known})."
    )
