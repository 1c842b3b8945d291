"""Opening a run: from the arguments of `Run(...)` to an outbox.

Nothing else in the client waits for the lab; this does, for ATTACH_TIMEOUT_S at most.

Whatever goes wrong here is printed once, and training goes on with nothing pushed: what it logs is kept in the spool
(mode "kept"), or dropped with HECTIQLAB_KEEP_DRY=0 (mode "dry").
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from .. import settings
from .._version import __version__
from ..base.lazyclass import dataclass, replace
from ..base.texts import clean
from ..capture.interactive import cell
from ..capture.launcher import Place, job
from ..capture.process import host, this_process
from ..capture.script import name_of, script
from ..errors import ConfigurationError, ConflictError, LabRequestError
from ..profile import Profile, key_mark, resolve, same_address
from ..protocol.states import LAUNCH
from ..spool import SessionDir
from . import sessions
from .binding import Binding
from .outbox import DroppingOutbox, Outbox
from .queue_outbox import QueueOutbox, outboxes_of
from .saying import say, say_once
from .session import Session

if TYPE_CHECKING:
    from ..transport.http import LabClient

PROJECT_NOT_FOUND, INVALID = "project_not_found", "invalid"  # the lab's words
SESSION_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")
MIN_ATTACH_S = 1.0  # for the second request, however long the first one took
NAMES_TRIED_MAX = 5
# Only the first pushes anything. DRY drops; OFFLINE keeps on purpose; KEPT keeps because something is wrong.
ONLINE, OFFLINE, KEPT, DRY, READ_ONLY = "online", "offline", "kept", "dry", "read-only"


@dataclass(frozen=True)
class Opened:
    """`answer`: what the lab answered about the run. None: it was not asked, or did not answer."""

    mode: str
    outbox: Outbox
    place: Place
    answer: dict[str, Any] | None = None


def open_run(name: str, project: str | None, create_project: bool, dry: bool, here: Place, new: bool = False) -> Opened:
    """Open a run. Never raises because of the lab, the network, the disk, the configuration or a fault of ours.

    `new`: nobody has opened the run before; if the lab has a run of that name, another name is made of it.
    """
    try:
        opened = _open_run(name, project, create_project, dry, here, new)
        if new and opened.mode in (OFFLINE, KEPT) and _tells(here):
            say_once(f"new run {name}, kept here: `hectiqlab sync` pushes it.")
        return opened
    except Exception as e:
        return _drop(f"internal error in Run(...): {type(e).__name__}: {e}.", here)


def _open_run(name: str, project: str | None, create_project: bool, dry: bool, here: Place, new: bool) -> Opened:
    try:
        wanted = DRY if dry else settings.get("mode")
        if wanted == DRY:
            return Opened(DRY, DroppingOutbox(DRY), here)
        profile = _profile(wanted)
        project = project or settings.get("project") or profile.project
        borrowed = _borrowed(profile, name, project, here)
        if borrowed is not None:
            return borrowed
    except ConfigurationError as e:
        return _dry(str(e), Profile(""), name, project, create_project, here)
    if wanted == OFFLINE:
        return _keep(OFFLINE, profile, name, project, create_project, here)
    try:
        session = sessions.current()
    except OSError as e:
        return _drop(f"there is no place for what is logged: {e}.", here)
    request = _request(session, name, project, create_project, here)
    ends_at = time.monotonic() + settings.ATTACH_TIMEOUT_S
    try:
        with _asking(profile) as client:
            profile = replace(profile, lab_id=client.handshake().lab_id)
            if not same_address(profile.url, client.url):  # the old one redirects there for good
                say_once(f"the lab of profile {profile.name!r} has moved from {profile.url} to {client.url}.")
                profile = replace(profile, url=client.url)
            answer = _attach_new(client, request, ends_at) if new else _attach(client, request, ends_at)
    except (LabRequestError, ConfigurationError) as e:
        return _dry(str(e), profile, name, project, create_project, here, code=getattr(e, "code", ""))
    if answer["mode"] == READ_ONLY:
        say(
            f"the run {name!r} belongs to {answer['run']['author']}: it is read-only here, nothing is pushed. "
            "For a run of your own, choose another name."
        )
        return Opened(READ_ONLY, DroppingOutbox(READ_ONLY), here, answer)
    binding = _binding(ONLINE, profile, request, answer)
    if _shared(session, binding) is None:
        _say_where(answer, here)
    return _opened(session, ONLINE, binding, here, answer)


def _binding(mode: str, profile: Profile, request: dict[str, Any], answer: dict[str, Any] | None) -> Binding:
    mark = key_mark(profile.secret_api_key)
    return Binding(mode, profile.url, profile.name, request, answer, True, lab_id=profile.lab_id, key_mark=mark)


def _borrowed(profile: Profile, name: str, project: str | None, here: Place) -> Opened | None:
    """Return the run as another process opened it: the parent that this process was forked from, or one that pickled
    its Run.
    """
    for outbox in sessions.borrowed():
        binding = outbox.binding
        asked = {"name": name, "project": project, "rank": here.rank}
        same_lab = binding.url == profile.url or binding.lab_id == profile.lab_id != ""
        if same_lab and all(binding.attach[k] == v for k, v in asked.items()):
            return Opened(binding.mode, outbox, here, binding.run)
    return None


def _profile(mode: str) -> Profile:
    try:
        if mode == OFFLINE:  # nobody is asked
            return resolve()
        from ..transport.connecting import find_profile

        return find_profile()
    except ConfigurationError:
        if mode == OFFLINE:  # which lab it is for may be known only where it is synced
            return Profile("")
        raise


def _request(
    session: Session | None, name: str, project: str | None, create_project: bool, here: Place
) -> dict[str, Any]:
    began_as = script()
    script_name, main = name_of(began_as), began_as.pid == os.getpid()
    launch = settings.get("launch")
    if launch == LAUNCH + name_of(this_process()):  # this is `hectiqlab run`
        script_name, main = launch, True
    elif launch is not None and name == settings.get("run"):
        script_name, main = launch, False
    return {
        "name": name,
        "project": project,
        "create_project": create_project,
        "session": session.dir.name if session else "",
        "rank": here.rank,
        "world_size": here.world_size,
        "restart": here.restart,
        "job": job(),
        "host": host(),
        "pid": os.getpid(),
        "client_time": time.time(),
        "started": time.time(),
        "client_version": __version__,
        "script": script_name,
        "main": main,
        "opening": _opening(session, name, project, here) if session else 0,
    }


def _opening(session: Session, name: str, project: str | None, here: Place) -> int:
    """Return how often this process has opened the run and closed it. If a notebook's cell opens a run that is still
    open, that counts as a new opening: whoever runs a cell again wants a new curve, not both in one.
    """
    before = session.openings.get((name, here.rank), 0)
    number = cell()
    anew = number is not None and any(
        o.cell != number for o in outboxes_of(session) if _is_of(o, name, project, here.rank) and o.cell is not None
    )
    return before + anew


def _is_of(outbox: QueueOutbox, name: str, project: str | None, rank: int) -> bool:
    """Return whether this outbox is open, and belongs to that rank of that run."""
    attach = outbox.binding.attach
    same = (attach["name"], attach["project"], attach["rank"]) == (name, project, rank)
    return same and not outbox.closed and outbox.binding.ends_run


def _asking(profile: Profile) -> LabClient:
    from ..transport.bounds import asking
    from ..transport.connecting import client_of

    return client_of(profile, asking())


def _attach(client: LabClient, request: dict[str, Any], ends_at: float) -> dict[str, Any]:
    answer = client.attach(request, timeout_s=max(MIN_ATTACH_S, ends_at - time.monotonic()))
    gone = [session for session in answer.get("held_by", ()) if _is_gone(session)]
    if gone:  # perhaps with their uploaders, so that nobody has told the lab
        return client.attach({**request, "gone": gone}, timeout_s=max(MIN_ATTACH_S, ends_at - time.monotonic()))
    return answer


def _is_gone(session: object) -> bool:
    """Return whether the process of a session on this machine has ended, according to its folder in the spool."""
    if not isinstance(session, str) or not SESSION_NAME.fullmatch(session):
        return False
    owner = SessionDir(settings.spool_dir() / session).owner()
    return owner is not None and owner.has_ended()


def _attach_new(client: LabClient, request: dict[str, Any], ends_at: float) -> dict[str, Any]:
    """Attach as a new run. If the lab has a run of that name, change the name in the request."""
    from .naming import other_name

    asked = request["name"]
    for _ in range(NAMES_TRIED_MAX):
        try:
            return _attach(client, {**request, "new": True}, ends_at)
        except ConflictError as e:
            if e.code != "name_taken":
                raise
            request["name"] = other_name(asked)
    return _attach(client, request, ends_at)


def _tells(here: Place) -> bool:
    """Return whether this process is to say which run it writes to: one process of each job does, and none of its
    workers.
    """
    worker = getattr(sys.modules.get("multiprocessing"), "parent_process", lambda: None)() is not None
    try:
        return here.rank == 0 and not worker and not settings.get("quiet")
    except ConfigurationError as e:
        say_once(str(e))
        return True


def _say_where(answer: dict[str, Any], here: Place) -> None:
    """Say which run this process writes to, and where people see it."""
    if not _tells(here):
        return
    run, attempt = answer["run"], answer["attempt"]
    name, project = clean(run["name"]), clean((run.get("project") or {}).get("name") or "-")
    if not answer.get("sets_state", True):
        if settings.get("launch") is not None and run["name"] == settings.get("run"):
            return  # `hectiqlab run` has said it
        what = f"joins {name}, which another process writes to"
    elif attempt > 1:
        what = f"continues {name} as attempt {attempt}"
    else:
        what = f"{'new run' if answer.get('created') else 'run'} {name} in {project}"
    say_once(f"{what}: {clean(run['url'])}")


def _dry(
    why: str, profile: Profile, name: str, project: str | None, create_project: bool, here: Place, *, code: str = ""
) -> Opened:
    """Open a run of which nothing is pushed, for a reason. What it logs is kept in the spool, unless that is not
    wanted.
    """
    try:
        keep = bool(settings.get("keep_dry"))
    except ConfigurationError:
        keep = True
    if not keep:
        return _drop(why, here)
    opened = _keep(KEPT, profile, name, project, create_project, here)
    if isinstance(opened.outbox, QueueOutbox):
        its, later = opened.outbox.session.dir.name[:8], "`hectiqlab sync` pushes it once that is put right"
        if code == PROJECT_NOT_FOUND:
            later = (
                "`hectiqlab sync` pushes it once the project is there, "
                f"`hectiqlab sync {its} --project NAME` into another one"
            )
        elif code == INVALID:
            later = f"`hectiqlab sync {its} --name NAME` (or `--project NAME`) pushes it under another name"
        say(f"{why} Dry mode, kept: training goes on and nothing is pushed now; all is kept here, and {later}.")
    return opened


def _keep(mode: str, profile: Profile, name: str, project: str | None, create_project: bool, here: Place) -> Opened:
    try:
        session = sessions.current()
    except OSError as e:
        return _drop(f"there is no place for what is logged: {e}.", here)
    request = _request(session, name, project, create_project, here)
    return _opened(session, mode, _binding(mode, profile, request, None), here, None)


def _opened(session: Session, mode: str, binding: Binding, here: Place, answer: dict[str, Any] | None) -> Opened:
    shared = _shared(session, binding)
    if shared is not None:
        return Opened(mode, shared, here, answer)
    attach = binding.attach
    of_it = [o for o in outboxes_of(session) if _is_of(o, attach["name"], attach["project"], attach["rank"])]
    earlier = next((o for o in of_it if o.binding.attach["opening"] < attach["opening"]), None)
    try:
        if earlier is not None:
            earlier.renew(binding)
        outbox = earlier or QueueOutbox(session, binding)
        outbox.cell = cell()
    except OSError as e:
        return _drop(f"the spool {session.dir.path} cannot be written ({os.strerror(e.errno or 5)}).", here)
    session.look_after_uploader()
    return Opened(mode, outbox, here, answer)


def _shared(session: Session, binding: Binding) -> QueueOutbox | None:
    """Return the outbox that this process already has of the same run: opening a run once more shares it."""
    for outbox in outboxes_of(session):
        other = outbox.binding
        same_lab = other.url == binding.url or other.lab_id == binding.lab_id != ""
        same_lab = same_lab and (other.mode, other.attach["rank"]) == (binding.mode, binding.attach["rank"])
        if other.run and binding.run:
            same_run = (
                other.run["run"]["id"] == binding.run["run"]["id"] and other.run["attempt"] == binding.run["attempt"]
            )
        else:
            same_run = all(other.attach[k] == binding.attach[k] for k in ("name", "project"))
        if same_lab and same_run and bool(other.run) == bool(binding.run) and not outbox.closed:
            return outbox
    return None


def _drop(why: str, here: Place) -> Opened:
    say(f"{why} Dry mode, dropped: training goes on, nothing is pushed or kept.")
    return Opened(DRY, DroppingOutbox(DRY), here)


def join_run(session_path: str, binding: Binding, place: Place, mode: str) -> Opened:
    """Open a run that was pickled into this process: the same run, with a queue of its own. It never ends the run."""
    from pathlib import Path

    binding = replace(binding, ends_run=False)
    try:
        session = sessions.joined(Path(session_path))
    except OSError:
        attach = binding.attach
        return open_run(attach["name"], attach["project"], attach["create_project"], False, place)
    return _opened(session, mode, binding, place, binding.run)
