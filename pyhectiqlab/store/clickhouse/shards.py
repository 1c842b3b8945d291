"""Shards: which of several addresses of ClickHouse is which part of a lab's points.

PostgreSQL has a number for each shard, the id that its tables in ClickHouse bear, and its last address. So addresses
may be named in any order, may change, and new ones may be added. If one is missing, the lab refuses to start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, inspect

from ...base.texts import counted
from ...errors import ConfigurationError, EngineAwayError, StoreError
from ..sql.column_types import Words
from ..sql.dialect import exclude
from . import checking, facts, placing, schema
from .client import Address, ClickHouse
from .facts import SHARDS, Facts
from .facts_schema import SCHEMA_VERSION

metadata = MetaData()
Table(
    "points_shards",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Words, nullable=False, unique=True),
    Column("place", Words, nullable=False),  # HOST:PORT/DATABASE, where it was last; "": nobody noted that
)

# Keeps out a lab that does not know of the other shards: it would put all new runs, and new points of runs that are on
# other shards, on the one shard that it knows.
_GUARD = """CREATE OR REPLACE FUNCTION {main}.points_is_placed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE its_shard bigint;
    BEGIN
        EXECUTE format('SELECT shard FROM {main}.%I WHERE name = $1', TG_ARGV[1]) INTO its_shard USING NEW.name;
        IF its_shard IS DISTINCT FROM CAST(TG_ARGV[0] AS bigint) THEN
            RAISE EXCEPTION 'the points are on several shards by now: start this lab anew, with all in --points';
        END IF;
        RETURN NEW;
    END $$"""
_GUARDED = {"points_runs": placing.RUNS, "points_writers": placing.WRITERS}


class Known(NamedTuple):
    """A shard, as PostgreSQL knows it. `place`: where it was last; "": nobody noted that."""

    number: int
    id: str
    place: str


class Shard(NamedTuple):
    """A shard, and where it is. `id`: "" for one that is new. `away`: why its ClickHouse does not answer."""

    number: int
    id: str
    address: str
    away: str = ""


def known_shards(conn: Connection) -> list[Known]:
    """Return the shards of a lab's points: one if they are in one place, none if there are no tables."""
    if not inspect(conn).has_table("points_lab"):
        return []
    if inspect(conn).has_table("points_shards"):
        return [Known(*row) for row in facts.all_of(conn, "SELECT number, id, place FROM points_shards ORDER BY 1")]
    return [Known(1, facts.one(conn, "SELECT value FROM points_lab WHERE key = 'id'"), "")]


def place_of(address: str) -> str:
    its = Address(address)
    return f"{its.host}:{its.port}/{its.database}"


def matched(addresses: Sequence[str], known: Sequence[Known]) -> list[Shard]:
    """Ask each ClickHouse which shard it is. Return them in the order of the addresses. Changes nothing. Blocks for
    some seconds where one does not answer.

    Raises ConfigurationError where one is named twice, or no address; StoreError where one is of another lab, one is
    missing, or a new one is named while any of them is away.
    """
    places = [place_of(address) for address in addresses]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise ConfigurationError(f"--points names {twice} twice: name each shard once.")
    looks = [_look(address) for address in addresses]
    by_id = {its.id: its for its in known}
    by_place: dict[int, Known] = {}  # index of the address → its shard
    for n, (its_id, _) in enumerate(looks):
        if its_id:
            if its_id not in by_id:
                raise schema.of_another(Address(addresses[n]))
            if by_id[its_id] in by_place.values():
                raise ConfigurationError(f"--points names {places[n]} twice, by two names: name each shard once.")
            by_place[n] = by_id[its_id]
    # An address that does not answer, or whose tables are missing, is the shard that was there last; otherwise, in
    # order, one of the shards that no other address is.
    for n, place in enumerate(places):
        there = next((its for its in known if its.place == place and its not in by_place.values()), None)
        if n not in by_place and there is not None:
            by_place[n] = there
    left = [its for its in known if its not in by_place.values()]
    open_places = sorted((n for n in range(len(places)) if n not in by_place), key=lambda n: not looks[n][1])
    for n, its in zip(open_places, left, strict=False):
        by_place[n] = its
    if len(left) > len(open_places):
        lost = left[len(open_places)]
        where = f", which was last at {lost.place}" if lost.place else ""
        raise StoreError(
            f"--points lacks the address of shard {lost.number} of this lab's points{where}: name all of its"
            f" {counted(len(known), 'shard')}, with blanks between them."
        )
    if len(by_place) < len(places) and (away := next((why for _, why in looks if why), "")):
        raise StoreError(f"{away} A shard is added only while all others answer.")
    numbers = iter(range(max((its.number for its in known), default=0) + 1, len(places) + len(known) + 1))
    shards = []
    for n, address in enumerate(addresses):
        its_known = by_place.get(n)
        number, its_id = (next(numbers), "") if its_known is None else its_known[:2]
        shards.append(Shard(number, its_id, address, looks[n][1]))
    return shards


def _look(address: str) -> tuple[str, str]:
    """Return (the id of the tables there, why it does not answer)."""
    with contextlib.closing(ClickHouse(address)) as clickhouse:
        try:
            return schema.id_of(clickhouse), ""
        except EngineAwayError as e:
            return "", str(e)


def assigned(addresses: Sequence[str], its_facts: Facts) -> list[Shard]:
    """Return what `matched` does, compared with what PostgreSQL knows now."""
    with its_facts.reading() as conn:
        known = known_shards(conn)
    return matched(addresses, known)


def look(addresses: Sequence[str], facts_place: str, generation: str) -> list[Shard]:
    """Like `assigned`; also look whether each shard that answers has what it has to have,
    and whether tables may be made on those that are new. Raises as `matched` and `schema.prepare`.
    """
    with contextlib.closing(Facts(facts_place)) as its_facts:
        shards = assigned(addresses, its_facts)
        for shard in shards:
            if not shard.away:
                with contextlib.closing(ClickHouse(shard.address)) as clickhouse:
                    has_points = bool(shard.id) and its_facts.of_shard(shard.number).has_points()
                    if not schema.look(clickhouse, shard.id, generation, has_points):
                        checking.try_rights(clickhouse)
        return shards


def register(addresses: Sequence[str], its_facts: Facts) -> list[Shard]:
    """Return what `matched` does, and note new shards and the address of each. One lab does this at a time; others
    wait.
    """
    its_facts.of_shard(1).prepare()
    with its_facts.writing() as conn:
        exclude(conn, "shards of points", for_ever=True)
        known = known_shards(conn)
        shards = matched(addresses, known)
        if not inspect(conn).has_table("points_shards"):
            _begin(conn, known[0])
        for shard in shards:
            place = place_of(shard.address)
            if shard.id:
                update = "UPDATE points_shards SET place = :place WHERE number = :number AND place <> :place"
                facts.run(conn, update, number=shard.number, place=place)
            else:
                its_id = its_facts.of_shard(shard.number).prepare()
                insert = "INSERT INTO points_shards (number, id, place) VALUES (:number, :id, :place)"
                facts.run(conn, insert, number=shard.number, id=its_id, place=place)
                _guard(conn, shard.number, f"points_{shard.number}.")
        facts.run(conn, "UPDATE points_lab SET value = :n WHERE key = :key", key=SHARDS, n=str(len(shards)))
    return shards


def _begin(conn: Connection, first: Known) -> None:
    """Make points that are in one place the first shard of several. Labs that know only that place go on with the runs
    that are there, but cannot add new ones.
    """
    for tables in (metadata, placing.metadata):
        tables.create_all(conn)
    facts.run(conn, "LOCK TABLE points_runs, points_writers IN SHARE ROW EXCLUSIVE MODE")
    for table, places in _GUARDED.items():
        facts.run(conn, f"INSERT INTO {places} (name, shard) SELECT name, 1 FROM {table}")
    main = facts.one(conn, "SELECT quote_ident(current_schema())")
    conn.exec_driver_sql(_GUARD.replace("{main}", main), execution_options={"no_parameters": True})
    _guard(conn, 1, "")
    facts.run(conn, "INSERT INTO points_shards (number, id, place) VALUES (1, :id, '')", id=first.id)
    facts.run(conn, "INSERT INTO points_lab (key, value) VALUES (:key, '1')", key=SHARDS)
    facts.run(conn, "UPDATE points_lab SET value = :v WHERE key = 'schema'", v=str(SCHEMA_VERSION))


def _guard(conn: Connection, number: int, schema_: str) -> None:
    for table, places in _GUARDED.items():
        trigger = f"""CREATE TRIGGER points_is_placed BEFORE INSERT ON {schema_}{table} FOR EACH ROW
            EXECUTE FUNCTION points_is_placed({number}, '{places}')"""
        facts.run(conn, trigger)
