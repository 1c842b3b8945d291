"""The engines' own backups, taken while a training writes and restored into other places: nothing lost or doubled."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.errors import LabError
from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.store.s3.settings import S3Settings

from ..clickhouse import needs_clickhouse, server
from ..labs import ForkedLab
from ..postgres import cluster, needs_postgres
from ..process.conftest import Site, _nothing_stays
from ..process.test_restored_lab import log, steps
from ..seaweedfs import needs_s3, seaweedfs
from ..server.api import Api, batch, new_id
from .test_shards import attached

SCRIPT = """
import sys
from pyhectiqlab import Run
run, n = Run(sys.argv[1]), 0
run.add_artifact(sys.argv[2])
for line in sys.stdin:
    for _ in range(int(line)):
        run.add_metrics("loss", float(n), n)
        n += 1
    print(run.flush(30), flush=True)
"""


class Engines:
    """Three places for one lab, as long as the tests' engines run. `points`: a database of ClickHouse a shard."""

    def __init__(self, points: list[str]) -> None:
        self.database = cluster().make_database()
        self.points = points
        self.files = seaweedfs().address()

    @property
    def addresses(self) -> dict[str, str]:
        points = " ".join(server().url(name) for name in self.points)
        return {"database": cluster().url(self.database), "points": points, "files": self.files}

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(word for name, value in self.addresses.items() for word in (f"--{name}", value))

    @property
    def env(self) -> dict[str, str]:
        return {f"HECTIQLAB_{name.upper()}": value for name, value in self.addresses.items()}


def copy_bucket(source: str, target: str) -> None:
    with closing(S3BlobStore(S3Settings.of(source))) as old, closing(S3BlobStore(S3Settings.of(target))) as new:
        for name in seaweedfs().keys(old):
            where = {"Bucket": old.client.bucket, "Key": old.bucket.key(name)}
            new.client.s3.copy_object(Bucket=new.client.bucket, Key=new.bucket.key(name), CopySource=where)


def tool(program: str, *arguments: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shards", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_backups_of_each_engine_taken_while_a_training_writes_are_a_lab_again(shards: int, tmp_path: Path) -> None:
    for needs in (needs_postgres, needs_clickhouse, needs_s3):
        needs()
    dumps, restores = (cluster().program(name) for name in ("pg_dump", "pg_restore"))
    before, dump = Engines([server().make_database() for _ in range(shards)]), tmp_path / "lab.dump"
    backups = {name: f"File('{server().backups}/{tmp_path.name}-{name}')" for name in before.points}
    (tmp_path / "model.bin").write_bytes(b"of the first step")
    lab = ForkedLab(None, tmp_path / "labhome", *before.options)
    lab.start()
    site = Site(lab, tmp_path / "home")
    try:
        api = Api(lab.url, lab.api_key)
        others = {attached(api, shard): new_id() for shard in range(1, shards + 1)}  # a run on each shard
        assert api.statuses(*(batch(run, its, 1, 50) for run, its in others.items()), session="s") == [200] * shards
        process = site.start(SCRIPT, "restored", str(tmp_path / "model.bin"))
        log(process, 300)

        def train() -> None:
            for _ in range(8):
                log(process, 50)

        training = Thread(target=train)
        training.start()
        tool(dumps, "--format=custom", f"--file={dump}", before.addresses["database"])
        for name, backup in backups.items():
            server().ask(f"BACKUP DATABASE {name} TO {backup}")
        after = Engines([f"{name}_again" for name in before.points])
        copy_bucket(before.files, after.files)
        training.join()
        log(process, 100)  # so that the backups lack something
        lab.kill()

        tool(restores, "--no-owner", f"--dbname={after.addresses['database']}", str(dump))
        for name, backup in backups.items():
            server().ask(f"RESTORE DATABASE {name} AS {name}_again FROM {backup}")
        adopted = CliRunner().invoke(main, ["admin", "adopt"], env=after.env)
        assert adopted.exit_code == 0, adopted.output
        noted = "SELECT value FROM lab WHERE key = 'generation'"
        with psycopg.connect(after.addresses["database"]) as database:
            generations = [value for (value,) in database.execute(noted).fetchall()]
        for name in after.points:  # a lab once did not start here, as ClickHouse had another generation
            assert server().ask(noted, name).split() == generations
        lab.arguments = after.options
        lab.start()
        log(process, 100)
        assert steps(site, "restored") == list(range(900))
        process.communicate(timeout=60)
        assert site.ended("restored")["state"] == "completed"
        assert steps(site, "restored") == list(range(900)) and site.find("restored")["points"] == 900
        with site.client() as client:
            (artifact,) = client.get(f"/runs/{site.find('restored')['id']}/artifacts")["items"]
        api = Api(lab.url, lab.api_key)
        for run, its in others.items():
            assert api.steps(run) == list(range(1, 51))
            assert api.statuses(batch(run, its, 51, 60), session="s") == [200]
            assert api.steps(run) == list(range(1, 61))
        content = api.raw("GET", f"/artifacts/{artifact['uuid']}/content")
        assert content.content == b"of the first step"

        # The earlier lab, on the engines of the present one.
        mixed = ForkedLab(None, tmp_path / "mixed", "--database", before.addresses["database"], *after.options[2:])
        with pytest.raises(LabError, match="of another generation of this lab"):
            mixed.start()
    finally:
        lab.kill()
        _nothing_stays(site)
