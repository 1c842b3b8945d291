"""Make what neptune-exporter writes, by its own code: `python make_neptune.py FOLDER`.

What a server of Neptune would answer is made up here: the tables that the package neptune_query gives the exporter. All
from there to the files on the disk is the exporter's. It needs neptune-exporter (Python 3.13, from its repository).
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pandas as pd
from neptune_exporter.export_manager import ExportManager
from neptune_exporter.exporters import neptune3
from neptune_exporter.exporters.error_reporter import ErrorReporter
from neptune_exporter.progress.listeners import NoopProgressListenerFactory
from neptune_exporter.storage.parquet_reader import ParquetReader
from neptune_exporter.storage.parquet_writer import ParquetWriter
from neptune_query.types import Histogram

root = Path(sys.argv[1])
BEGAN = pd.Timestamp("2024-01-02 03:04:05.678", tz="UTC")


def at(seconds: float) -> pd.Timestamp:
    return BEGAN + pd.Timedelta(seconds=seconds)


def series(rows: list[tuple[str, float, str, object, float]]) -> pd.DataFrame:
    """Return rows of run, step, attribute, value and seconds, as neptune_query returns them."""
    index = pd.MultiIndex.from_tuples(sorted({(run, step) for run, step, *_ in rows}), names=["run", "step"])
    names = sorted({name for _, _, name, _, _ in rows})
    columns = pd.MultiIndex.from_tuples([(name, part) for name in names for part in ("absolute_time", "value")])
    table = pd.DataFrame(index=index, columns=columns, dtype=object)
    for run, step, name, value, seconds in rows:
        table.loc[(run, step), (name, "absolute_time")] = at(seconds)
        table.at[(run, step), (name, "value")] = value
    for name in names:
        table[(name, "absolute_time")] = pd.to_datetime(table[(name, "absolute_time")], utc=True)
    return table


PARAMETERS = pd.DataFrame(
    {
        "sys/name:string": ["my run", "child"], "sys/custom_run_id:string": ["one", "two"],
        "sys/creation_time:datetime": [at(0), at(100)], "sys/running_time:float": [60.0, 5.0],
        "sys/failed:bool": [False, True], "sys/owner:string": ["ada", "ada"],
        "sys/tags:string_set": [["a", "b"], None], "sys/description:string": ["a note", None],
        "sys/forking/parent:string": [None, "one"], "sys/forking/step:float": [float("nan"), 1.0],
        "params/lr:float": [0.1, float("nan")], "params/layers:int": pd.array([3, None], "Int64"),
        "params/bias:bool": [True, None], "only/of/child:string": [None, "x"],
    },
    index=pd.Index(["one", "two"], name="run"),
)  # fmt: skip
METRICS = series(
    [
        *(("one", float(step), "train/loss", 1 / (step + 1), step) for step in range(4)),
        ("one", 0.5, "valid/acc", 0.25, 1), ("one", 0.500001, "valid/acc", 0.5, 2), ("one", 1.0, "valid/acc", 0.75, 3),
        ("one", 0.0, "monitoring/1a2b/cpu", 12.5, 4), ("two", 2.0, "train/loss", 0.125, 101),
    ]
)  # fmt: skip
SERIES = series(
    [
        ("one", 1.0, "samples", "a text", 1), ("one", 0.0, "monitoring/1a2b/stdout", "hello", 1),
        ("one", 1.0, "weights", Histogram(type="COUNTING", edges=[0.0, 1.0, 2.0], values=[3.0, 4.0]), 1),
    ]
)  # fmt: skip
IMAGES = series([("one", 7.0, "images", "file", 7)])


class Answers:
    """Answers the questions that the exporter asks of neptune_query.runs."""

    def list_runs(self, **_: object) -> list[str]:
        return ["one", "two"]

    def list_attributes(self, *, attributes: object, **_: object) -> list[str]:
        kinds = str(getattr(attributes, "type", ""))
        for kind, names in (("file_series", ["images"]), ("float_series", ["train/loss"]), ("file", ["model/net"])):
            if kind in kinds:
                return names
        return []

    def fetch_runs_table(self, *, attributes: object, **_: object) -> pd.DataFrame:
        kinds = str(getattr(attributes, "type", ""))
        if "string_series" in kinds:
            names = {"samples:string_series": [1], "monitoring/1a2b/stdout:string_series": [1]}
            return pd.DataFrame({**names, "weights:histogram_series": [1]})
        if "file" in kinds:
            return pd.DataFrame({"model/net:file": ["there", None]}, index=PARAMETERS.index)
        return PARAMETERS

    def fetch_metrics(self, **_: object) -> pd.DataFrame:
        return METRICS

    def fetch_series(self, *, attributes: object, **_: object) -> pd.DataFrame:
        return IMAGES if "images" in str(attributes) else SERIES

    def download_files(self, *, files: pd.DataFrame, destination: Path, **_: object) -> pd.DataFrame:
        single = "model/net:file" in files.columns
        inside, data = ("one/model/net.bin", b"123") if single else ("one/images/step_7_000000.png", b"png")
        path = destination / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        places = [("one", float("nan")), ("two", float("nan"))] if single else [("one", 7.0)]
        index = pd.MultiIndex.from_tuples(places, names=["run", "step"])
        return pd.DataFrame({"model/net" if single else "images": [str(path), None][: len(places)]}, index=index)


errors = ErrorReporter(root / "errors.jsonl")
with mock.patch.object(neptune3, "nq_runs", Answers()):
    exporter = neptune3.Neptune3Exporter(errors)
    ExportManager(
        exporter, ParquetReader(root / "data"), ParquetWriter(root / "data"), errors, root / "files",
        NoopProgressListenerFactory(),
    ).run(["org/proj"])  # fmt: skip
print(errors.get_summary())
