"""SQL of the MetaStore for media: an index of events and artifacts by kind, name, rank and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from ...protocol import media as protocol
from ...protocol.limits import STEP_MAX
from ..media import MediaGroup, MediaItem, MediaQuery
from .meta_files import FilesSql
from .meta_runs import unpack_shown
from .meta_schema import events, media
from .share import Share

NO_STEP = protocol.NO_STEP
ITEMS_AT_ONCE = 100  # items that are read at once; a page may show fewer …
FIELDS_BYTES_AT_ONCE = 1 << 20  # … and they are read one by one if the fields of their events take more than this


def _step(step: int) -> int | None:
    return None if step == NO_STEP else step


class MediaSql(Share):
    """The topic media of SqlMeta: an index of what is stored as events and artifacts."""

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
        groups = self.conn.execute(query).all()
        ranks: dict[tuple[str, str], list[int]] = {}
        of_page = media.c.name.in_({row.name for row in groups})
        for row in self.conn.execute(
            select(*by, media.c.rank).where(*where, of_page).group_by(*by, media.c.rank).order_by(media.c.rank)
        ):
            ranks.setdefault((row.name, row.kind), []).append(row.rank)
        return [MediaGroup(row.kind, row.name, row.n, row.low, row.high, ranks[row.name, row.kind]) for row in groups]

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
            named = [row.artifact_id for row in some if query.data and row.artifact_id is not None]
            files = self.share(FilesSql).some_artifacts(named)
            with_fields = [row for row in some if query.data and row.writer is not None]
            small = self._fields(with_fields) if self._fields_bytes(with_fields) <= FIELDS_BYTES_AT_ONCE else None
            for row in some:
                fields = small if small is not None else self._fields([row]) if row in with_fields else {}
                its = fields.get((row.writer, row.seq))
                yield MediaItem(
                    _step(row.step), row.rank, row.attempt, row.time, its, files.get(row.artifact_id)
                )  # fmt: skip

    def _thinned(self, where: Sequence[ColumnElement[bool]], steps: int) -> list[ColumnElement[bool]]:
        """Return conditions that leave at most `steps` different steps."""
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
        """Yield (writer, sequence number, the column) of the events that these rows show."""
        wanted: dict[str, list[int]] = {}
        for row in rows:
            wanted.setdefault(row.writer, []).append(row.seq)
        for writer, numbers in wanted.items():
            query = select(events.c.seq, column).where(events.c.writer == writer, events.c.seq.in_(numbers))
            for seq, value in self.conn.execute(query):
                yield writer, seq, value
