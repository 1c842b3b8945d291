"""A lab of every earlier schema is opened by today's version.

Its accounts, runs, configs, events, points and files are there, before and after its chunks are written anew.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pyhectiqlab.store.artifacts import ArtifactQuery
from pyhectiqlab.store.backups import backup
from pyhectiqlab.store.meta import MetaView
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.points import PointStore
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.store.sqlite_points.database import SCHEMA_VERSION

from .old_labs import LABS, unpack

FILES = sorted(LABS.glob("*.tar.xz"))
NEVER_ALONE = {1, 6, 13, 19}  # lab.db of schema 1 is lab-1.sql; each of the others came together with the next one
STEP = np.arange(40)
LOSS = np.where(STEP % 17 == 3, np.nan, np.sin(STEP * 0.1))
ODD = STEP[STEP % 2 == 1]
SIZE = np.where(ODD == 5, 1e300, ODD)


def schemas(file: Path) -> tuple[int, int]:
    match = re.fullmatch(r"lab-(\d+)-points-(\d+)\.tar\.xz", file.name)
    assert match
    return int(match[1]), int(match[2])


def test_there_is_a_lab_of_each_earlier_schema() -> None:
    """Else: `python -m tests.compat.old_labs` at the commit before the schema changed."""
    meta, points = (set(numbers) for numbers in zip(*map(schemas, FILES), strict=True))
    assert set(range(1, len(MIGRATIONS))) - meta == NEVER_ALONE
    assert points >= set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def test_all_of_an_older_lab_is_there(file: Path, tmp_path: Path) -> None:
    unpack(file, tmp_path / "data")
    with closing(open_storage(tmp_path / "data")) as storage:
        with storage.meta.reading() as view:
            runs = look_at_runs(view, files=schemas(file)[0] >= 3, digests=(digests := set()))
        for digest in digests:
            assert storage.blobs.size(digest) == len("the weights of one")
        look_at_points(storage.points, runs)
        while storage.points.maintain():
            pass
        look_at_points(storage.points, runs)
    assert backup.check(tmp_path / "data") == []
    with closing(open_storage(tmp_path / "data")) as storage:
        look_at_points(storage.points, runs)


def look_at_runs(view: MetaView, files: bool, digests: set[str]) -> list[str]:
    """Compare all but points with what the script logged. Return the ids of both runs."""
    owner = view.owner()
    assert owner is not None and [user.id for user in view.users()] == [owner.id] and len(view.keys(owner.id)) == 1
    ids = []
    for name, state, lr in (("one", "completed", 0.1), ("two", "failed", 0.2)):
        (run,) = view.runs_named(name)
        assert (run.project, run.author, run.state) == ("old", owner.username, state)
        assert run.points >= 80  # a slow machine adds system metrics
        assert [tag.name for tag in run.tags] == ["kept"] and view.note(run.id) == "a note"
        assert view.config(run.id) == {"lr": lr, "model": {"layers": 3}} == view.attempt_config(run.id, 1)[1]
        assert view.config_values("model.layers")[run.id] == 3
        assert next(iter(view.newest_events(run.id, "note", 1))).fields["text"] == "a note"
        artifacts = [one for one in view.artifacts(ArtifactQuery(run.id)) if one.name == "weights.txt"]
        assert len(artifacts) == files
        digests |= {one.digest for one in artifacts}
        ids.append(run.id)
    return ids


def look_at_points(points: PointStore, runs: list[str]) -> None:
    for run in runs:
        for key, step, value in (("loss", STEP, LOSS), ("valid/acc", ODD, ODD / 40), ("valid/size", ODD, SIZE)):
            its = points.points(run, key)
            np.testing.assert_array_equal(its.step, step)
            np.testing.assert_array_equal(its.value, value)
        assert {info.key for info in points.keys(run)} >= {"loss", "valid/acc", "valid/size"}
