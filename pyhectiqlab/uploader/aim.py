"""Aim: to which lab a session's writers go, as profiles are now.

Where an address, a key or a profile was wrong, no lab ever answered. What was kept then goes to the lab that was meant,
if it is clear which one that is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from .. import profile
from ..base.texts import address
from ..errors import ConfigurationError, LabError, LabUnreachableError, NotALabError, NotFoundError
from ..profile import Profile, key_mark, same_address
from ..spool import SessionDir, Writer
from ..transport.addresses import clean_url
from ..transport.bounds import asking
from ..transport.connecting import client_of, find_profile, known_profiles, reach
from ..transport.http import LabClient, quoted
from .redirect import NOWHERE_ELSE, Redirect

Changes = dict[str, dict[str, str]]  # writer → its url, profile and lab_id from now on


@dataclass(frozen=True)
class Wishes:
    """What `hectiqlab sync` was told.

    Attributes:
        to: the lab for runs that are of it, or whose own lab is not known here.
        named: whether the sessions were named. Then `to` is the lab of all their runs that no lab has yet.
        as_new_runs: whether `to` is the lab also of runs that were logged for another lab, which has nothing of them.
        redirect: where to send what the lab does not take as it is.
    """

    to: Profile | None = None
    named: bool = False
    as_new_runs: bool = False
    redirect: Redirect = NOWHERE_ELSE


AS_THEY_ARE = Wishes()


class RefusedError(ConfigurationError):
    """A session that was named must not go to the lab that `--to` names. So nothing of it is sent."""


def destination(wanted: str) -> Profile:
    """Return the lab that `--to` names, by a profile or an address. Asks the lab for its id. Raises ConfigurationError,
    LabRequestError.
    """
    profiles = profile.load_profiles()
    if wanted in profiles:
        destined = profile.resolve(wanted)
    else:
        url = clean_url(wanted)
        try:
            destined = reach(url)
        except ConfigurationError:
            os.environ["HECTIQLAB_URL"] = url  # for this process: the user has now said which lab is meant
            destined = find_profile()
    with client_of(destined, asking()) as client:
        return replace(destined, lab_id=client.handshake().lab_id, url=client.url)


def aim(session: SessionDir, wishes: Wishes, report: Callable[[str], None]) -> tuple[Changes, list[str]]:
    """Return which writers of the session go to another lab than before, and why others can go nowhere, each in a line.
    Delivered writers are left out. Asks labs for their ids where these are not known. Blocks for a few requests. Raises
    RefusedError.
    """
    changes: Changes = {}
    problems: dict[str, None] = {}
    aims: dict[tuple[Any, ...], Profile | None] = {}
    for info in session.writers():
        if info.done:
            continue
        case = (*info.lab, info.key_mark, info.mode, info.run["run"]["id"] if info.run else "")
        if case not in aims:
            try:
                aims[case] = _aimed(session, info, wishes)
            except RefusedError:
                raise
            except LabError as e:
                problems[str(e)] = None
                aims[case] = None
                continue
            if (at := aims[case]) is not None:
                report(f"session {session.name}: {_why(info, at)}; sending it to {at.url} (profile {at.name!r})")
        if (at := aims[case]) is not None:
            changes[info.writer] = {"url": at.url, "profile": at.name, "lab_id": at.lab_id}
    return changes, list(problems)


def apply(session: SessionDir, changes: Changes) -> None:
    """Write the changes into the session. Call it only while holding the session's lease. Raises OSError."""
    for info in session.writers():
        if info.writer in changes:
            session.save_writer(info.changed(**changes[info.writer]), durable=True)


def _why(info: Writer, at: Profile) -> str:
    """Return why the writer goes to another address than the one that it names."""
    if not info.url:
        return "kept for no lab"
    if info.lab_id and info.lab_id == at.lab_id:
        return f"logged for {info.url}, and its lab has moved"
    return f"logged for {info.url}" + (", another lab: its runs are made anew" if info.lab_id else "")


def _aimed(session: SessionDir, info: Writer, wishes: Wishes) -> Profile | None:
    """Return the lab to which the writer goes if that is not the one it names; else None. Raises LabError."""
    same_lab = wishes.to is not None and info.lab_id != "" and wishes.to.lab_id == info.lab_id
    if same_lab and wishes.to is not None:
        return None if same_address(wishes.to.url, info.url) else wishes.to
    if info.run is not None:
        return _at_another_address(session, info, wishes)
    if wishes.to is not None and wishes.named and info.lab_id:
        if wishes.as_new_runs:
            return wishes.to
        raise _another_lab(session, info, wishes.to)
    if not info.url:  # it goes to the lab that is configured now
        try:
            return wishes.to or _with_id(find_profile())
        except ConfigurationError as e:
            raise _with_hint(str(e), session, info) from None
    try:
        own = reach(*info.lab)
    except ConfigurationError as e:
        if wishes.to is not None and not info.lab_id:
            return wishes.to
        if info.lab_id:
            raise _with_hint(str(e), session, info) from None
        return _meant(session, info)
    if wishes.to is None or same_address(wishes.to.url, own.url) or not (wishes.named or not info.lab_id):
        return None
    return wishes.to if wishes.named or not _answers(own.url) else None


def _another_lab(session: SessionDir, info: Writer, to: Profile) -> RefusedError:
    return RefusedError(
        f"The run {info.attach.get('name')!r} is for the lab {info.url} (id {info.lab_id[:8]}), and {to.url} is "
        f"another one (id {to.lab_id[:8]}). It stays here: start its own lab, or give that one's new address "
        f"(`hectiqlab add-profile`). Or have the other lab make its runs anew: `hectiqlab sync {session.name[:8]} --to "
        f"{to.name} --as-new-runs`."
    )


def _at_another_address(session: SessionDir, info: Writer, wishes: Wishes) -> Profile | None:
    """Return the new address of a lab that has the run; None where it has not moved. Its events go to that lab alone.
    Raises LabError.
    """
    try:
        own = reach(*info.lab)
    except ConfigurationError:
        if info.lab_id and wishes.to is None:
            raise
        for candidate in [wishes.to] if wishes.to is not None else known_profiles(info.profile):
            if info.lab_id == candidate.lab_id if info.lab_id else _has_run(candidate, info):
                return _with_id(candidate)
        if wishes.to is None:
            raise
    else:
        if wishes.to is None or not wishes.named or same_address(wishes.to.url, own.url):
            return None
        if not info.lab_id and _has_run(wishes.to, info):
            return wishes.to
    raise (RefusedError if wishes.named else ConfigurationError)(
        f"A part of the run {info.attach.get('name')!r} is at the lab {info.url}, so "
        "the rest can go there alone: each lab would have half of the run. Start that lab again, or give its new "
        f"address (`hectiqlab add-profile`), then run `hectiqlab sync {session.name[:8]}`."
    )


def _meant(session: SessionDir, info: Writer) -> Profile:
    """Return the lab that was meant by an address that has no profile and at which no lab ever answered. Raises
    ConfigurationError where that is not clear.
    """
    known = known_profiles(info.profile)
    fitting = [p for p in known if info.key_mark and key_mark(p.secret_api_key) == info.key_mark]
    fitting = fitting or [p for p in known if p.name == info.profile]
    if not fitting and any(os.environ.get(name) for name in ("HECTIQLAB_URL", "HECTIQLAB_PROFILE")):
        with contextlib.suppress(ConfigurationError):
            fitting = [find_profile()]
    if not fitting and len(_places(known)) == 1 and _may_be(info.url, known[0].url):
        fitting = known
    if len(_places(fitting)) != 1:
        raise _with_hint(f"No profile is for the lab {info.url}.", session, info)
    return _with_id(fitting[0])


def _places(profiles: list[Profile]) -> set[str]:
    """Return the labs of the profiles: their ids, or addresses where they have no id."""
    return {p.lab_id or address(p.url) for p in profiles}


def _may_be(wrong: str, right: str) -> bool:
    """Return whether somebody who wrote the first address can have meant the second. That is so if the first is no
    address, if it is on the same machine, or if there is no lab. If a machine is there and does not answer, its lab may
    be down.
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
    """Return whether that lab has the run. No two labs use the same id for a run."""
    assert info.run is not None
    try:
        with client_of(candidate, asking()) as client:
            client.get(f"/runs/{quoted(str(info.run['run']['id']))}")
    except NotFoundError:
        return False
    except LabError as e:
        return e.status == 410 if hasattr(e, "status") else False
    return True


def _with_id(lab_profile: Profile) -> Profile:
    """Return the profile with the id of its lab, if the lab tells it now."""
    if not lab_profile.lab_id:
        with contextlib.suppress(LabError), LabClient(lab_profile.url, **asking()) as client:
            return replace(lab_profile, lab_id=client.handshake().lab_id)
    return lab_profile


def _with_hint(why: str, session: SessionDir, info: Writer) -> ConfigurationError:
    known = ", ".join(f"{p.name} ({p.url})" for p in known_profiles()) or "none"
    known_url = info.url and "add-profile" not in why and "another one" not in why
    anew = " --as-new-runs" if info.lab_id else ""
    log_in = f"If that is right, log in with `hectiqlab add-profile --url {info.url}`; if" if known_url else "If"
    return ConfigurationError(
        f"{why.rstrip('.')}. {log_in} another lab was meant, send it there with `hectiqlab sync {session.name[:8]} "
        f"--to PROFILE{anew}` or `--to URL{anew}` (profiles: {known})."
    )
