"""Two labs with points on two shards of ClickHouse, of which one is killed; a lab that moves onto shards and back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.store.clickhouse.placing import chosen

from ..clickhouse import Server, needs_clickhouse, server
from ..labs import ForkedLab
from ..server.api import Api, batch, new_id, packed, wait_until
from ..server.nginx import NGINX
from ..stores import PostgresPlace
from .fleet_labs import Fleet, running
from .move_places import empty_place, everything
from .test_move import fill


@pytest.fixture(scope="module")
def other() -> Iterator[Server]:
    needs_clickhouse()
    other = Server()
    yield other


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, other: Server) -> Iterator[Fleet]:
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    names = server().make_database(), other.make_database()
    points = f"{server().url(names[0])} {other.url(names[1])}"
    with running(tmp_path_factory.mktemp("fleet"), 2, "--lost-after", "600", points=points) as fleet:
        yield fleet
    server().drop_database(names[0])
    other.drop_database(names[1])


def attached(api: Api, shard: int) -> str:
    """Attach a new run that is on this shard of two, or will be."""
    while True:
        run: str = api.attach(session="s")["run"]["id"]
        if chosen(run, [1, 2]) == shard:
            return run


def test_labs_that_start_at_once_on_empty_shards_are_one_lab_and_know_the_shards_by_the_same_numbers(
    tmp_path: Path, other: Server
) -> None:
    names = [(its, its.make_database()) for its in (server(), other)]
    urls = [its.url(name) for its, name in names]
    place = PostgresPlace(empty=True)
    orders = [urls, urls[::-1]]
    labs = [
        ForkedLab(
            *(None, tmp_path / f"home{i}", "--database", place.url, "--points", " ".join(order)),
            *("--files", f"folder:{tmp_path}/files", "--database-connections", "4"),
        )
        for i, order in enumerate(orders)
    ]
    try:
        with ThreadPoolExecutor(len(labs)) as threads:
            list(threads.map(lambda lab: lab.start(), labs))
        apis = [Api(lab.url, labs[0].api_key) for lab in labs]
        assert len({api.get("/handshake")["lab_id"] for api in apis}) == 1
        runs = [attached(api, shard) for api in apis for shard in (1, 2)]
        for i, run in enumerate(runs):
            assert apis[i % 2].statuses(batch(run, new_id(), 1, 5), session="s") == [200]
        for api in apis:
            assert [api.steps(run) for run in runs] == [list(range(1, 6))] * len(runs)
        rows = place.cluster.ask("SELECT number, place FROM points_shards", database=place.database)
        assert sorted(number for number, _ in rows) == [1, 2] and len({its for _, its in rows}) == 2
        assert [int(its.ask("SELECT count() FROM arrived", name)) for its, name in names] == [10, 10]
    finally:
        for lab in labs:
            lab.stop()
        place.remove()
        for its, name in names:
            its.drop_database(name)


def test_a_run_on_a_shard_that_is_away_is_refused_and_others_go_on(two: Fleet, other: Server) -> None:
    runs = {shard: attached(two.api(), shard) for shard in (1, 2)}
    writers = {shard: new_id() for shard in runs}
    sent = {shard: batch(run, writers[shard], 1, 5) for shard, run in runs.items()}
    assert two.api(0).statuses(*sent.values(), session="s") == [200, 200]
    buckets = {"selectors": [{"run": run, "key": "loss"} for run in runs.values()], "n": 4}
    as_json = {"Accept": "application/json"}
    drawn = two.api(1).call("POST", "/series/buckets", json=buckets, headers=as_json)
    assert [sum(line["count"]) for line in drawn["series"]] == [5, 5]
    other.kill()
    try:
        later = {shard: batch(run, writers[shard], 6, 9) for shard, run in runs.items()}
        answer = two.api(0).ingest_raw(packed(list(later.values()), "s"))
        assert [r["status"] for r in answer.json()["results"]] == [200, 503], answer.text
        assert "cannot be reached" in answer.json()["results"][1]["error"]
        assert two.api(1).steps(runs[1]) == list(range(1, 10))
        away = two.api(1).raw("GET", f"/runs/{runs[2]}/points", params={"key": "loss"})
        assert (
            away.status_code == 503 and away.headers["Retry-After"] and "ClickHouse" in away.json()["error"]["message"]
        )
        assert two.api(1).run(runs[2])["points"] == 5 and two.api(0).get("/runs")["items"]
        metrics = two.api(0).raw("GET", "/metrics").text
        assert 'hectiqlab_engine_failures_total{engine="clickhouse_1"} 0.0' in metrics
        assert 'hectiqlab_engine_failures_total{engine="clickhouse_2"} 0.0' not in metrics
    finally:
        other.start()
    wait_until(lambda: two.api(0).statuses(later[2], session="s") == [200])
    # The other lab asks the shard each second, too.
    wait_until(lambda: two.api(1).raw("GET", f"/runs/{runs[2]}/points", params={"key": "loss"}).status_code == 200)
    assert two.api(1).steps(runs[2]) == list(range(1, 10))


def test_a_lab_moves_onto_two_shards_and_back_and_the_check_tells_of_each(tmp_path: Path) -> None:
    with empty_place(tmp_path) as (at, config):
        second = server().make_database()
        at = replace(at, points=f"{at.points} {server().url(second)}")
        lines = (f"{name} = {value}\n" for name, value in vars(at).items() if name in {"database", "points", "files"})
        config.write_text("[lab]\n" + "".join(lines).replace(" clickhouse://", "\n  clickhouse://"))
        lab = ForkedLab(tmp_path / "lab", tmp_path / "home")
        with lab:
            fill(lab, tmp_path)
            for shard in (1, 2):  # beside those that may be on either
                assert Api.of(lab).statuses(batch(attached(Api.of(lab), shard), new_id(), 1, 50), session="s") == [200]
        source = everything(tmp_path / "lab")
        moved = CliRunner().invoke(main, ["admin", "move", "--data", str(tmp_path / "lab"), "--to", str(config)])
        assert moved.exit_code == 0 and "Moved and compared" in moved.output, moved.output
        assert everything(at) == source
        checked = CliRunner().invoke(main, ["admin", "check"], env={"HECTIQLAB_CONFIG": str(config)})
        shards = [line for line in checked.output.splitlines() if line.startswith("ClickHouse: ")]
        assert [f"shard {n}," in line and "schema 1" in line for n, line in enumerate(shards, 1)] == [True, True]
        env = {"HECTIQLAB_CONFIG": str(config)}
        back = CliRunner().invoke(main, ["admin", "move", "--to", str(tmp_path / "back")], env=env)
        assert back.exit_code == 0, back.output
        assert everything(tmp_path / "back") == source
        server().drop_database(second)
