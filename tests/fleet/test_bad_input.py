"""Engines with which no lab may start: one line says what is wrong and what to do, and nothing was changed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from pyhectiqlab.cli import main
from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.clickhouse import client
from pyhectiqlab.store.fleet import Addresses, FleetStorage
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.store.s3.settings import S3Settings
from pyhectiqlab.store.sql import engine_postgresql
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS

from ..clickhouse import needs_clickhouse, server
from ..conformance.point_store_data import T0, Writer
from ..postgres import cluster, needs_postgres
from ..seaweedfs import needs_s3, seaweedfs

TABLES = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'"


@dataclass
class World:
    """`lab`, `other`: two labs that were made. `new`: three empty places."""

    lab: Addresses
    other: Addresses
    new: Addresses
    silent: int  # a port that is held, and at which nobody answers

    def database(self, of: Addresses) -> str:
        return str(make_url(of.database).database)

    def run(self, statement: str, *, of: Addresses) -> list[tuple[object, ...]]:
        return cluster().ask(statement, database=self.database(of))


def _empty() -> Addresses:
    places = cluster().url(cluster().make_database()), server().url(server().make_database()), seaweedfs().address()
    return Addresses(*places)


def _made() -> Addresses:
    at = _empty()
    with closing(open_storage(at)) as storage:
        assert storage.points.late_writers() == [] and list(storage.blobs.digests()) == []
    return at


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    for needs in (needs_postgres, needs_clickhouse, needs_s3):
        needs()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        world = World(_made(), _made(), _empty(), held.getsockname()[1])
        cluster().ask("CREATE ROLE poor LOGIN")
        cluster().ask("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
        yield world
    cluster().ask("DROP DATABASE ascii")
    for at in (world.lab, world.other, world.new):
        cluster().drop_database(world.database(at))
        server().drop_database(at.points.rpartition("/")[2])
    cluster().ask("DROP ROLE poor")


def start(database: str, points: str, files: str) -> str:
    """Try to start a lab. Return the line that it ends with."""
    options = ["--database", database, "--points", points, "--files", files]
    done = CliRunner().invoke(main, ["server", "--port", "0", *options])
    (line,) = done.output.strip().splitlines()
    assert done.exit_code == 1 and "secret" not in line and line.startswith("Error: ") and len(line) < 360, line
    return line


PostgreSQL = "postgresql://ada:secret@"


@pytest.mark.parametrize(
    ("database", "says"),
    [
        (lambda w: f"{PostgreSQL}127.0.0.1:{w.silent}/lab", "cannot be reached (Connection refused): start it"),
        (lambda w: f"{PostgreSQL}nowhere.invalid/lab", "cannot be reached (there is no such host)"),
        (lambda w: cluster().url("absent"), "has no database 'absent': CREATE DATABASE absent"),
        (lambda w: w.new.database.replace("lab@", "nobody:secret@"), 'refuses the user (role "nobody" does not exist)'),
        (lambda w: w.new.database.replace("lab@", "poor@"), "user 'poor' lacks rights: make it the owner"),
        (lambda w: w.lab.database.replace("lab@", "poor@"), "user 'poor' lacks rights: make it the owner"),
        (lambda w: cluster().url("ascii"), "ENCODING 'UTF8'"),
    ],
)
def test_a_database_that_cannot_be_used(world: World, database: Callable[[World], str], says: str) -> None:
    assert says in start(database(world), world.new.points, world.new.files)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (
            lambda w: f"clickhouse://ada:secret@127.0.0.1:{w.silent}/lab",
            "cannot be reached (Connection refused): start",
        ),
        (lambda w: "clickhouse://ada:secret@nowhere.invalid/lab", "cannot be reached (Name or service not known)"),
        (lambda w: w.new.points.replace("clickhouse:", "clickhouses:"), "(what listens there does not speak TLS)"),
        (
            lambda w: f"clickhouse://ada:secret@{seaweedfs().url[7:]}/lab",
            "something else answers there, with status 403",
        ),
        (lambda w: server().url("absent"), "has no database 'absent': CREATE DATABASE it there"),
        (lambda w: w.new.points.replace("default@", "default:secret@"), "is refused: wrong user or password"),
        (lambda w: w.new.points.replace("default@", "reader:secret@"), "'reader' is allowed to read only"),
        (lambda w: w.other.points, "holds the points of another lab than PostgreSQL"),
    ],
)
def test_a_clickhouse_that_cannot_be_used(world: World, points: Callable[[World], str], says: str) -> None:
    assert says in start(world.new.database, points(world), world.new.files)
    assert world.run(TABLES, of=world.new) == [(0,)]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (lambda w: seaweedfs().address(endpoint=f"http://127.0.0.1:{w.silent}"), "see that it runs and can be reached"),
        (lambda w: seaweedfs().address().replace("//tests/", "//absent/"), "There is no bucket 'absent'"),
        (lambda w: seaweedfs().address("reader"), "has no right to PutObject"),
        (lambda w: seaweedfs().address(access_key_file="/absent"), "/absent with credentials of S3 cannot be read"),
        (lambda w: w.other.files, "has the files of another lab"),
        (lambda w: "folder:/proc/absent", "/proc/absent cannot be used"),
    ],
)
def test_files_that_cannot_be_used(world: World, files: Callable[[World], str], says: str) -> None:
    assert says in start(world.new.database, world.new.points, files(world))
    assert world.run(TABLES, of=world.new) == [(0,)]


def test_engines_that_are_too_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at = world.new
    with monkeypatch.context() as patched:
        patched.setattr(engine_postgresql, "VERSION_MIN", 99)
        assert "which is too old: upgrade it to 99 or newer" in start(at.database, at.points, at.files)
    monkeypatch.setattr(client, "VERSION_MIN", (99, 0))
    assert "which is too old: upgrade it to 99.0 or newer" in start(at.database, at.points, at.files)
    assert world.run(TABLES, of=at) == [(0,)]


def command(at: Addresses, *words: str) -> str:
    """Call an administrator's command, which fails. Return what it says."""
    env = {"HECTIQLAB_DATABASE": at.database, "HECTIQLAB_POINTS": at.points, "HECTIQLAB_FILES": at.files}
    done = CliRunner().invoke(main, ["admin", *(words or ("user", "list"))], env=env)
    assert done.exit_code == 1, done.output
    return done.output


def adopt(at: Addresses, *options: str) -> tuple[int, str]:
    env = {"HECTIQLAB_DATABASE": at.database, "HECTIQLAB_POINTS": at.points, "HECTIQLAB_FILES": at.files}
    done = CliRunner().invoke(main, ["admin", "adopt", *options], env=env)
    return done.exit_code, done.output.strip()


def test_a_clickhouse_that_lacks_the_points_of_the_lab_is_refused_until_they_are_said_to_be_lost(world: World) -> None:
    at, name = _made(), server().make_database()
    writer = Writer("w")
    with closing(open_storage(at)) as storage:
        assert storage.points.append([writer.batch(loss=[(1, 0.5, T0), (2, 0.25, T0 + 1)])])[0].status == "ok"
    empty = replace(at, points=server().url(name))
    says = "lacks the points of this lab, which PostgreSQL knows of"
    assert says in start(empty.database, empty.points, empty.files)
    status, output = adopt(empty)
    assert status == 1 and says in output and "`hectiqlab admin adopt --without-points`" in output
    assert server().ask(f"SELECT count() FROM system.tables WHERE database = '{name}'") == "0\n"
    with closing(open_storage(at)) as storage:
        assert storage.points.series("run", "loss")[0].count == 2
    assert adopt(empty, "--without-points")[0] == 0
    with closing(open_storage(empty)) as storage:
        assert storage.points.keys("run") == []
        assert storage.points.append([writer.batch(loss=[(3, 0.125, T0 + 2)])])[0].status == "ok"
        assert storage.points.points("run", "loss").step.tolist() == [3]


def test_a_database_that_another_lab_takes_at_the_same_moment_is_refused(world: World) -> None:
    at, name = _empty(), server().make_database()
    server().ask(
        "CREATE TABLE lab (key String, value String) ENGINE = MergeTree ORDER BY key COMMENT 'of another'", name
    )
    with (
        pytest.raises(StoreError, match="holds the points of another lab"),
        closing(open_storage(replace(at, points=server().url(name)))) as storage,
    ):
        storage.points.late_writers()
    assert server().ask(f"SELECT count() FROM system.tables WHERE database = '{name}'") == "1\n"


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_files_that_are_not_where_the_lab_looks_are_refused_until_they_are_said_to_be_lost(
    world: World, kind: str, tmp_path: Path
) -> None:
    at = _made()
    world.run("INSERT INTO blobs VALUES (repeat('a', 64), 1, 0)", of=at)
    empty = replace(at, files=seaweedfs().address() if kind == "s3" else f"folder:{tmp_path}/files")
    says = "lacks the files of this lab, which PostgreSQL knows of"
    assert says in start(empty.database, empty.points, empty.files)
    status, output = adopt(empty)
    assert status == 1 and says in output and "`hectiqlab admin adopt --without-files`" in output
    if kind == "s3":
        with closing(S3BlobStore(S3Settings.of(empty.files))) as store:
            assert list(seaweedfs().keys(store)) == []
    else:
        assert list((tmp_path / "files").iterdir()) == []
    assert adopt(empty, "--without-files")[0] == 0
    with closing(open_storage(empty)) as storage:
        assert list(storage.blobs.digests()) == []


def test_a_folder_of_another_generation_is_refused_until_it_is_adopted(world: World, tmp_path: Path) -> None:
    at = replace(_empty(), files=f"folder:{tmp_path}/files")
    with closing(open_storage(at)) as storage:
        assert list(storage.blobs.digests()) == []
    world.run("UPDATE lab SET value = 'a copy' WHERE key = 'generation'", of=at)
    said = start(at.database, server().url(server().make_database()), at.files)
    assert f"{tmp_path}/files has the files of another generation of this lab" in said
    assert adopt(at)[0] == 0
    with closing(open_storage(at)) as storage:
        assert list(storage.blobs.digests()) == []


@contextmanager
def changed(world: World, statement: str, back: str) -> Iterator[None]:
    world.run(statement, of=world.lab)
    try:
        yield
    finally:
        world.run(back, of=world.lab)


def test_schemas_of_a_newer_lab(world: World) -> None:
    at, name = world.lab, world.lab.points.rpartition("/")[2]
    newer = "INSERT INTO migrations VALUES (9999, 'of tomorrow', 0)"
    with changed(world, newer, "DELETE FROM migrations WHERE version = 9999"):
        assert "made by a newer pyhectiqlab" in start(at.database, at.points, at.files)
        assert "made by a newer pyhectiqlab" in command(at)
    schema = "UPDATE points_lab SET value = '{}' WHERE key = 'schema'"
    with changed(world, schema.format(99), schema.format(1)):
        assert "of version 99, of a newer lab" in start(at.database, at.points, at.files)
        assert "of version 99, of a newer lab" in command(at, "check")
    n = len(MIGRATIONS)
    again = f"INSERT INTO migrations VALUES ({n}, 'again', 0)"
    with changed(world, f"DELETE FROM migrations WHERE version = {n}", again):
        assert f"has schema {n - 1}, of an earlier version; this one knows {n}: start a lab" in command(at)
    assert "There is no lab in this database: name another one, or start a lab" in command(world.new)
    schema = "ALTER TABLE lab UPDATE value = '{}' WHERE key = 'schema' SETTINGS mutations_sync = 1"
    server().ask(schema.format(99), name)
    assert "its tables are of version 99, of a newer lab" in start(at.database, at.points, at.files)
    server().ask(schema.format(1), name)


def test_data_of_another_generation_are_refused_until_they_are_adopted(world: World, tmp_path: Path) -> None:
    at = world.lab
    now = world.run("SELECT value FROM lab WHERE key = 'generation'", of=at)[0][0]
    world.run("UPDATE lab SET value = 'a copy' WHERE key = 'generation'", of=at)
    says = "of another generation of this lab, which was restored or copied"
    said = start(at.database, at.points, at.files)
    assert "ClickHouse at" in said and says in said and "`hectiqlab admin adopt`" in said
    said = start(at.database, server().url(server().make_database()), at.files)
    assert "s3://" in said and says in said
    env = {"HECTIQLAB_DATABASE": at.database, "HECTIQLAB_POINTS": at.points, "HECTIQLAB_FILES": at.files}
    done = CliRunner().invoke(main, ["admin", "adopt"], env=env)
    assert done.exit_code == 0 and "are one lab, of a new generation" in done.output
    (adopted,) = world.run("SELECT value FROM lab WHERE key = 'generation'", of=at)[0]
    assert adopted not in {now, "a copy"}
    with closing(open_storage(at)) as storage:
        assert isinstance(storage, FleetStorage) and storage.claims == adopted
        assert storage.points.late_writers() == [] and list(storage.blobs.digests()) == []
