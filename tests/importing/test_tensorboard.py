"""TensorBoard event files, as tensorboardX writes them, become runs."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.errors import LabUnreachableError
from pyhectiqlab.importing import send as sending
from pyhectiqlab.importing import wire
from pyhectiqlab.importing.points import Point, Problems
from pyhectiqlab.importing.tensorboard import sources
from pyhectiqlab.importing.tfrecord import crc32c, masked_crc32c
from pyhectiqlab.transport.http import LabClient

from .conftest import Site, imported, points, unique

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorboardX") is None, reason="tensorboardX is not installed: pip install '.[dev]'"
)
START = 1_600_000_000.25


def write(folder: Path, count: int = 5, key: str = "loss") -> Path:
    """Write an event file and return its path."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step in range(count):
            writer.add_scalar(key, 1 / 2**step, step, walltime=START + step)
    return next(folder.glob("*tfevents*"))


def read(path: Path) -> tuple[list[Point], list[str]]:
    problems = Problems()
    (source,) = sources([path], Problems())
    return list(source.read(problems)), problems.lines()


def framed(data: bytes) -> bytes:
    header = struct.pack("<Q", len(data))
    return header + struct.pack("<I", masked_crc32c(header)) + data + struct.pack("<I", masked_crc32c(data))


def tensor_event(tag: str, plugin: str, **tensor: Any) -> bytes:
    """Make an event as TensorFlow 2 writes a scalar."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    value = Summary.Value(tag=tag, metadata=metadata, tensor=TensorProto(**tensor))
    return framed(Event(wall_time=START, step=-3, summary=Summary(value=[value])).SerializeToString())


def scalar_event(key: str, step: int) -> bytes:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    value = Summary.Value(tag=key, simple_value=1 / 2**step)
    return framed(Event(wall_time=START + step, step=step, summary=Summary(value=[value])).SerializeToString())


def test_each_folder_becomes_a_run_with_its_steps_values_and_wall_times(site: Site, tmp_path: Path) -> None:
    root, project = tmp_path / unique("logs"), unique("old")
    write(root)
    write(root / "a" / "train", 3)
    write(root / "b", 2, "accuracy")
    reports = imported(site, "tensorboard", str(root), "--project", project)
    assert [(t["name"], t["points"], t["problems"]) for t in reports] == [
        (root.name, 5, []),
        ("a/train", 3, []),
        ("b", 2, []),
    ]
    assert points(site, f"{project}/a/train", "loss") == [(0, 1.0, START), (1, 0.5, START + 1), (2, 0.25, START + 2)]
    assert len(points(site, root.name, "loss")) == 5 and len(points(site, f"{project}/b", "accuracy")) == 2
    run = site.find(root.name)
    assert (run["state"], run["project"]["name"]) == ("completed", project)
    assert (run["started"], run["ended"]) == pytest.approx((START, START + 4), abs=1)  # corrected by the clocks' skew


def test_the_same_content_is_imported_once(site: Site, tmp_path: Path) -> None:
    write(tmp_path / "run")
    name = unique("once")
    for was_there in (False, True):
        (report,) = imported(site, "tensorboard", str(tmp_path / "run"), "--name", name)
        assert (report["was_there"], report["points"]) == (was_there, 5)
    assert len(points(site, name, "loss")) == 5 and site.find(name)["attempt"] == 1


@pytest.mark.parametrize("cut", [10, 7])  # also by a version that cuts batches otherwise
def test_an_import_that_failed_in_the_middle_goes_on_when_it_is_repeated(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    write(tmp_path / unique("middle"), 45)
    (source,) = sources(list(tmp_path.iterdir()), Problems())

    class Breaks(LabClient):
        """The real one, whose connection breaks for good after two batches."""

        left = 2

        def ingest(self, body: bytes) -> dict[str, Any]:
            self.left -= 1
            if self.left < 0:
                raise LabUnreachableError("gone")
            return super().ingest(body)

    monkeypatch.setattr(sending, "BATCH_ITEMS", 10)
    monkeypatch.setattr(wire, "TRIES", 0)
    with Breaks(site.lab.url, site.lab.api_key) as lab, pytest.raises(LabUnreachableError):
        sending.send(lab, source, None)
    assert len(points(site, source.name, "loss")) == 20
    monkeypatch.setattr(sending, "BATCH_ITEMS", cut)
    monkeypatch.setattr(wire, "TRIES", 5)
    with site.client() as lab:
        assert sending.send(lab, source, None).points == 45
    assert [s for s, _, _ in points(site, source.name, "loss")] == list(range(45))
    assert (site.find(source.name)["attempt"], site.find(source.name)["state"]) == (1, "completed")


def test_files_that_have_grown_add_what_is_new_to_the_same_attempt(site: Site, tmp_path: Path) -> None:
    folder, name = tmp_path / "run", unique("grows")
    folder.mkdir()
    first = folder / "events.tfevents.1"
    records = [scalar_event("loss", step) for step in range(15)]
    for turn in range(3):
        first.write_bytes(b"".join(records[: 5 * turn + 5]) + records[-1][: 7 * (turn < 2)])  # and a part of the next
        (report,) = imported(site, "tensorboard", str(folder), "--name", name)
        assert (report["points"], report["before"], report["was_there"]) == (5 * turn + 5, 5 * turn, False)
    write(folder / "more").rename(folder / "z.tfevents.2")  # another file of the same run, while the first one grows
    (folder / "more").rmdir()
    with first.open("ab") as file:
        file.write(tensor_event("later", "scalars", dtype=1))
    done = site.cli("import", "tensorboard", str(folder), "--name", name)
    assert done.returncode == 0 and "6 new points" in done.stdout, done.stderr
    (again,) = imported(site, "tensorboard", str(folder), "--name", name)
    assert again["was_there"]
    run = site.find(name)
    assert (run["attempt"], run["state"], run["points"]) == (1, "completed", 21)
    assert [s for s, _, _ in points(site, name, "loss")] == [*range(15), *range(5)]
    assert run["ended"] == pytest.approx(START + 14, abs=1)
    # If a file was changed in another way, it becomes another attempt.
    first.write_bytes(first.read_bytes()[:-20] + bytes(20))
    imported(site, "tensorboard", str(folder), "--name", name, code=1)
    assert site.find(name)["attempt"] == 2


def test_an_import_that_failed_goes_on_though_the_file_has_grown(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("failed")
    (tmp_path / name).mkdir()
    for file in ("a.tfevents", "b.tfevents"):
        write(tmp_path / "made" / file, 5).rename(tmp_path / name / file)

    def broken(*arguments: Any) -> None:
        raise LabUnreachableError("gone")

    with monkeypatch.context() as patched, site.client() as lab, pytest.raises(LabUnreachableError):
        patched.setattr(sending, "_end", broken)
        sending.send(lab, sources([tmp_path / name], Problems())[0], None)
    for file in ("a.tfevents", "b.tfevents"):
        with (tmp_path / name / file).open("ab") as grown:
            grown.write(tensor_event("later", "scalars", dtype=1))
    with site.client() as lab:
        assert sending.send(lab, sources([tmp_path / name], Problems())[0], None).points == 12
    assert len(points(site, name, "loss")) == 10 and len(points(site, name, "later")) == 2
    assert (site.find(name)["attempt"], site.find(name)["state"]) == (1, "completed")


def test_links_to_folders_are_followed_and_those_in_a_circle_end(tmp_path: Path) -> None:
    elsewhere, chosen = tmp_path / "elsewhere", tmp_path / "chosen"
    for one in ("run1", "run2"):
        write(elsewhere / one, 3)
    write(chosen / "own", 2)
    (chosen / "a-run1").symlink_to(elsewhere / "run1")
    (chosen / "all").symlink_to(elsewhere)
    (chosen / "aa-own").symlink_to(chosen / "own")  # the folder's own name counts
    (chosen / "nowhere").symlink_to(tmp_path / "gone")
    (chosen / "gone.tfevents").symlink_to(tmp_path / "gone")
    (elsewhere / "run1" / "back").symlink_to(chosen)
    (elsewhere / "up").symlink_to(elsewhere)
    assert [source.name for source in sources([chosen], Problems())] == ["a-run1", "all/run2", "own"]
    assert [len(list(source.read(Problems()))) for source in sources([chosen], Problems())] == [3, 3, 2]


def test_layouts_are_passed_over_without_a_word(tmp_path: Path) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_custom_scalars({"layout": {"losses": ["Multiline", ["loss"]]}})
        writer.add_scalar("loss", float("nan"), 2**40)
    items, problems = read(tmp_path)
    assert [(p.key, p.step) for p in items] == [("loss", 2**40)] and np.isnan(items[0].value)
    assert problems == []


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        ({"dtype": 1, "float_val": [0.5]}, 0.5),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 2, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": 9, "int64_val": [-7]}, -7.0),
        ({"dtype": 3, "tensor_content": struct.pack("<i", -7)}, -7.0),
        ({"dtype": 10, "bool_val": [True]}, 1.0),
        ({"dtype": 1}, 0.0),
        ({"dtype": 7, "string_val": [b"text"]}, None),
    ],
)
def test_scalars_that_are_tensors_are_read_and_those_of_other_plugins_not(
    tmp_path: Path, tensor: dict[str, Any], value: float | None
) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(tensor_event("x", "scalars", **tensor) + tensor_event("y", "graphs", **tensor))
    assert read(path) == ([] if value is None else [Point("x", -3, value, START)], [])


def test_the_checksum_is_crc_32c() -> None:
    from tensorboardX.crc32c import crc32c as theirs

    assert crc32c(b"123456789") == 0xE3069283
    assert all(crc32c(bytes(range(n))) == theirs(bytes(range(n))) for n in range(40))


def test_a_file_cut_off_anywhere_ends_there(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    before = 0
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        items, problems = read(tmp_path)
        assert problems == [] and before <= len(items) <= before + 1
        before = len(items)
    assert before == 5


def test_a_damaged_record_is_left_out_and_said_with_the_name_of_its_file(site: Site, tmp_path: Path) -> None:
    path = write(tmp_path / "run")
    data = bytearray(path.read_bytes())
    data[-10] ^= 1  # in the last record's data
    path.write_bytes(data)
    name = unique("damaged")
    (report,) = imported(site, "tensorboard", str(path), "--name", name, code=1)
    assert report["points"] == 4 and len(points(site, name, "loss")) == 4
    (problem,) = report["problems"]
    assert problem.startswith(str(path)) and "is damaged and left out" in problem


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    whole = path.read_bytes()
    right, _ = read(tmp_path)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        items, problems = read(tmp_path)
        assert set(items) <= set(right) and problems, at


def test_what_is_read_ends_where_the_file_ended_at_the_start(tmp_path: Path) -> None:
    path = write(tmp_path)
    (source,) = sources([tmp_path], Problems())
    with path.open("ab") as file:
        file.write(tensor_event("later", "scalars", dtype=1))
    assert {p.key for p in source.read(Problems())} == {"loss"}
    assert sources([tmp_path], Problems())[0].digest != source.digest


def test_wrong_paths_and_names_are_said_in_one_line(site: Site, tmp_path: Path) -> None:
    done = site.cli("import", "tensorboard", str(tmp_path))
    assert done.returncode == 1 and "holds no event files" in done.stderr and done.stderr.count("\n") == 1
    done = site.cli("import", "tensorboard", str(tmp_path / "none"))
    assert done.returncode == 1 and "does not exist" in done.stderr
    write(tmp_path / "a" / "run")
    write(tmp_path / "b" / "run", 2)
    done = site.cli("import", "tensorboard", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.returncode == 2 and "2 folders would be the run 'run'" in done.stderr
