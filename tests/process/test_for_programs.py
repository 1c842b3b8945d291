"""What programs and assistants use: `hectiqlab watch`, `hectiqlab sql`, `hectiqlab mcp`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.cli.watch import condition
from pyhectiqlab.read import sql as sql_module
from pyhectiqlab.transport.http import LabClient

from .conftest import Site, eventually

SCRIPT = """
import math, sys
import numpy as np
from pyhectiqlab import Config, Run
for name, rate in (("one", 0.5), ("two", 0.25)):
    with Run(name, project="asked", should_create_project=True) as run:
        run.add_config(Config(lr=rate, model=Config(layers=3)))
        run.add_tag("kept")
        for step in range(20):
            run.add_metrics("loss", math.nan if step == 3 else rate / (step + 1), step=step)
        run.start_recording_logs().error("it went wrong")
        run.add_text("a text", "samples", step=1)
        run.add_image(np.zeros((4, 5, 3), np.uint8), "picture", step=2)
"""
GOES_ON = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1], project="watched", should_create_project=True)
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    run.add_metrics("loss", float(value)) if word == "loss" else getattr(run, word)()
    print("done", flush=True)
run.close()
"""


@pytest.fixture(scope="module")
def asked(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(lab, tmp_path_factory.mktemp("asked"))
    assert site.run(SCRIPT).returncode == 0
    return site


# watch


def watching(site: Site, *arguments: str) -> subprocess.Popen[str]:
    command = "import sys; from pyhectiqlab.cli import main; main(sys.argv[1:])"
    return site.start(command, "watch", *arguments, "--every", "0.1")


def test_watch_ends_by_a_metric_a_state_and_the_end_of_the_run(site: Site) -> None:
    script = site.start(GOES_ON, "watched-1")
    assert script.stdin is not None and script.stdout is not None

    def say(line: str) -> None:
        assert script.stdin is not None and script.stdout is not None
        script.stdin.write(line + "\n")
        script.stdin.flush()
        assert script.stdout.readline() == "done\n"

    say("loss 1.0")
    eventually(lambda: site.cli("runs", "watched").stdout.count("watched-1"))
    low = watching(site, "watched-1", "--until", "loss<0.5", "--json")
    training = watching(site, "watched-1", "--until", "state=training")
    never = watching(site, "watched-1", "--until", "loss>100")
    end = watching(site, "watched-1")
    late = site.cli("watch", "watched-1", "--timeout", "0.2", "--every", "0.1")
    assert late.returncode == 4, late
    say("training")
    assert ended(training) == 0
    say("loss 0.25")
    out, err = low.communicate(timeout=30)
    printed = json.loads(out)
    assert (low.returncode, printed["reached"], printed["last"], printed["status"]) == (
        0,
        ["loss<0.5"],
        {"loss": 0.25},
        0,
    ), err
    say("failed")
    ended(script)
    assert (ended(never), ended(end)) == (3, 3)


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=30)
    assert process.returncode is not None
    return process.returncode


def test_watch_of_a_run_that_completed_ends_at_once(asked: Site) -> None:
    done = asked.cli("watch", "asked/one")
    assert (done.returncode, done.stdout) == (0, "one: completed\n")
    assert asked.cli("watch", "asked/one", "--until", "state=failed").returncode == 3
    assert asked.cli("watch", "none-such").returncode == 1


@pytest.mark.parametrize("text", ["loss", "loss<x", "state=flying", "<3", "state<3=4"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        condition(text)


# sql


def rows(site: Site, select: str, *more: str) -> list[dict[str, Any]]:
    done = site.cli("sql", select, "-p", "asked", "--json", *more)
    assert done.returncode == 0, done
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer


def test_sql_reads_runs_configs_tags_metrics_and_points(asked: Site) -> None:
    best = rows(
        asked,
        "SELECT r.name, c.value AS lr, min(p.value) AS best, sum(p.nan) AS nans FROM points p "
        "JOIN runs r ON r.id = p.run JOIN config c ON c.run = r.id AND c.path = 'lr' "
        "WHERE p.key = 'loss' GROUP BY r.id ORDER BY best",
    )
    assert best == [
        {"name": "two", "lr": 0.25, "best": 0.25 / 20, "nans": 1},
        {"name": "one", "lr": 0.5, "best": 0.5 / 20, "nans": 1},
    ]
    tags = rows(asked, "SELECT name, count(*) AS n FROM tags GROUP BY name")
    assert tags == [{"name": "kept", "n": 2}]
    metric = rows(asked, "SELECT key, count, max FROM metrics WHERE key = 'loss' ORDER BY max")
    assert [row["max"] for row in metric] == [0.25, 0.5]
    assert rows(asked, "SELECT name FROM runs", "-f", "config.lr<0.3") == [{"name": "two"}]
    cut = asked.cli("sql", "SELECT step FROM points WHERE key = 'loss'", "-p", "asked", "--limit", "3")
    assert "There are more rows" in cut.stderr and cut.stdout.count("\n") == 4


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("DELETE FROM runs", "not authorized"),
        ("ATTACH DATABASE '/tmp/x.db' AS x", "not authorized"),
        ("PRAGMA user_version", "not authorized"),
        ("SELECT missing FROM runs", "no such column"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT load_extension('x')", "not authorized"),
    ],
)
def test_sql_changes_nothing(asked: Site, select: str, said: str) -> None:
    done = asked.cli("sql", select, "-p", "asked")
    assert done.returncode == 1 and said in done.stderr, done


def test_sql_has_limits(asked: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in asked.env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="40 points are more than 30"):
        sql_module.query("SELECT * FROM points", "asked", points_max=30)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    with pytest.raises(ValueError, match="took more than"):
        sql_module.query(endless, "asked", timeout_s=0.2)


def test_sql_tells_what_the_caller_may_see_and_no_more(asked: Site, tmp_path: Path) -> None:
    (tmp_path / "hidden.csv").write_text("step,loss\n1,7.5\n")
    with asked.client() as lab:
        secret = lab.post("/projects", {"name": "secret"})
        lab.patch(f"/projects/{secret['id']}", {"private": True})
        lab.post("/users", {"username": "eve", "password": "a long password"})
        with LabClient(asked.lab.url, auth=("eve", "a long password")) as hers:
            key = hers.post("/keys", {"name": "k"})["key"]
    assert asked.cli("import", "csv", str(tmp_path / "hidden.csv"), "-p", "secret").returncode == 0
    eve = Site(asked.lab, asked.home, {"HECTIQLAB_URL": asked.lab.url, "HECTIQLAB_API_KEY": key})
    select = (
        "SELECT DISTINCT r.name, p.value FROM points p JOIN runs r ON r.id = p.run WHERE value > 0.4 AND key = 'loss'"
    )
    done = eve.cli("sql", select, "--json")
    rows = json.loads(done.stdout)  # other tests' runs are there, too
    assert {"name": "one", "value": 0.5} in rows and all(row["name"] != "hidden" for row in rows), done
    done = eve.cli("sql", select, "-p", "secret", "--json")
    assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1, done
    with asked.client() as lab:
        lab.put(f"/projects/{secret['id']}/members/eve", {"role": "viewer"})
    done = eve.cli("sql", select, "-p", "secret", "--json")
    assert json.loads(done.stdout) == [{"name": "hidden", "value": 7.5}], done


# mcp


def test_an_assistant_reads_runs_over_the_protocol(asked: Site) -> None:
    if importlib.util.find_spec("mcp") is None:
        pytest.skip("mcp is not installed")
    answers = asyncio.run(conversation(asked))
    wanted = {"search_runs", "get_run", "get_curves", "get_logs", "compare_runs", "get_media", "ask_sql"}
    assert wanted <= answers["tools"]
    assert [run["name"] for run in answers["search"]] == ["two"]
    run = answers["run"]
    assert run["config"] == {"lr": 0.5, "model": {"layers": 3}} and run["metrics"][0]["count"] == 20
    curve = answers["curves"]["loss"]
    assert sum(curve["count"]) == 20 and max(v for v in curve["max"] if v != "NaN") == 0.5
    assert answers["logs"][-1]["text"] == "it went wrong\n"
    (lr,) = (row for row in answers["compare"]["rows"] if row["name"] == "lr")
    assert [float(value) for value in lr["values"]] == [0.5, 0.25]
    assert answers["text"]["text"] == "a text"
    assert answers["sql"]["rows"] == [[2]]
    assert "No run is" in answers["error"]
    assert answers["image"].startswith("iVBOR")  # PNG, base64


async def conversation(site: Site) -> dict[str, Any]:
    from mcp import ClientSession, StdioServerParameters, stdio_client

    command = "from pyhectiqlab.cli import main; main(['mcp'])"
    server = StdioServerParameters(command=sys.executable, args=["-c", command], env=site.env)
    async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        answers: dict[str, Any] = {"tools": {tool.name for tool in (await session.list_tools()).tools}}

        async def ask(tool: str, **arguments: Any) -> Any:
            result: Any = await session.call_tool(tool, arguments)
            texts = [part.text for part in result.content if part.type == "text"]
            if any(part.type == "image" for part in result.content):
                return result.content[0].data
            parts = [json.loads(text) if text[:1] in "[{" else text for text in texts]
            return parts

        answers["search"] = flat(await ask("search_runs", project="asked", filter="config.lr<0.3"))
        (answers["run"],) = await ask("get_run", ref="asked/one")
        (answers["curves"],) = await ask("get_curves", ref="asked/one", keys=["loss"], n=10)
        answers["logs"] = flat(await ask("get_logs", ref="asked/one", level="ERROR"))
        (answers["compare"],) = await ask("compare_runs", refs=["asked/one", "asked/two"])
        (answers["text"],) = await ask("get_media", ref="asked/one", kind="text", name="samples")
        answers["image"] = await ask("get_media", ref="asked/one", kind="image", name="picture")
        (answers["sql"],) = await ask("ask_sql", select="SELECT count(*) FROM runs", project="asked")
        (answers["error"],) = await ask("get_run", ref="no such run")
        return answers


def flat(parts: list[Any]) -> list[Any]:
    """Return the items of a list, which one release sends as one text and another as one text for each."""
    return [one for part in parts for one in (part if isinstance(part, list) else [part])]
