"""Searches over runs, their order and their pages. What terms mean is tested in tests/properties/test_search.py."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pyhectiqlab.protocol.search import SORTS, parse, parse_sort
from pyhectiqlab.store.meta import RunQuery

from .world import NOW, World, attach

NAMES = ["b", "B", "é", "a_b", "a%b", "ba", "É"]
HOSTS = {"B": "n1", "a_b": "n1", "a%b": "n1", "ba": "n1", "É": ""}
MATCHES = {
    "name=b": ["b"],
    "name~B": ["b", "B", "a_b", "a%b", "ba"],
    "name~É": ["É"],  # only A to Z are the same in both cases
    "name~_": ["a_b"],
    "name~%": ["a%b"],
    "note~NOTE": NAMES,
    "tag=B": ["B"],
    "tag~b": ["B", "a_b", "ba"],
    "tag=*": ["B", "a_b", "ba"],
    "tag!=*": ["b", "é", "a%b", "É"],
    "author=ada": NAMES,
    "host=n2": ["a%b"],
    "host~N": ["B", "a_b", "a%b", "ba"],
    "rank=1": ["a%b"],
    "rank>=0": NAMES,
    "rank!=1": [name for name in NAMES if name != "a%b"],
    "host=*": [name for name in NAMES if name != "É"],
    "host!=*": ["É"],
    "host!=n1": ["b", "é", "É"],
    "author~DA points>2": ["a_b", "a%b", "ba", "É"],
    "points=2": ["é"],
    "points>1.5 points<2.5": ["é"],
    "points<=9e18": NAMES,
    "points<nan": [],
    "points=nan": [],
    "created<1001": ["b", "B"],
    "created>=inf": [],
    "config.lr<0.001": ["a%b", "ba", "É"],
    "config.lr=1": ["b"],
    "config.lr!=1": ["B", "é", "a_b", "a%b", "ba", "É"],
    "config.lr<nan": [],
    "config.nan=nan": NAMES,
    "config.nan=*": NAMES,
    "config.opt.name=adam": ["b", "é", "a%b", "É"],
    "config.opt.name~sg": ["B", "a_b", "ba"],
    "config.none!=1": NAMES,
    "config.big>4611686018427387000": NAMES,
    "state=running attempt=1": NAMES,
    "duration>=0": NAMES,
    "ended=*": [],
    "ended!=*": NAMES,
    "b": ["b", "B", "a_b", "a%b", "ba"],
}


def matching(world: World, search: str = "", sort: str = "name", now: float = NOW + 9, **more: Any) -> list[str]:
    """Return the names of the runs on all pages, of two runs each."""
    names: list[str] = []
    after = None
    while True:
        query = RunQuery(world.project, parse(search), parse_sort(sort), 2, after, **more)
        with world.store.reading() as view:
            page = view.runs(query, now)
            names += [run.name for run in view.some_runs([run_id for _, run_id in page.places])]
            if not page.more:
                return names
        after = page.places[-1]


class SearchesSuite:
    @pytest.fixture
    def runs(self, world: World) -> dict[str, str]:
        """Name → id."""
        ids = {}
        with world.store.writing() as tx:
            for n, name in enumerate(NAMES):
                ids[name] = attach(tx, world.user, name, "s", NOW + n // 2, host=HOSTS.get(name, "h")).run.id
                values = {
                    "lr": 10.0**-n,
                    "opt": {"name": ["adam", "SGD"][n % 2]},
                    "big": (1 << 62) + n,
                    "nan": math.nan,
                }
                facts = [("config", {"values": values}), ("note", {"text": f"Note {name}"})]
                tags = [("tag", {"name": name})] if n % 2 else []
                if name == "a%b":
                    attach(tx, world.user, name, "s2", NOW + n // 2, rank=1, world_size=2, host="n2")
                tx.apply([world.next_batch(ids[name], *facts, *tags, writer=name, points=n)], NOW)
        return ids

    def test_pages_of_every_sort_have_each_run_once(self, world: World, runs: dict[str, str]) -> None:
        for sort in SORTS:
            upwards, downwards = matching(world, sort=sort), matching(world, sort=f"-{sort}")
            assert sorted(upwards) == sorted(NAMES), sort
            assert upwards == downwards[::-1], sort

    def test_names_are_sorted_as_bytes(self, world: World, runs: dict[str, str]) -> None:
        assert matching(world) == sorted(NAMES, key=str.encode)

    def test_what_a_search_finds(self, world: World, runs: dict[str, str]) -> None:
        assert {search: sorted(matching(world, search)) for search in MATCHES} == {
            search: sorted(names) for search, names in MATCHES.items()
        }
        for search, names in MATCHES.items():
            query = RunQuery(world.project, parse(search))
            ids = world.read(lambda view, query=query: view.found_ids(query, NOW + 9))
            assert sorted(ids) == sorted(runs[name] for name in names), search

    def test_a_search_by_id_and_among_some(self, world: World, runs: dict[str, str]) -> None:
        assert matching(world, f"id={runs['b']}") == matching(world, runs["b"]) == ["b"]
        with world.store.reading() as view:
            query = RunQuery(world.project, sort=parse_sort("name"), limit=9)
            page = view.runs(query, NOW, among={runs["b"], runs["é"], "none"})
            assert list(page.places) == [("b", runs["b"]), ("é", runs["é"])] and not page.more
            many = [*runs.values(), *(f"none {n}" for n in range(600))]
            assert len(view.runs(query, NOW, among=many).places) == len(runs)
            assert [run.id for run in view.some_runs([runs["é"], "none", runs["b"]])] == [runs["é"], runs["b"]]

    def test_only_what_somebody_sees_is_found(self, world: World, runs: dict[str, str]) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        assert len(matching(world, seen_by=bob.id)) == len(NAMES)
        world.write(lambda tx: tx.set_private(world.project, True))
        assert matching(world, seen_by=bob.id) == []
        everywhere = RunQuery(None, seen_by=bob.id)
        assert world.read(lambda view: view.runs(everywhere, NOW)).places == []

    def test_deleted_runs_are_not_found(self, world: World, runs: dict[str, str]) -> None:
        world.write(lambda tx: tx.delete_run(runs["b"], NOW))
        assert "b" not in matching(world)

    def test_runs_added_between_pages_push_none_out(self, world: World, runs: dict[str, str]) -> None:
        query = RunQuery(world.project, (), parse_sort("-created"), 3)
        first = world.read(lambda view: view.runs(query, NOW))
        world.run("new", now=NOW + 9)
        rest = RunQuery(world.project, (), query.sort, 9, first.places[-1])
        second = world.read(lambda view: view.runs(rest, NOW))
        ids = [run_id for _, run_id in (*first.places, *second.places)]
        assert sorted(ids) == sorted(runs.values())

    def test_facts_and_tags_of_what_a_search_leaves(self, world: World, runs: dict[str, str]) -> None:
        odd = RunQuery(world.project, parse("points>=0 tag=*"))
        names = [name for n, name in enumerate(NAMES) if n % 2]
        with world.store.reading() as view:
            assert view.fact_values("name", odd, NOW) == {runs[name]: name for name in names}
            assert view.tag_names(odd, NOW) == {runs[name]: [name] for name in names}
            assert view.tag_names(RunQuery(world.project, parse("tag!=*")), NOW) == {}
            everything = RunQuery(world.project)
            points = {runs[name]: n for n, name in enumerate(NAMES)}
            assert view.fact_values("points", everything, NOW) == points
            assert set(view.fact_values("author", everything, NOW).values()) == {world.user.username}
            assert view.fact_values("ended", everything, NOW) == {}
            assert len(view.fact_values("duration", everything, NOW + 9)) == len(NAMES)
        world.write(lambda tx: tx.delete_run(runs["b"], NOW))
        with world.store.reading() as view:
            assert runs["b"] not in view.fact_values("name", everything, NOW) | view.tag_names(everything, NOW)

    def test_hosts_of_runs(self, world: World, runs: dict[str, str]) -> None:
        with world.store.reading() as view:
            hosts = view.host_names([*runs.values(), "none"])
            assert hosts == {
                runs[name]: ["n1", "n2"] if name == "a%b" else [HOSTS.get(name, "h")] for name in NAMES if name != "É"
            }
            assert view.host_names([runs["É"]]) == view.host_names([]) == {}

    def test_ranks_of_runs(self, world: World, runs: dict[str, str]) -> None:
        with world.store.reading() as view:
            ranks = view.rank_numbers([*runs.values(), "none"])
            assert ranks == {runs[name]: [0, 1] if name == "a%b" else [0] for name in NAMES}
            assert view.rank_numbers([]) == {}

    def test_values_of_some_configs(self, world: World, runs: dict[str, str]) -> None:
        ids = [runs["b"], "none", runs["é"], *(f"none {n}" for n in range(1_200))]
        place = {name: n for n, name in enumerate(NAMES)}
        with world.store.reading() as view:
            assert view.some_config_values(["lr", "opt.name", "nan", "missing"], ids) == {
                runs[name]: {"lr": 10.0 ** -place[name], "opt.name": ["adam", "SGD"][place[name] % 2], "nan": "nan"}
                for name in ("b", "é")
            }
            assert view.some_config_values([], ids) == view.some_config_values(["lr"], []) == {}
            read = view.config_texts([*runs.values(), *ids[3:]])
            texts = {run: dict(zip(paths, its, strict=True)) for run, (paths, its) in read.items()}
            assert set(texts) == set(runs.values())
            for name, run in runs.items():
                assert set(texts[run]) == {"lr", "opt.name", "big", "nan"}
                assert (texts[run]["nan"], texts[run]["opt.name"]) == ("nan", ["adam", "SGD"][place[name] % 2])
