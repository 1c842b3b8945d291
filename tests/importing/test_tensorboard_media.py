"""All of TensorBoard's event files but scalars, as what TensorBoard itself reads back (samples/make_tensorboard.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.importing.incoming import NewFile
from pyhectiqlab.importing.points import Point, Problems
from pyhectiqlab.importing.tensorboard import sources
from pyhectiqlab.importing.tensorboard_values import _fewer
from pyhectiqlab.protocol.media import histogram_of

from .conftest import Site, imported, points, unique
from .test_tensorboard import pytestmark, tensor_event  # noqa: F401

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize("sample", ["tensorboard-2.21.0", "tensorboardX-1.9"])
def test_a_lab_has_what_tensorboard_reads_back(site: Site, sample: str) -> None:
    project = unique("tb")
    report = imported(site, "tensorboard", str(SAMPLES / sample), "-p", project)
    read = json.loads((SAMPLES / sample / "read.json").read_text())
    assert {one["name"] for one in report} == read.keys() and not any(one["problems"] for one in report)
    for name, tags in read.items():
        run = site.find(f"{project}/{name}")
        with site.client() as lab:
            media = media_of(lab, run["id"])
        for tag, (plugin, rows) in tags.items():
            if plugin == "scalars":
                got = [(time, step, value) for step, value, time in points(site, run["id"], tag)]
                want = [(micros(time), step, value) for time, step, value in rows]
                assert repr(got) == repr(want), tag  # by repr, because NaN does not equal NaN
            elif plugin == "hparams":
                continue  # a tag that says what the parameters may be, and has no value
            else:
                assert media[tag] == [shown(plugin, row) for row in rows], tag
        assert media.keys() == {tag for tag, (plugin, _) in tags.items() if plugin not in ("scalars", "hparams")}
    if "old/torch/trial" in read:
        run = site.find(f"{project}/old/torch/trial")
        assert run["config"] == {"lr": 0.1, "name": "adam", "layers": 3} and run["state"] == "completed"
    again = imported(site, "tensorboard", str(SAMPLES / sample), "-p", project)
    assert all(one["was_there"] for one in again)


def micros(seconds: float) -> float:
    """Return the time as exactly as a lab keeps it."""
    return round(seconds * 1e6) / 1e6


def shown(plugin: str, row: list[Any]) -> tuple[Any, ...]:
    """Return what TensorBoard tells of a value, as `media_of` tells it."""
    time, step, value = row
    if plugin == "images":
        value = value[2:]  # after width and height
    if plugin == "histograms":
        value = [[float(np.float32(one)) for one in row] for row in value]
    if plugin == "audio":
        value = [one for one in value if one]  # labels are empty
    return micros(time), step, value


def media_of(lab: Any, run: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return, by tag, the time, step and value of each histogram, text, image and sound."""
    media: dict[str, list[tuple[Any, ...]]] = {}
    grouped: dict[tuple[str, float, int], list[Any]] = {}
    for events, _ in lab.events_behind(f"/runs/{run}", None):
        for event in events:
            fields = event["fields"]
            if event["kind"] == "text":
                add(grouped, fields["name"], event["time"], fields["step"], fields["text"])
            elif event["kind"] == "histogram":
                media.setdefault(fields["name"], []).append((micros(event["time"]), fields["step"], bins(fields)))
    for row in sorted(lab.pages(f"/runs/{run}/artifacts"), key=lambda row: row["name"]):
        add(grouped, row["meta"]["name"], row["created"], row["step"], row["digest"])
    for (name, time, step), values in grouped.items():
        media.setdefault(name, []).append((micros(time), step, values))
    return media


def add(grouped: dict[tuple[str, float, int], list[Any]], name: str, time: float, step: int, value: Any) -> None:
    tag, _, place = name.rpartition("/")
    grouped.setdefault((tag if place.isdigit() else name, time, step), []).append(value)


def bins(fields: Any) -> list[list[float]]:
    """Return bins without the empty ones, as exact as TensorBoard keeps those of the old form."""
    its = histogram_of(fields)
    assert its is not None
    rows = zip(its.edges, its.edges[1:], its.counts, strict=False)
    return [[float(np.float32(one)) for one in row] for row in rows if row[2]]


def test_a_histogram_of_too_many_bins_loses_none_of_its_values() -> None:
    counts = [float(n % 3) for n in range(1600)]
    edges = [float(n) for n in range(1601)]
    fewer, kept = _fewer(list(edges), list(counts))
    assert len(kept) == 512 and len(fewer) == 513 and sum(kept) == sum(counts)
    assert (fewer[0], fewer[-1]) == (0.0, 1600.0) and set(fewer) <= set(edges)
    empty = [0.0] * 1000 + [5.0] + [0.0] * 599
    assert _fewer(list(edges), empty) == ((0.0, 1000.0, 1001.0, 1600.0), (0.0, 5.0, 0.0))


def read(path: Path) -> tuple[list[Any], list[str]]:
    problems = Problems()
    (source,) = sources([path], Problems())
    return list(source.read(problems)), problems.lines()


def test_a_long_text_becomes_a_file_and_an_unknown_plugin_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    long = ("é" * 10_000).encode()
    path.write_bytes(
        tensor_event("words", "text", dtype=7, string_val=[long])
        + tensor_event("curve", "pr_curves", dtype=1, float_val=[0.5])
        + tensor_event("graph", "graphs", dtype=7, string_val=[b"x"])
        + tensor_event("half", "scalars", dtype=19, half_val=[15360])
        + tensor_event("brain", "scalars", dtype=14, half_val=[0x3F80])
    )
    (text, *rest), problems = read(path)
    assert isinstance(text, NewFile) and (text.name, text.kind, text.data) == ("words.txt", "text", long)
    assert [(point.key, point.value) for point in rest] == [("half", 1.0), ("brain", 1.0)]
    assert len(problems) == 1 and "the plugin 'pr_curves'" in problems[0] and str(path) in problems[0]


def test_a_shape_that_cannot_be_is_no_event(tmp_path: Path) -> None:
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    path = tmp_path / "events.out.tfevents.1"
    for size in (-1, 1 << 40):
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size)])
        path.write_bytes(tensor_event("x", "histograms", dtype=1, tensor_shape=shape, float_val=[1.0]))
        items, problems = read(path)
        assert items == [] and "is not an event" in problems[0]


def test_what_an_older_version_brought_is_completed(site: Site, tmp_path: Path) -> None:
    """It brought scalars alone: their numbers are there, and the rest comes behind them."""
    import tensorboardX

    from pyhectiqlab.importing import send as sending
    from pyhectiqlab.importing.source import Part, Source

    name = unique("older")
    with tensorboardX.SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_text("text", f"text {step}", step)
            writer.add_scalar("loss", step / 4, step)
        writer.add_image("image", np.zeros((3, 4, 5), np.uint8), 2)
    (now,) = sources([tmp_path], Problems())
    (part,) = now.parts

    def points_alone(problems: Problems) -> Any:
        return (item for item in part.read(problems) if isinstance(item, Point))

    old = Source(name, "0" * 32, (Part(part.name, part.head, part.size, part.digest, points_alone),))
    with site.client() as lab, pytest.MonkeyPatch.context() as patched:
        tell = sending._tell
        patched.setattr(sending, "_tell", lambda *given: tell(*given[:5], None, given[6]))
        assert sending.send(lab, old, None).points == 3
    for was_there in (False, True):
        (report,) = imported(site, "tensorboard", str(tmp_path), "--name", name)
        assert (report["points"], report["was_there"]) == (3, was_there)
    assert [step for step, _, _ in points(site, name, "loss")] == [0, 1, 2]
    with site.client() as lab:
        media = media_of(lab, site.find(name)["id"])
    assert [value for _, _, value in media["text/text_summary"]] == [["text 0"], ["text 1"], ["text 2"]]
    assert len(media["image"]) == 1 and site.find(name)["attempt"] == 1
