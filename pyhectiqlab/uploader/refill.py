"""Refill: after the lab was restored from a backup, delivered sessions are opened again at the lab's cursors.

So what their journals still keep is sent once more, and so are their files, if these have not changed.

A stream that still sends learns of it from the lab, which answers the next batch with 409 and its cursor, or with 404
where it does not know the run any more. Its uploader then asks about the streams of its session that were delivered:
those of processes that ended and of runs that were closed. A delivered session sends nothing by itself, so a sync asks
for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .. import settings
from ..base.texts import counted
from ..capture.snapshot import REFERENCE, identity_of
from ..errors import GoneError, LabError, NotFoundError
from ..spool import FileRequest, Lab, SessionDir, Writer, read_json, write_json
from ..transport.answers import not_a_lab
from ..transport.connecting import connect
from ..transport.files import hash_file
from ..transport.http import LabClient, quoted
from .recover import LAB_RESTORED


class Behind(NamedTuple):
    """`cursor`: the lab's cursor now. `acked`: what it once was."""

    cursor: int
    acked: int


class _Held(NamedTuple):
    """What the lab has of a run: the cursors of its writers. `known`: whether it has the run, if only without
    writers.
    """

    known: bool
    cursors: dict[str, int]


def acked(session: SessionDir) -> dict[str, int]:
    """Return the cursors that the lab once acknowledged, by writer."""
    writers = (read_json(session.path / "status.json") or {}).get("writers", {})
    known = {writer: int(fields.get("acked", 0)) for writer, fields in writers.items() if not fields.get("stopped")}
    for info in session.writers():
        if info.done and info.delivered:
            known[info.writer] = max(known.get(info.writer, 0), info.delivered)
    return known


def may_lack(session: SessionDir) -> bool:
    """Return whether the session was delivered so lately that its journal is kept for a lab restored from a backup."""
    try:
        age_s = time.time() - (session.path / "status.json").stat().st_mtime
    except OSError:
        return False
    return age_s < settings.JOURNAL_KEEP_S and any(w.done for w in session.writers())


def reopen(session: SessionDir, report: Callable[[str], None]) -> dict[str, Behind]:
    """Call `reopened`. Where the lab cannot be asked, that is logged, and the next sync asks again."""
    try:
        return reopened(session, report)
    except LabError as e:
        session.log(f"it is not known whether the lab still has what it had: {e}")
        return {}


def reopened(
    session: SessionDir, report: Callable[[str], None], newest: Mapping[str, int] | None = None
) -> dict[str, Behind]:
    """Mark delivered writers of the session as not done if the lab holds less of them than it acknowledged. Return
    them. Blocks for one or two requests a run. Raises LabError; then writers that were not asked about are unchanged.

    Args:
        newest: acknowledged cursors by writer, where the caller has newer ones than `status.json`.
    """
    known = {**acked(session), **(newest or {})}
    done = [w for w in session.writers() if w.done and w.run and known.get(w.writer)]
    behind: dict[str, Behind] = {}
    clients: dict[Lab, LabClient] = {}
    held: dict[str, _Held | None] = {}
    try:
        for info in done:
            if info.lab not in clients:
                clients[info.lab] = connect(*info.lab)
            run = run_of(info)
            if run not in held:
                held[run] = _held(clients[info.lab], run)
        for info in done:  # only when all were asked: a call that fails leaves nothing half done
            its = held[run_of(info)]
            if its is not None and its.cursors.get(info.writer, 0) < known[info.writer]:
                session.save_writer(info.changed(done=False, run=info.run if its.known else None))
                behind[info.writer] = Behind(its.cursors.get(info.writer, 0), known[info.writer])
        try:
            files = _reopen_files(session, [i for i in done if held[run_of(i)] is not None], clients, behind)
            if files:
                lacks = f"the lab lacks {counted(files, 'file')} that it had"
                report(f"session {session.name}: {lacks}; sending those that are unchanged")
        except LabError as e:  # files are asked about again by the next sync
            session.log(f"it is not known whether the lab still has the files that it had: {e}")
    finally:
        for client in clients.values():
            client.close()
    if behind:
        missing = sum(b.acked - b.cursor for b in behind.values())
        lacks = f"the lab lacks {counted(missing, 'event')} that it had"
        report(f"session {session.name}: {lacks}; sending what is still kept")
    return behind


def _reopen_files(
    session: SessionDir, done: list[Writer], clients: dict[Lab, LabClient], behind: dict[str, Behind]
) -> int:
    """Ask once more for delivered files that the lab does not know. Return how many there are. A file that has changed
    or is gone is given up, which the lab is told. Where the lab is not the same as before, this takes a request for
    each file.
    """
    writers = {info.writer: info for info in done}
    delivered = [r for r in session.delivered() if r.writer in writers and not r.reason]
    generations: dict[Lab, str] = {}
    lacking = 0
    for request in delivered:
        info = writers[request.writer]
        where = info.lab
        if where not in generations:
            generations[where] = clients[where].handshake().generation
        if not behind and info.run and info.run.get("generation") == generations[where]:
            continue
        try:
            clients[where].get(f"/artifacts/{request.id}")
            continue
        except GoneError:
            continue  # its run was deleted: the lab does not lack it
        except NotFoundError:
            lacking += 1
        _ask_again(session, request)
        if request.writer not in behind:
            session.save_writer(info.changed(done=False))
            writers[request.writer] = info.changed(done=False)
    return lacking


def _ask_again(session: SessionDir, request: FileRequest) -> None:
    """Ask for a file again, by a request like the first. If the file is not what it was, note that it failed. Raises
    OSError where the spool cannot be written.
    """
    again = request.changed(answer=False, told=False)
    try:
        fd = os.open(request.origin, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        same = False
    else:
        try:
            stat = os.fstat(fd)
            same = stat.st_size == request.size and hash_file(fd)[0] == request.digest
        finally:
            os.close(fd)
    if same:
        again = again.changed(source=request.origin, held=REFERENCE, identity=identity_of(stat))
        write_json(session.file_path(request.id), again.as_dict())
        return
    detail = "the lab was restored from a backup that does not have it, and it is not there any more as it was"
    again = again.changed(reason=LAB_RESTORED, detail=detail)
    write_json(session.file_path(request.id, "failed.json"), again.as_dict())
    session.note_delivered(again)  # with its reason, so that the next sync does not count it once more


def run_of(info: Writer) -> str:
    assert info.run is not None
    return str(info.run["run"]["id"])


def _held(client: LabClient, run: str) -> _Held | None:
    """Return what the lab has of a run. None: the run was deleted, so nothing of it counts."""
    try:
        items: list[dict[str, Any]] = list(client.pages(f"/runs/{quoted(run)}/writers", {"limit": 1000}))
    except GoneError:
        return None
    except NotFoundError:
        return _Held(False, {})
    try:
        return _Held(True, {str(item["writer"]): int(item["cursor"]) for item in items})
    except (TypeError, ValueError):
        raise not_a_lab(client.url, "its list has another shape") from None
