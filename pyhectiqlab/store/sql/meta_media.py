"""SQL of the MetaStore for media: an index of events and artifacts by kind, name, rank and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, func, literal, or_, select, union_all

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

Conditions = Sequence[ColumnElement[bool]]


def _step(step: int) -> int | None:
    return None if step == NO_STEP else step


def _last_of_slices(of_name: Conditions, low: int, high: int, width: int) -> Select[Any]:
    """Return the last step of each slice, of one rank. The index finds each from the one before, however many steps
    there are. The slices are those of a division towards zero.
    """
    slices = select(literal(high, BigInteger).label("step")).cte("slices", recursive=True)
    number = slices.c.step // width
    before = case(  # the greatest step of the slice below; null: there is none, nor can there be such a number
        (number > 0, number * width - 1),
        (number == 0, literal(-width) if low <= -width else None),
        (number * width >= min(low + width, STEP_MAX), number * width - width),
    )
    # No other bound above: SQLite searches an index by one of them, perhaps by the other.
    below = select(func.max(media.c.step)).where(*of_name, media.c.step >= low, media.c.step <= before)
    slices = slices.union_all(select(below.scalar_subquery()).where(slices.c.step.is_not(None)))
    return select(slices.c.step).where(slices.c.step.is_not(None))


class MediaSql(Share):
    """The topic media of SqlMeta: an index of what is stored as events and artifacts."""

    def media_groups(
        self,
        run_id: str,
        kind: str | None,
        part: str,
        limit: int,
        after: Sequence[Any] | None,
        name: str | None = None,
    ) -> list[MediaGroup]:
        where = [media.c.run_id == run_id]
        if name is not None:
            where.append(media.c.name == name)
        if kind is not None:
            where.append(media.c.kind == kind)
        if part:
            where.append(media.c.name.icontains(part, autoescape=True))
        if after is not None:
            last, behind = after
            where.append(or_(media.c.name > last, and_(media.c.name == last, media.c.kind > behind)))
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
        of_name = [media.c.run_id == query.run, media.c.kind == query.kind, media.c.name == query.name]
        if query.rank is not None:
            of_name.append(media.c.rank == query.rank)
        where = [*of_name]
        if query.lo is not None:
            where.append(media.c.step >= max(query.lo, NO_STEP + 1))
        if query.hi is not None:
            where.append(media.c.step <= query.hi)
        if query.steps is not None:
            where = self._thinned(where, of_name, query)
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

    def _thinned(
        self, where: list[ColumnElement[bool]], of_name: Conditions, query: MediaQuery
    ) -> list[ColumnElement[bool]]:
        """Return conditions for at most so many different steps. `of_name`: those of `where` that name no steps."""
        steps = query.steps or 1
        with_step = [*where, media.c.step != NO_STEP]
        some = select(media.c.step).distinct().where(*with_step).limit(steps + 1).subquery()
        if self.conn.execute(select(func.count()).select_from(some)).scalar_one() <= steps:
            return where
        # One by one: each is the end of an index.
        low, high = (
            self.conn.execute(select(end(media.c.step)).where(*with_step)).scalar_one() for end in (func.min, func.max)
        )
        width = 1
        while steps > 1 and (high - low) // width + 2 > steps:  # slices of a grid that begins anywhere
            width *= 2
        if steps == 1 or width > STEP_MAX:  # one slice
            return [*where, or_(media.c.step == NO_STEP, media.c.step == high)]
        if query.rank is None:
            # SQL divides towards zero: the slice around 0 is twice as wide, which is one slice fewer.
            last: Select[Any] = select(func.max(media.c.step)).where(*with_step).group_by(media.c.step // width)
        else:
            last = _last_of_slices(of_name, low, high, width)
        chosen = last if query.lo is not None else union_all(select(literal(NO_STEP, BigInteger)), last)
        # All of them are in the range. Were it among the conditions, too, SQLite would read all of it.
        return [*of_name, media.c.step.in_(chosen)]

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
