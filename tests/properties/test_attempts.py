"""Attempts and states against a plain model: processes that open a run, close it, end, are killed, start again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol.states import LIVE_STATES
from pyhectiqlab.store.meta import AttachRequest, EndReport, User

from ..seeds import examples
from ..stores import new_store

SCRIPTS, CHILDREN = 2, 2  # process 0 of a script is the script itself, the others are its children
NOW, LOST_AFTER_S = 1_000.0, 60.0
WELL, BAD = ("completed", "stopped", "ended"), ("failed", "killed")
WORST_LAST = ("completed", "stopped", "ended")  # if all ended well

processes = st.tuples(st.integers(0, SCRIPTS - 1), st.integers(0, CHILDREN))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), processes, st.none()),
        st.tuples(st.just("open"), processes, st.none()),
        st.tuples(st.just("close"), processes, st.none()),
        st.tuples(st.just("end"), processes, st.sampled_from(WELL + BAD)),
    ),
    min_size=8,
    max_size=30,
)


@dataclass(eq=False)
class Opening:
    """A process that has the run open, or had it open."""

    session: str
    script: int
    child: int
    attempt: int
    has_say: bool
    ended: str | None = None
    at: float = 0.0


@dataclass
class Model:
    openings: list[Opening] = field(default_factory=list)

    @property
    def attempt(self) -> int:
        return max((o.attempt for o in self.openings), default=0)

    def with_say(self) -> list[Opening]:
        return [o for o in self.openings if o.attempt == self.attempt and o.has_say]

    def open(self, session: str, script: int, child: int) -> Opening:
        there = self.with_say()
        alive = [o for o in there if not o.ended]
        its_children = all(o.script == script and o.child > 0 and o.session != session for o in there)
        attempt, has_say = self.attempt + 1, True
        if any(o.ended in BAD for o in there):
            pass  # that life is over
        elif alive:
            attempt = self.attempt
            has_say = all(o.script == script for o in alive) and (child == 0 or all(o.child > 0 for o in there))
        elif there and its_children:
            attempt = self.attempt  # the script goes on
        if has_say and child == 0:
            for other in self.openings:
                if other.attempt == attempt and other.script == script:
                    other.has_say = False
        opening = Opening(session, script, child, attempt, has_say)
        self.openings.append(opening)
        return opening

    def state(self) -> str:
        there = self.with_say()
        if not there:
            return "pending"
        bad = [o for o in there if o.ended in BAD]
        if bad:
            return str(min(bad, key=lambda o: o.at).ended)
        if any(not o.ended for o in there):
            return "running"
        return max((str(o.ended) for o in there), key=WORST_LAST.index)


class Lab:
    def __init__(self, folder: Path) -> None:
        self.meta = new_store(folder)
        self.names = itertools.count()
        with self.meta.writing() as tx:
            self.user: User = tx.add_user("ada", "member", None, 1.0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("attempts"))
    yield lab
    lab.meta.close()


class World:
    """A run of the lab and the model of it; processes by (script, child)."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.model = lab, Model()
        self.name = f"run-{next(lab.names)}"
        self.run = ""
        self.now = NOW
        self.lives = itertools.count()
        self.alive: dict[tuple[int, int], str] = {}  # process → its session
        self.scripts: dict[int, str] = {}  # script → its name, another one when it is started again
        self.open: dict[tuple[int, int], Opening] = {}
        self.opened: dict[str, int] = {}  # session → how often it opened the run and closed it

    def step(self, what: str, process: tuple[int, int], how: str | None) -> None:
        self.now += 1.0
        if what == "open" and process not in self.open:
            self._open(process)
        elif what == "close" and process in self.open:
            session = self.alive[process]
            self.opened[session] += 1
            self._ended(self.open.pop(process), "completed")
        elif what == "end" and process in self.alive:
            self._end(process, str(how))

    def _open(self, process: tuple[int, int]) -> None:
        script, child = process
        if process not in self.alive:
            self.scripts.setdefault(script, f"script-{script}-{next(self.lives)}")
            self.alive[process] = session = f"session-{next(self.lives)}"
            self.opened[session] = 0
        session = self.alive[process]
        expected = self.model.open(session, script, child)
        self.open[process] = expected
        request = AttachRequest(
            name=self.name, project="p", create_project=True, session=session, rank=0, world_size=1, restart=None,
            host="h", pid=1, client_version="0", skew=0.0, script=self.scripts[script], main=child == 0,
            opening=self.opened[session],
        )  # fmt: skip
        for _ in range(2):  # again, as after a lab that went back
            with self.lab.meta.writing() as tx:
                row = tx.attach(request, self.lab.user, self.now, LOST_AFTER_S)
            assert (row.attempt, row.sets_state) == (expected.attempt, expected.has_say)
        self.run = row.run.id

    def _end(self, process: tuple[int, int], how: str) -> None:
        """End a script, and its children with it: they cannot go on as parts of it."""
        script, child = process
        going = [p for p in self.alive if p == process or (child == 0 and p[0] == script)]
        for one in sorted(going, reverse=True):
            if one in self.open:
                self.now += 1.0
                self._ended(self.open.pop(one), how)
            del self.alive[one]
        if child == 0:
            self.scripts.pop(script, None)
            for o in self.model.openings:
                if o.script == script:
                    o.script = -1 - o.script  # what is started again is another script

    def _ended(self, opening: Opening, how: str) -> None:
        opening.ended, opening.at = how, self.now
        report = EndReport(
            session=opening.session, run=self.run, rank=0, attempt=opening.attempt, state=how, cause=how,
            exit_code=None, signal=9 if how == "killed" else None, detail="", time=self.now, skew=0.0, final=True,
        )  # fmt: skip
        with self.lab.meta.writing() as tx:
            assert tx.end(report, self.lab.user.id, self.now)

    def check(self) -> None:
        if not self.run:
            return
        with self.lab.meta.reading() as view:
            run = view.run(self.run)
        assert run is not None
        assert (run.attempt, run.state) == (self.model.attempt, self.model.state())
        if run.state not in LIVE_STATES:
            assert run.state_why == run.state and run.ended is not None


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whoever_opens_closes_ends_and_is_killed_the_run_is_as_its_newest_life_is(lab: Lab, taken: list) -> None:  # type: ignore[type-arg]
    world = World(lab)
    for step in taken:
        world.step(*step)
        world.check()
    for process in sorted(world.alive):
        world.step("end", process, "completed")
        world.check()
    if world.run:
        with lab.meta.reading() as view:
            row = view.run(world.run)
        assert row is not None and row.state not in LIVE_STATES, "all have ended"
        world.step("open", (0, 0), None)  # what is started again lives, whatever was before
        assert world.open[0, 0].has_say
        world.check()
        assert world.model.state() == "running"
