"""Reports: what the sessions on this machine hold, read from their files, for `hectiqlab status`.

The numbers are those of `run.status()`, for each writer.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..ring.peek import peek
from ..spool import SessionDir, Writer, read_json
from . import quarantine
from .lease import Lease
from .synced import Synced, read_synced


@dataclass(frozen=True)
class WriterReport:
    """The numbers of one writer: acked ≤ sent ≤ journaled ≤ produced. If the queue is in another machine's memory,
    `reachable` is False, `queued_bytes` are those of its last sign of life, and `produced` does not count them.
    `lag_s`: for how long the lab has lacked something, within two seconds or so; 0 where it has everything.
    """

    writer: str
    run: str
    mode: str
    produced: int
    journaled: int
    sent: int
    acked: int
    queued_bytes: int
    reachable: bool
    lag_s: float
    lost: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    done: bool = False
    attached: bool = False  # a lab has its run


def session_reports() -> list[dict[str, Any]]:
    """Return a dict for each session that still holds something, whose owner lives, or of which something can never be
    sent. Reads only files; never blocks on the network.
    """
    reports = [session_report(s) for s in SessionDir.everywhere()]
    aside = {one.session: quarantined(one) for one in quarantine.everywhere()}
    for report in reports:
        report["quarantined"] = aside.pop(report["session"], None)
    shown = [r for r in reports if r["state"] != "delivered" or r["quarantined"]]
    return [*shown, *({"session": name, "state": "removed", "quarantined": it} for name, it in aside.items())]


def quarantined(aside: quarantine.Aside) -> dict[str, Any]:
    return {
        "session": aside.session,
        "path": str(aside.path),
        "events": aside.events,
        "files": aside.files,
        "damaged": aside.damaged,
        "bytes": aside.bytes,
        "reasons": aside.reasons,
        "runs": list(aside.runs),
        "text": aside.text(),
    }


def session_report(session: SessionDir) -> dict[str, Any]:
    status = read_json(session.path / "status.json") or {}
    owner = session.owner()
    lease = Lease(session.path)
    held = lease.is_held()
    holder = lease.holder() if held else None
    here = owner is None or owner.is_here()
    # Whether a process on another machine lives, only its uploader's lease shows.
    alive = owner is not None and not owner.has_ended() and (here or held)
    synced = read_synced(session)
    noted = status.get("writers", {})
    infos = list(session.writers())
    writers = [_writer(session, info, noted.get(info.writer, {}), synced.get(info.writer)) for info in infos]
    losses: dict[str, int] = {}
    for writer in writers:
        for reason, count in writer.lost.items():
            losses[reason] = losses.get(reason, 0) + count
    files = [r for ident in session.file_ids() if (r := session.file_request(ident))]
    failed = [r for ident in session.file_ids("failed.json") if (r := session.file_request(ident, "failed.json"))]
    sent_bytes = sum(f.get("sent", 0) for f in status.get("files", {}).values())
    return {
        "session": session.name,
        "state": "alive" if alive else "waits" if any(not w.done for w in infos) else "delivered",
        "mode": "/".join(sorted({w.mode for w in infos})) or "online",
        "owner_pid": owner.pid if owner else None,
        "host": owner.host if owner else None,
        "here": here,
        "age_s": round(time.time() - float(session.info().get("started", time.time()))),
        "uploader_pid": holder.pid if holder else None,
        "uploader_host": holder.host if holder else None,
        "runs": sorted({w.run for w in writers}),
        "produced": sum(w.produced for w in writers),
        "journaled": sum(w.journaled for w in writers),
        "sent": sum(w.sent for w in writers),
        "acked": sum(w.acked for w in writers),
        "backlog": sum(w.produced - w.acked for w in writers if not w.stopped),
        "lag_s": max((w.lag_s for w in writers), default=0.0),
        "queued_bytes": sum(w.queued_bytes for w in writers),
        "reachable": all(w.reachable for w in writers),
        "journal_bytes": _bytes_in(session.path / "journal"),
        "files_left": len(files),
        "file_bytes_left": max(0, sum(r.size for r in files) - sent_bytes),
        "files_failed": [{"name": r.name, "step": r.step, "reason": r.reason, "detail": r.detail} for r in failed],
        "lost": losses,
        "trouble": session.problem() or status.get("trouble", ""),
        "writers": [asdict(w) for w in writers],
    }


def _writer(session: SessionDir, info: Writer, noted: dict[str, Any], synced: Synced | None) -> WriterReport:
    queue = None if info.done else peek(Path(info.queue), session.spill(info.writer))
    journaled, sent, acked = (int(noted.get(name, 0)) for name in ("journaled", "sent", "acked"))
    losses = dict(noted.get("lost", {}))
    waiting, queued = 0, int(noted.get("queued_bytes", 0))
    if queue is not None:
        journaled, sent, acked = max(journaled, queue.journaled), max(sent, queue.sent), max(acked, queue.acked)
        waiting, queued = queue.waiting, queue.waiting_bytes
        if queue.lost:
            losses["queue_full"] = losses.get("queue_full", 0) + queue.lost
    if synced is not None:
        acked = max(acked, min(synced.acked, journaled))
    since = noted.get("behind_since")
    behind = acked < journaled + waiting and not info.done
    return WriterReport(
        writer=info.writer,
        run=str(info.attach.get("name", "")),
        mode=info.mode,
        produced=journaled + waiting,
        journaled=journaled,
        sent=max(sent, acked),
        acked=acked,
        queued_bytes=0 if info.done or info.drained or info.closed else queued,
        reachable=info.done or info.drained or info.closed or info.owner.is_here() or queue is not None,
        lag_s=round(max(0.0, time.time() - since), 1) if behind and since is not None else 0.0,
        lost=losses,
        stopped=str(noted.get("stopped", "")),
        done=info.done,
        attached=info.run is not None,
    )


def _bytes_in(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0
