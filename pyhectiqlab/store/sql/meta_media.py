"""SQL of the MetaStore for media: an index of events and artifacts by kind, name, rank and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from ...protocol import media as protocol
from ...protocol.limits import STEP_MAX
from ..artifacts import NewArtifact
from ..media import MediaGroup, MediaItem, MediaQuery
from ..meta import Event, MetaBatch
from .dialect import upsert
from .meta_batches import BatchesSql
from .meta_files import FilesSql
from .meta_runs import unpack_shown
from .meta_schema import events, media, runs

NO_STEP = protocol.NO_STEP
ITEMS_AT_ONCE = 100  # that are read, of which a page may show fewer …
FIELDS_BYTES_AT_ONCE = 1 << 20  # … and one by one, where those of their events take more than this


def _row_of_event(batch: MetaBatch, event: Event) -> dict[str, Any] | None:
    """None for what is no histogram or text after all, and is left among the events."""
    name, step = protocol.name_of(event.fields), protocol.step_of(event.fields)
    of_kind = protocol.histogram_of if event.kind == protocol.HISTOGRAM else protocol.text_of
    if name is None or step is None or of_kind(event.fields) is None:
        return None
    place = {"kind": event.kind, "name": name, "rank": batch.rank, "step": step, "attempt": batch.attempt}
    return {
        "run_id": batch.run, **place, "time": event.time, "writer": batch.writer, "seq": event.seq, "artifact_id": None
    }  # fmt: skip


def _step(step: int) -> int | None:
    return None if step == NO_STEP else step


class MediaSql(BatchesSql, FilesSql):
    """The media's share of a MetaTransaction over one connection: what is stored as event or artifact is found here."""

    # Writing ----------------------------------------------------------------------------------------------------

    def _apply(self, batches: Sequence[MetaBatch], now: float) -> None:
        super()._apply(batches, now)
        rows = [
            row
            for batch in batches
            for event in batch.events
            if event.kind in protocol.EVENT_KINDS and (row := _row_of_event(batch, event))
        ]
        if rows:
            self._put(rows)

    def add_artifact(self, new: NewArtifact, now: float) -> bool:
        if not super().add_artifact(new, now):
            return False
        if new.run is not None and new.kind in protocol.FILE_KINDS:
            self._index_artifact(new.run, new)
        return True

    def _index_artifact(self, run_id: str, new: NewArtifact) -> None:
        rank, step = new.meta.get("rank", 0), protocol.step_of({"step": new.step})
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < 1 << 31 or step is None:
            return
        # Files tell no attempt: what came last counts, as among the versions of an artifact.
        attempt = self.conn.execute(select(runs.c.attempt).where(runs.c.id == run_id)).scalar_one()
        place = {"kind": new.kind, "name": protocol.name_of(new.meta) or new.name, "rank": rank, "step": step}
        source = {"attempt": attempt, "time": new.created, "writer": None, "seq": None, "artifact_id": new.id}
        self._put([{"run_id": run_id, **place, **source}])

    def _put(self, rows: list[dict[str, Any]]) -> None:
        statement = upsert(self.conn, media)
        newer = {name: statement.excluded[name] for name in ("attempt", "time", "writer", "seq", "artifact_id")}
        statement = statement.on_conflict_do_update(
            index_elements=["run_id", "kind", "name", "rank", "step"],
            set_=newer,
            where=statement.excluded.attempt >= media.c.attempt,
        )
        self.conn.execute(statement, rows)
        self.changes.runs.update(row["run_id"] for row in rows)

    # Reading ----------------------------------------------------------------------------------------------------

    def media_groups(
        self, run_id: str, kind: str | None, part: str, limit: int, after: Sequence[Any] | None
    ) -> list[MediaGroup]:
        where = [media.c.run_id == run_id]
        if kind is not None:
            where.append(media.c.kind == kind)
        if part:
            where.append(media.c.name.icontains(part, autoescape=True))
        if after is not None:
            name, behind = after
            where.append(or_(media.c.name > name, and_(media.c.name == name, media.c.kind > behind)))
        stepped = func.nullif(media.c.step, NO_STEP)
        by = (media.c.name, media.c.kind)
        query = (
            select(*by, func.count().label("n"), func.min(stepped).label("low"), func.max(stepped).label("high"))
            .where(*where)
            .group_by(*by)
            .order_by(*by)
            .limit(limit)
        )
        found = self.conn.execute(query).all()
        ranks: dict[tuple[str, str], list[int]] = {}
        of_page = media.c.name.in_({row.name for row in found})
        for row in self.conn.execute(
            select(*by, media.c.rank).where(*where, of_page).group_by(*by, media.c.rank).order_by(media.c.rank)
        ):
            ranks.setdefault((row.name, row.kind), []).append(row.rank)
        return [MediaGroup(row.kind, row.name, row.n, row.low, row.high, ranks[row.name, row.kind]) for row in found]

    def media_items(self, query: MediaQuery) -> Iterator[MediaItem]:
        where = [media.c.run_id == query.run, media.c.kind == query.kind, media.c.name == query.name]
        if query.rank is not None:
            where.append(media.c.rank == query.rank)
        if query.lo is not None:
            where.append(media.c.step >= max(query.lo, NO_STEP + 1))
        if query.hi is not None:
            where.append(media.c.step <= query.hi)
        if query.steps is not None:
            where += self._thinned(where, query.steps)
        if query.after is not None:
            step, rank = query.after
            at = NO_STEP if step is None else step
            further = media.c.step < at if query.newest else media.c.step > at
            beside = media.c.rank < rank if query.newest else media.c.rank > rank
            where.append(or_(further, and_(media.c.step == at, beside)))
        order = (media.c.step.desc(), media.c.rank.desc()) if query.newest else (media.c.step, media.c.rank)
        rows = self.conn.execute(select(media).where(*where).order_by(*order).limit(query.limit)).all()
        for start in range(0, len(rows), ITEMS_AT_ONCE):
            some = rows[start : start + ITEMS_AT_ONCE]
            files = self.some_artifacts([row.artifact_id for row in some if query.data and row.artifact_id is not None])
            with_fields = [row for row in some if query.data and row.writer is not None]
            small = self._fields(with_fields) if self._fields_bytes(with_fields) <= FIELDS_BYTES_AT_ONCE else None
            for row in some:
                fields = small if small is not None else self._fields([row]) if row in with_fields else {}
                its = fields.get((row.writer, row.seq))
                yield MediaItem(
                    _step(row.step), row.rank, row.attempt, row.time, its, files.get(row.artifact_id)
                )  # fmt: skip

    def _thinned(self, where: Sequence[ColumnElement[bool]], steps: int) -> list[ColumnElement[bool]]:
        """What leaves at most `steps` different steps."""
        distinct = func.count(func.distinct(media.c.step))
        with_step = [*where, media.c.step != NO_STEP]
        n, low, high = self.conn.execute(
            select(distinct, func.min(media.c.step), func.max(media.c.step)).where(*with_step)
        ).one()
        if n <= steps:
            return []
        width = 1
        while steps > 1 and (high - low) // width + 2 > steps:  # slices of a grid that begins anywhere
            width *= 2
        if steps == 1 or width > STEP_MAX:  # one slice
            return [or_(media.c.step == NO_STEP, media.c.step == high)]
        # SQL divides towards zero: the slice around 0 is twice as wide, which is one slice fewer.
        last = select(func.max(media.c.step)).where(*with_step).group_by(media.c.step // width)
        return [or_(media.c.step == NO_STEP, media.c.step.in_(last))]

    def _fields_bytes(self, rows: Sequence[Any]) -> int:
        size = func.length(events.c.fields)
        return sum(size for _, _, size in self._of_events(rows, size))

    def _fields(self, rows: Sequence[Any]) -> dict[tuple[str, int], dict[str, Any]]:
        return {(writer, seq): unpack_shown(fields) for writer, seq, fields in self._of_events(rows, events.c.fields)}

    def _of_events(self, rows: Sequence[Any], column: ColumnElement[Any]) -> Iterator[tuple[str, int, Any]]:
        """(writer, sequence number, what is asked for) of the events that these rows show."""
        wanted: dict[str, list[int]] = {}
        for row in rows:
            wanted.setdefault(row.writer, []).append(row.seq)
        for writer, numbers in wanted.items():
            query = select(events.c.seq, column).where(events.c.writer == writer, events.c.seq.in_(numbers))
            for seq, value in self.conn.execute(query):
                yield writer, seq, value
