"""A lab's database of an earlier schema becomes a current one, with what it held.

lab-1.sql is the dump of the database of a real lab of schema 1, with one run in it; it is never made again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgpack
import pytest
from sqlalchemy import create_engine, inspect, select, update

from pyhectiqlab.errors import NewerSchemaError
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS, _add_people
from pyhectiqlab.store.sql.meta_schema import projects, users
from pyhectiqlab.store.sql.meta_store import SqlMetaStore

HERE = Path(__file__).parent
RUN = "fcb583dcb1aa"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "lab.db"
    conn = sqlite3.connect(path)
    conn.executescript((HERE / "lab-1.sql").read_text())
    conn.close()
    return path


def shape(path: Path) -> dict[str, object]:
    """Return every table with its columns and indices."""
    inspector = inspect(create_engine(f"sqlite:///{path}"))
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            sorted((str(i["name"]), tuple(i["column_names"]), i["unique"]) for i in inspector.get_indexes(table)),
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((tuple(k["constrained_columns"]), k["referred_table"]) for k in inspector.get_foreign_keys(table)),
        )
        for table in inspector.get_table_names()
        if table != "sqlite_sequence"
    }


def test_a_migrated_database_has_the_shape_of_a_fresh_one(old: Path, tmp_path: Path) -> None:
    SqlMetaStore(old).close()
    SqlMetaStore(tmp_path / "fresh.db").close()
    assert shape(old) == shape(tmp_path / "fresh.db")


def test_what_an_older_lab_held_is_still_there(old: Path) -> None:
    store = SqlMetaStore(old)
    with store.reading() as view:
        run = view.run(RUN)
        assert run is not None and (run.name, run.project, run.author, run.points) == ("kept", "old", "alice", 3)
        assert view.config(RUN) == {"lr": 0.1}
        assert view.config_values("lr") == {RUN: 0.1}
        assert view.attempt_config(RUN, 1) == (1, {"lr": 0.1})
        assert [tag.name for tag in run.tags] == ["t"]
        assert view.event_count(RUN) == 2
        assert view.lab_value("generation") == "f2bfafb9632b5f5f"
    store.close()
    SqlMetaStore(old).close()  # a second start migrates nothing
    steps = sqlite3.connect(old).execute("SELECT version FROM migrations ORDER BY version").fetchall()
    assert steps == [(i,) for i in range(1, len(MIGRATIONS) + 1)]


def test_backups_of_an_older_lab_are_of_the_same_lab(old: Path, tmp_path: Path) -> None:
    """Each becomes a current one by itself."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(old.read_bytes())
    ids = set()
    for path in (old, copy):
        store = SqlMetaStore(path)
        with store.reading() as view:
            ids.add(view.lab_value("id"))
        store.close()
    assert len(ids) == 1 and None not in ids


def test_what_each_attempt_told_is_found_among_the_events_of_an_older_lab(old: Path) -> None:
    conn = sqlite3.connect(old)
    facts = [
        (1, "config", {"values": {"lr": 0.1, "a": {"x": 1}}}),
        (2, "config", {"values": {"lr": 0.2, "a": {"y": 2}}}),
        (1, "meta", {"key": "data", "value": "v1"}),
        (2, "meta", {"key": "data", "value": "v2"}),
    ]
    conn.execute("DELETE FROM events")
    for seq, (attempt, kind, fields) in enumerate(facts, start=10):
        values = (RUN, "ab" * 16, seq, kind, 0.0, 0, attempt, msgpack.packb(fields))
        conn.execute(
            "INSERT INTO events (run_id, writer, seq, kind, time, rank, attempt, fields) VALUES (?,?,?,?,?,?,?,?)",
            values,
        )
    whole = {"lr": 0.2, "a": {"x": 1, "y": 2}}
    conn.execute("UPDATE runs SET attempt = 2, config = ?", [msgpack.packb(whole)])
    rows = [("data", "v2"), ("of whom nobody knows", "old")]
    conn.executemany("INSERT INTO run_meta VALUES (?, ?, ?)", [(RUN, k, msgpack.packb(v)) for k, v in rows])
    conn.commit()
    conn.close()
    with SqlMetaStore(old).reading() as view:
        assert view.config(RUN) == whole
        assert view.attempt_config(RUN, 1) == (1, {"lr": 0.1, "a": {"x": 1}})
        assert view.attempt_config(RUN, 2) == (2, {"lr": 0.2, "a": {"y": 2}})
        assert view.meta(RUN) == {"data": "v2", "of whom nobody knows": "old"}
        assert view.meta(RUN, 1) == {"data": "v1"}


def test_a_config_without_events_counts_as_the_newest_attempts(old: Path) -> None:
    conn = sqlite3.connect(old)
    conn.execute("DELETE FROM events")
    conn.execute("UPDATE runs SET attempt = 3")
    conn.commit()
    conn.close()
    with SqlMetaStore(old).reading() as view:
        assert view.config_attempts(RUN, 10) == [3] and view.attempt_config(RUN, 3) == (3, {"lr": 0.1})


def test_a_database_of_a_newer_lab_is_left_alone(old: Path) -> None:
    conn = sqlite3.connect(old)
    conn.execute("INSERT INTO migrations VALUES (9999, 'of the future', 0.0)")
    conn.commit()
    conn.close()
    with pytest.raises(NewerSchemaError, match="Upgrade it"):
        SqlMetaStore(old)


def test_keys_of_whoever_an_older_lab_disabled_stay_revoked(tmp_path: Path) -> None:
    """And who was last seen when is known of their keys and sessions."""
    with SqlMetaStore(tmp_path / "lab.db").writing() as tx:
        owner, gone = (tx.add_user(name, "owner", None, 1.0) for name in ("ada", "bob"))
        keys = {user.id: tx.add_key(user.id, "k", user.id, 1.0).id for user in (owner, gone)}
        tx.keys_used({keys[owner.id]: 5.0})
        tx.add_web_session(owner.id, "token", "csrf", 7.0, 99.0)
        tx.conn.execute(update(users).values(last_seen=None))
        tx.conn.execute(update(users).where(users.c.id == gone.id).values(disabled=2.0))
        _add_people(tx.conn)
        tx.set_disabled(gone.id, None)
        assert tx.keys(gone.id) == [] and [key.id for key in tx.keys(owner.id)] == [keys[owner.id]]
        assert [user.last_seen for user in tx.users()] == [7.0, None]


def test_whoever_made_a_project_in_an_older_lab_owns_it(old: Path) -> None:
    with SqlMetaStore(old).reading() as view:
        row = view.conn.execute(select(projects.c.owner_id, users.c.username).join(users)).one()
    assert row.username == "alice"
