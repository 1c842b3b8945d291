"""What a script logged, read back from Python: everything as it went in, for whoever may see the run."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab import Config, Run, read, search_runs
from pyhectiqlab.errors import ConfigurationError, ConflictError, NotFoundError

from .conftest import Site, eventually

SCRIPT = """
import math, sys
from pathlib import Path
from pyhectiqlab import Config, Run

name, folder = sys.argv[1], Path(sys.argv[2])
with Run(name, project="read-back", should_create_project=True) as run:
    run.add_config(Config(lr=0.5, layers=[1, 2], best=math.inf, none=None, model=Config(name="vit", bias=False)))
    run.add_meta("cluster", {"nodes": 2})
    run.set_note("A note.")
    run.add_tag("baseline")
    for step, value in enumerate([1.0, math.nan, math.inf, -0.0, 1e-320]):
        run.add_metrics("train/loss", value, step)
    run.add_metrics("valid/loss", 0.25, 4)
    run.add_metrics("valid/loss", 0.125, 4)
    logger = run.start_recording_logs()
    logger.warning("a line")
    (folder / "weights.bin").write_bytes(b"w" * 1000)
    run.add_artifact(folder / "weights.bin")
    run.add_artifact(folder / "weights.bin", step=3)
    run.add_mlmodel(folder / "weights.bin", name="net", version="1.0.0")
    run.add_mlmodel_usage("net", "1.0.0")
"""


@pytest.fixture(scope="module")
def reader(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a site whose environment this process has, too."""
    site = Site(lab, tmp_path_factory.mktemp("reader"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("HECTIQLAB_")]:
            patch.delenv(name)
        for name, value in site.env.items():
            if name.startswith("HECTIQLAB_"):
                patch.setenv(name, value)
        yield site


@pytest.fixture(scope="module")
def run(reader: Site) -> read.RunView:
    done = reader.run(SCRIPT, "told", str(reader.home.parent))
    assert done.returncode == 0, done.stderr
    reader.ended("told")
    return Run.existing("told")


def same(a: float, b: float) -> bool:
    return math.copysign(1, a) == math.copysign(1, b) and (a == b or (math.isnan(a) and math.isnan(b)))


def test_what_a_script_told_comes_back_as_it_went_in(run: read.RunView) -> None:
    assert (run.name, run.project, run.state, run.tags, run.notes) == (
        *("told", "read-back", "completed", ["baseline"]),
        "A note.",
    )
    assert run.config == Config(lr=0.5, layers=[1, 2], best=math.inf, none=None, model=Config(name="vit", bias=False))
    assert run.config.model.bias is False and isinstance(run.config.lr, float)
    assert run.meta == {"cluster": {"nodes": 2}} and run.losses == {}
    assert run.created and run.started and run.started <= (run.ended or 0)
    assert [log.text for log in run.logs(level="WARNING")] == ["a line\n"]
    assert run.keys() == ["train/loss", "valid/loss"]
    series = run.series("train/loss")
    wanted = [1.0, math.nan, math.inf, -0.0, 1e-320]
    assert all(same(a, b) for a, b in zip(series.value, wanted, strict=True)) and list(series.step) == [0, 1, 2, 3, 4]
    buckets = run.buckets("train/loss", 2)
    assert sum(buckets.count) == 5 and sum(buckets.nan) == 1 and max(buckets.max) == 1.0


def test_a_run_is_found_by_name_id_link_and_in_its_project(run: read.RunView, reader: Site) -> None:
    for ref in (run.id, run.url, "told", "read-back/told"):
        assert Run.existing(ref).id == run.id
    assert Run.existing("told", "read-back").id == Run.existing(run.id, project=run.project_id).id == run.id
    with pytest.raises(NotFoundError, match="none such"):
        Run.existing("none such", "read-back")
    with pytest.raises(NotFoundError, match="nowhere"):
        Run.existing("told", "nowhere")
    with reader.client() as client:
        body = {"name": "told", "session": "ab", "project": "elsewhere", "create_project": True}
        client.attach(body, timeout_s=10)
    with pytest.raises(ConflictError, match=run.id):
        Run.existing("told")
    assert Run.existing("told", "read-back").id == run.id


def test_files_and_models_come_back(run: read.RunView, tmp_path: Path) -> None:
    artifacts = run.artifacts()
    assert [(a.name, a.step, a.version) for a in artifacts] == [("weights.bin", None, 1), ("weights.bin", 3, 1)]
    assert artifacts[0].download(tmp_path).read_bytes() == b"w" * 1000
    (made,), (used,) = run.models.made, run.models.used
    assert (made.name, made.version, used.uuid) == ("net", "1.0.0", made.uuid) and run.datasets.made == []
    assert (made.download(tmp_path) / "weights.bin").read_bytes() == b"w" * 1000


def test_metrics_come_as_a_table_of_pandas(run: read.RunView) -> None:
    pd = pytest.importorskip("pandas")
    table = run.metrics()
    assert list(table.columns) == ["train/loss", "valid/loss"] and table.index.name == "step"
    assert list(table.index) == [0, 1, 2, 3, 4, 4]
    assert list(table["valid/loss"].dropna()) == [0.25, 0.125]
    assert table["train/loss"].loc[2] == math.inf and same(table["train/loss"].loc[3], -0.0)
    by_time = run.metrics("train/loss", axis="time")
    assert isinstance(by_time.index, pd.DatetimeIndex) and len(by_time) == 5
    assert run.metrics("train/loss", axis="relative").index[0] == 0.0
    flat = run.metrics(long=True)
    zero = flat["time"].min()  # for every key, as the charts have it
    for key in ("train/loss", "valid/loss"):
        times = flat[flat["key"] == key]["time"]
        places = sorted((times - zero).dt.total_seconds())
        assert list(run.metrics(key, axis="relative").index) == pytest.approx(places, abs=1e-6)
        assert run.buckets(key, axis="relative").start[0] == round((times.iloc[0] - zero).total_seconds() * 1e6)
    assert list(flat.columns) == ["key", "step", "value", "time", "rank", "attempt"] and len(flat) == 7
    slices = run.metrics(["train/loss"], buckets=100)
    assert slices["train/loss", "count"].sum() == 5 and slices["train/loss", "last"].loc[2] == math.inf
    with pytest.raises(NotFoundError, match="it has train/loss, valid/loss"):
        run.metrics("train/los")
    with pytest.raises(ValueError, match="axis"):
        run.metrics(axis="wall")  # type: ignore[arg-type]


def test_a_fork_is_read_back_as_one_line_with_its_group(reader: Site) -> None:
    script = """
    from pyhectiqlab import Run
    parent = Run("trunk", project="read-back", group="trees")
    for step in range(10):
        parent.add_metrics("loss", step, step)
    parent.close()
    with Run("branch", project="read-back", fork_of=parent, at_step=5, group="trees") as run:
        for step in range(4, 8):
            run.add_metrics("loss", 100 + step, step)
    with Run("twig", project="read-back", fork_of="branch", at_step=6) as run:
        run.set_group("others")
    """
    assert reader.run(script).returncode == 0
    trunk, branch = Run.existing("trunk"), Run.existing("branch")
    assert (branch.group, branch.fork_of, branch.fork_step) == ("trees", trunk.id, 5)
    assert (trunk.group, trunk.fork_of, trunk.fork_step) == ("trees", None, None)
    whole = eventually(lambda: (run := Run.existing("twig")).points == 7 and run)  # 0 to 3, then 4 to 6
    assert whole.group == "others"
    assert {run.name for run in search_runs("read-back", "group=trees")} == {"trunk", "branch"}
    if pytest.importorskip("pandas"):
        wanted = {0: 0, 1: 1, 2: 2, 3: 3, 4: 104, 5: 105, 6: 106, 7: 107}
        assert branch.metrics("loss")["loss"].to_dict() == wanted  # attempt 1 arrived before attempt 0
        assert whole.metrics("loss")["loss"].to_dict() == {step: wanted[step] for step in range(7)}


def test_ranks_and_attempts_stand_before_the_step_or_the_newest_hides(reader: Site) -> None:
    pytest.importorskip("pandas")
    script = """
    import sys
    from pyhectiqlab import Run
    rank, restart, steps = int(sys.argv[1]), int(sys.argv[2]), range(int(sys.argv[3]), int(sys.argv[4]))
    with Run("ranked", project="read-back", rank=rank, world_size=2, restart=restart) as run:
        for step in steps:
            run.add_metrics("loss", 100 * restart + 10 * rank + step, step)
    """
    for rank, restart, first, last in ((0, 0, 0, 4), (1, 0, 0, 4), (0, 1, 2, 5)):
        assert reader.run(script, str(rank), str(restart), str(first), str(last)).returncode == 0
        reader.ended("ranked")
    run = Run.existing("ranked")
    newest = run.metrics("loss")
    assert newest.index.names == ["rank", "step"]
    assert newest.loc[0]["loss"].to_dict() == {0: 0, 1: 1, 2: 102, 3: 103, 4: 104}
    assert newest.loc[1]["loss"].to_dict() == {0: 10, 1: 11, 2: 12, 3: 13}
    every = run.metrics("loss", attempts="all")
    assert every.index.names == ["rank", "attempt", "step"] and len(every) == 11
    assert run.metrics("loss", rank=0, attempt=1).index.names == ["step"]
    assert list(run.metrics("loss", rank=0, buckets=100)["loss", "last"]) == [0, 1, 102, 103, 104]
    assert list(run.metrics("loss", rank=0, attempt=1, buckets=100)["loss", "last"]) == [0, 1, 2, 3]
    together = run.metrics("loss", buckets=100)["loss"]
    assert (together.loc[3, "min"], together.loc[3, "max"], together.loc[3, "count"]) == (13, 103, 2)


def test_runs_are_searched_and_told_as_a_table(run: read.RunView, reader: Site) -> None:
    pytest.importorskip("pandas")
    runs = search_runs("read-back", "metric.valid/loss.min<=0.125 created>-1h", tag="baseline", config={"lr": 0.5})
    assert [r.name for r in runs] == [r.name for r in runs] == ["told"]
    assert search_runs("read-back", state="failed").first() is None
    table = runs.to_pandas()
    row = table.loc[run.id]
    assert (row["name"], row["config.lr"], row["config.model.name"]) == ("told", 0.5, "vit")
    assert row["config.best"] == math.inf and row["metric.valid/loss"] == 0.125 and row["created"].tzinfo is not None
    only = search_runs("read-back", sort="name").to_pandas(metrics=["valid/loss"])
    assert [c for c in only.columns if c.startswith("metric.")] == ["metric.valid/loss"]
    assert len(search_runs("read-back", "name=none").to_pandas()) == 0
    columns = ["config.lr", "metric.valid/loss.min", "tag", "config.none-such"]
    rows = list(search_runs("read-back", limit=1).rows(columns, sort=["-metric.valid/loss.count", "name"]))
    assert rows == [dict(zip(["id", "name", *columns], [run.id, "told", 0.5, 0.125, ["baseline"], None], strict=True))]
    (row,) = search_runs("read-back", "name=told").rows(["host", "metric.valid/loss.smoothed(mean,1000)"])
    assert row["host"] == [platform.node()]
    line = run.buckets("valid/loss", smooth=("mean", 1000)).smoothed
    assert line is not None and row["metric.valid/loss.smoothed(mean,1000)"] == line[-1]
    for name in ("note_cut", "size"):
        with pytest.raises(ValueError, match=name):
            runs.rows([name])
    for wrong in ({"filter": "stat=x"}, {"sort": "size"}, {"limit": 0}):
        with pytest.raises(ValueError):
            search_runs(**wrong)  # type: ignore[arg-type]


def test_without_pandas_it_says_what_to_do(run: read.RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match=r"pip install (-e )?'.*\[pandas\]'.*run\.series"):
        run.metrics()


def test_a_view_takes_nothing_and_writes_nothing(run: read.RunView, reader: Site) -> None:
    before = reader.find(run.id)["events"]
    assert not hasattr(run, "add_metrics")
    assert repr(run).startswith("RunView(") and reader.lab.api_key not in repr(run)
    assert run.refreshed().state == "completed" and reader.find(run.id)["events"] == before


def test_points_are_exported_to_a_file_that_is_whole_or_not_there(run: read.RunView, tmp_path: Path) -> None:
    path = run.export(tmp_path / "points.csv", "train/loss")
    lines = path.read_text().splitlines()
    assert lines[0] == "key,step,value,time,rank,attempt" and len(lines) == 6 and ",NaN," in lines[2]
    with pytest.raises(NotFoundError):
        run.export(tmp_path / "none.csv", "none")
    with pytest.raises(ValueError, match="ends in no format"):
        run.export(tmp_path / "points.xlsx")
    assert [p.name for p in tmp_path.iterdir()] == ["points.csv"]
