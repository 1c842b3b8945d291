"""hectiqlab admin check asks the engines of several labs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.store import engine_checks

from ..clickhouse import needs_clickhouse, server
from ..postgres import needs_postgres
from ..seaweedfs import needs_s3, seaweedfs
from ..stores import PostgresPlace


def check(**env: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["admin", "check"], env={f"HECTIQLAB_{name}": value for name, value in env.items()})
    return done.exit_code, done.output


def test_engines_that_are_well(tmp_path: Path) -> None:
    for needs in (needs_postgres, needs_clickhouse, needs_s3):
        needs()
    place, name = PostgresPlace(), server().make_database()
    status, output = check(DATABASE=place.url, POINTS=server().url(name), FILES=seaweedfs().address())
    lines = output.splitlines()
    # A machine that runs other tests may be slow to answer, which is reported, too.
    assert [line for line in lines if line.startswith("  !") and "to answer" not in line] == []
    assert status == (1 if "!" in output else 0)
    facts = [line for line in lines if not line.startswith("  !")]
    assert facts[0].startswith("PostgreSQL: postgresql://") and ", schema " in facts[0] and "connections" in facts[0]
    assert facts[1].startswith("ClickHouse: clickhouse://") and "no tables yet" in facts[1]
    assert facts[2].startswith("files: s3://") and "may read, write and remove" in facts[2]
    server().drop_database(name)
    place.remove()


def test_what_is_wrong_is_said_of_each(tmp_path: Path) -> None:
    needs_postgres()
    place = PostgresPlace()
    place.cluster.ask("INSERT INTO migrations VALUES (9999, 'of tomorrow', 0)", database=place.database)
    try:
        (tmp_path / "file").touch()
        status, output = check(
            DATABASE=place.url, POINTS="clickhouse://lab:secret@127.0.0.1:1/lab", FILES=f"folder:{tmp_path}/none"
        )
    finally:
        place.cluster.ask("DELETE FROM migrations WHERE version = 9999", database=place.database)
        place.remove()
    assert status == 1 and "secret" not in output
    assert "  ! Its tables are of a newer lab" in output and "cannot be reached" in output
    assert "not there yet" in output and "All is well" not in output
    status, output = check(DATABASE="postgresql://lab@127.0.0.1:1/lab", POINTS="log:x", FILES=f"folder:{tmp_path}")
    assert status == 1 and "refused" in output


def test_a_clickhouse_that_hangs_is_not_waited_for_as_long_as_by_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_checks, "WAIT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        points = f"clickhouse://lab@127.0.0.1:{silent.getsockname()[1]}/lab"
        _, output = check(DATABASE="postgresql://lab@127.0.0.1:1/lab", POINTS=points, FILES=f"folder:{tmp_path}")
    assert "cannot be reached (no answer in time)" in output


def test_it_wants_a_folder_or_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE", "POINTS", "FILES", "CONFIG"):
        monkeypatch.delenv(f"HECTIQLAB_{name}", raising=False)
    status, output = check()
    assert status == 2 and "HECTIQLAB_DATABASE" in output
