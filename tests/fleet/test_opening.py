"""Opening the data of several labs: at once, through a pooler, and where something is wrong with one of the engines."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.cli.fleet_options import from_environment
from pyhectiqlab.errors import ConfigurationError, LabError, NewerSchemaError
from pyhectiqlab.store.fleet import Addresses, FleetStorage
from pyhectiqlab.store.opening import open_beside, open_storage
from pyhectiqlab.store.peers import Hearer

from .. import logged_points
from ..pgbouncer import needs_pgbouncer, pgbouncer
from ..postgres import needs_postgres
from ..server.api import wait_until
from ..stores import PostgresPlace


@pytest.fixture
def place() -> Iterator[PostgresPlace]:
    needs_postgres()
    logged_points.register()
    place = PostgresPlace()
    yield place
    place.cluster.ask("DROP TABLE IF EXISTS point_log, notes", database=place.database)
    place.remove()


def addresses(place: PostgresPlace, folder: Path, **more: str) -> Addresses:
    return Addresses(**{"database": place.url, "points": f"log:{place.url}", "files": f"folder:{folder}", **more})


class Heard:
    """A Hearer that notes what it hears."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self.said: list[str] = []

    def outgoing(self) -> list[str]:
        said, self.said = self.said, []
        return said

    def heard(self, payload: str) -> None:
        self.payloads.append(payload)

    def missed(self) -> None:
        self.payloads.append("missed")

    def lost(self) -> None:
        self.payloads.append("lost")

    def replaced(self, why: str) -> None:
        self.payloads.append(why)


def test_two_that_open_an_empty_database_at_once_are_one_lab(tmp_path: Path) -> None:
    needs_postgres()
    logged_points.register()
    place = PostgresPlace(empty=True)
    with ThreadPoolExecutor(3) as threads:
        opened = list(threads.map(lambda _: open_storage(addresses(place, tmp_path)), range(3)))
    try:
        assert len({storage.lab_id for storage in opened if isinstance(storage, FleetStorage)}) == 1
        assert len({storage.peers.life for storage in opened}) == 1 and opened[0].peers.life
        for storage in opened:
            assert list(storage.blobs.digests()) == [] and storage.points.late_writers() == []
    finally:
        for storage in opened:
            storage.close()
        place.remove()


def test_a_duty_is_taken_over_when_its_holder_goes(place: PostgresPlace, tmp_path: Path) -> None:
    with closing(open_storage(addresses(place, tmp_path))) as first:
        first.peers.start(Heard())
        wait_until(lambda: first.peers.has("watch"))
        with closing(open_storage(addresses(place, tmp_path))) as second:
            second.peers.start(Heard())
            second.peers.hurry()
            assert not second.peers.has("watch")
            first.peers.stop()
            assert not first.peers.has("watch")
            wait_until(lambda: second.peers.has("watch") and second.peers.has("notifier"))


def test_peers_hear_each_other_and_not_themselves_and_notice_a_lost_connection(
    place: PostgresPlace, tmp_path: Path
) -> None:
    with (
        closing(open_storage(addresses(place, tmp_path))) as one,
        closing(open_storage(addresses(place, tmp_path))) as other,
    ):
        heard, others = Heard(), Heard()
        for storage, hearer in ((one, heard), (other, others)):
            hearer_of: Hearer = hearer
            storage.peers.start(hearer_of)
        marks = [storage.permissions.read() for storage in (one, other)]
        heard.said = ["a", "b" * 7_900]
        one.peers.hurry()
        wait_until(lambda: others.payloads == ["a", "b" * 7_900])
        one.permissions.set()
        wait_until(lambda: other.permissions.read() != marks[1])
        assert one.permissions.read() != marks[0] and heard.payloads == []
        theirs = "application_name LIKE 'hectiqlab peers%%' AND datname = %s"
        its = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}"
        before = other.permissions.read()
        place.cluster.ask(its, place.database)
        wait_until(lambda: others.payloads[-1] == "missed" and heard.payloads == ["missed"])
        assert other.permissions.read() != before
        heard.said = ["c"]
        one.peers.hurry()
        wait_until(lambda: others.payloads[-1] == "c")


def test_the_pools_go_through_pgbouncer_and_the_peers_past_it(place: PostgresPlace, tmp_path: Path) -> None:
    needs_pgbouncer()
    url = pgbouncer(pool=3).url(place.database)
    with closing(FleetStorage(addresses(place, tmp_path, database=url, direct=place.url))) as storage:

        def set_and_read(i: int) -> str | None:
            with storage.meta.writing() as tx:
                tx.set_lab_value(f"k{i}", str(i))
            with storage.meta.reading() as view:
                return view.lab_value(f"k{i}")

        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(set_and_read, range(30))) == [str(i) for i in range(30)]
        with storage.peers.notes.of("a") as notes:
            notes.put("k", {}, notes.now + 9)
    with pytest.raises(ConfigurationError, match="--database-direct"):
        FleetStorage(addresses(place, tmp_path, database=url))


def test_a_schema_of_a_newer_lab_is_refused(place: PostgresPlace, tmp_path: Path) -> None:
    place.cluster.ask("INSERT INTO migrations VALUES (9999, 'of tomorrow', 0)", database=place.database)
    try:
        with pytest.raises(NewerSchemaError, match="newer pyhectiqlab"):
            open_storage(addresses(place, tmp_path))
    finally:
        place.cluster.ask("DELETE FROM migrations WHERE version = 9999", database=place.database)


def test_files_of_another_lab_are_refused(place: PostgresPlace, tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("0123456789abcdef\n")
    with pytest.raises(ConfigurationError, match="another"):
        open_storage(addresses(place, tmp_path))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"database": "mysql://ada@/lab"}, "name one of PostgreSQL"),
        ({"database": "postgresql://ada:secret@127.0.0.1:1/lab"}, "refused"),
        ({"points": "kafka://ada:secret@there"}, "is not an address of a store of points"),
        ({"files": "ftp://ada:secret@there"}, "is not an address of a store of files"),
        ({"files": ""}, "--files missing"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    place: PostgresPlace, tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    its = {"database": place.url, "points": f"log:{place.url}", "files": f"folder:{tmp_path}", **wrong}
    options = [word for name, value in its.items() if value for word in (f"--{name}", value)]
    done = CliRunner().invoke(main, ["server", "--port", "0", *options])
    assert done.exit_code == 1
    assert words in done.output and "secret" not in done.output and len(done.output.strip().splitlines()) == 1


def test_addresses_come_from_the_environment_a_file_and_files_with_secrets(tmp_path: Path) -> None:
    secret, config = tmp_path / "secret", tmp_path / "lab.ini"
    secret.write_text("postgresql://lab:pw@db/lab\n")
    config.write_text(f"[lab]\ndatabase = @{secret}\npoints = log:x\nfiles = folder:/a\nport = 81\n")
    parsed = from_environment({"HECTIQLAB_CONFIG": str(config), "HECTIQLAB_FILES": "folder:/b"})
    assert parsed == Addresses("postgresql://lab:pw@db/lab", "log:x", "folder:/b")
    assert "pw" not in str(parsed) and "db/lab" in str(parsed)
    assert from_environment({}) is None
    with pytest.raises(ConfigurationError, match="--points and --files missing"):
        from_environment({"HECTIQLAB_DATABASE": "postgresql://db/lab"})
    config.write_text("port 81")
    with pytest.raises(ConfigurationError, match="not understood"):
        from_environment({"HECTIQLAB_CONFIG": str(config)})


def test_a_file_gives_the_options_of_a_lab(tmp_path: Path) -> None:
    config = tmp_path / "lab.ini"
    config.write_text("[lab]\nprot = 81\n")
    done = CliRunner().invoke(main, ["server", "--config", str(config)])
    assert done.exit_code == 1 and "no option --prot" in done.output
    config.write_text("[lab]\npublic-url = nonsense\nbehind-proxy = 127.0.0.1\n")
    done = CliRunner().invoke(main, ["server", "--data", str(tmp_path / "data"), "--config", str(config)])
    assert done.exit_code == 1 and "--public-url 'nonsense'" in done.output


def test_a_command_beside_needs_a_lab_there(tmp_path: Path) -> None:
    needs_postgres()
    logged_points.register()
    place = PostgresPlace(empty=True)
    with pytest.raises(LabError):
        open_beside(addresses(place, tmp_path))
    place.remove()
