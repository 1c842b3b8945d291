"""The index of media is written here, in the transactions that store the events and artifacts that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from ...protocol import media as protocol
from ..artifacts import NewArtifact
from ..meta import Changes, Event, MetaBatch
from .dialect import upsert
from .meta_schema import media, runs


def index_events(conn: Connection, changes: Changes, batches: Sequence[MetaBatch]) -> None:
    rows = [
        row
        for batch in batches
        for event in batch.events
        if event.kind in protocol.EVENT_KINDS and (row := _row_of_event(batch, event))
    ]
    if rows:
        _put(conn, changes, rows)


def index_artifact(conn: Connection, changes: Changes, run_id: str, new: NewArtifact) -> None:
    """Index an artifact if it is a figure, image, table or text."""
    if new.kind not in protocol.FILE_KINDS:
        return
    rank, step = new.meta.get("rank", 0), protocol.step_of({"step": new.step})
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < 1 << 31 or step is None:
        return
    # Files have no attempt: the last one counts, as among the versions of an artifact.
    attempt = conn.execute(select(runs.c.attempt).where(runs.c.id == run_id)).scalar_one()
    place = {"kind": new.kind, "name": protocol.name_of(new.meta) or new.name, "rank": rank, "step": step}
    source = {"attempt": attempt, "time": new.created, "writer": None, "seq": None, "artifact_id": new.id}
    _put(conn, changes, [{"run_id": run_id, **place, **source}])


def _row_of_event(batch: MetaBatch, event: Event) -> dict[str, Any] | None:
    """Return the row of an event; None if it is not valid histogram or text, and only stays among the events."""
    name, step = protocol.name_of(event.fields), protocol.step_of(event.fields)
    of_kind = protocol.histogram_of if event.kind == protocol.HISTOGRAM else protocol.text_of
    if name is None or step is None or of_kind(event.fields) is None:
        return None
    place = {"kind": event.kind, "name": name, "rank": batch.rank, "step": step, "attempt": batch.attempt}
    return {
        "run_id": batch.run, **place, "time": event.time, "writer": batch.writer, "seq": event.seq, "artifact_id": None
    }  # fmt: skip


def _put(conn: Connection, changes: Changes, rows: list[dict[str, Any]]) -> None:
    statement = upsert(conn, media)
    newer = {name: statement.excluded[name] for name in ("attempt", "time", "writer", "seq", "artifact_id")}
    statement = statement.on_conflict_do_update(
        index_elements=["run_id", "kind", "name", "rank", "step"],
        set_=newer,
        where=statement.excluded.attempt >= media.c.attempt,
    )
    conn.execute(statement, rows)
    changes.runs.update(row["run_id"] for row in rows)
