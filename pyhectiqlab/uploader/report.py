"""Reports: what the sessions on this machine hold, read from their files; for `hectiqlab status`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .. import settings
from ..ring import layout
from ..ring.mapping import open_existing
from ..spool import SessionDir, Writer, read_json
from .lease import Lease


def session_reports() -> list[dict[str, Any]]:
    """One dict a session that still holds something or whose owner lives. Reads files only; never blocks on the
    network.
    """
    reports = [session_report(s) for s in SessionDir.all(settings.spool_dir())]
    return [r for r in reports if r["state"] != "delivered"]


def session_report(session: SessionDir) -> dict[str, Any]:
    status = read_json(session.path / "status.json") or {}
    owner = session.owner()
    alive = owner is not None and not owner.has_ended()
    lease = Lease(session.path)
    held = lease.is_held()
    holder = lease.holder()
    writers = list(session.writers())
    acked = journaled = sent = waiting = 0
    losses: dict[str, int] = {}
    for info in writers:
        known = status.get("writers", {}).get(info.writer, {})
        journaled += known.get("journaled", 0)
        sent += known.get("sent", 0)
        acked += known.get("acked", 0)
        waiting += _waiting_bytes(session, info)
        for reason, count in known.get("lost", {}).items():
            losses[reason] = losses.get(reason, 0) + count
    unsent = [w for w in writers if not w.done]
    files = [r for ident in session.file_ids() if (r := session.file_request(ident))]
    sent_bytes = sum(f.get("sent", 0) for f in status.get("files", {}).values())
    return {
        "session": session.name,
        "state": "alive" if alive else "waits" if unsent else "delivered",
        "mode": "/".join(sorted({w.mode for w in writers})) or "online",
        "owner_pid": owner.pid if owner else None,
        "host": owner.host if owner else None,
        "age_s": round(time.time() - float(session.info().get("started", time.time()))),
        "uploader_pid": holder.pid if held and holder else None,
        "runs": sorted({str(w.attach.get("name", "")) for w in writers}),
        "journaled": journaled,
        "sent": sent,
        "acked": acked,
        "backlog": journaled - acked,
        "queued_bytes": waiting,
        "files_left": len(files),
        "file_bytes_left": max(0, sum(r.size for r in files) - sent_bytes),
        "lost": losses,
        "trouble": status.get("trouble", ""),
    }


def _waiting_bytes(session: SessionDir, info: Writer) -> int:
    """Bytes in the queue and its spill file that no uploader has taken yet."""
    if info.done:
        return 0
    try:
        mapping = open_existing(Path(info.queue))
    except (OSError, ValueError):
        return 0
    try:
        words = mapping.words
        waiting = int(words[layout.TAIL] - words[layout.HEAD])
        try:
            waiting += session.spill(info.writer).stat().st_size - int(words[layout.SPILL])
        except FileNotFoundError:
            pass
        return waiting
    finally:
        mapping.close()
