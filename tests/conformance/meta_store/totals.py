"""Totals over the whole lab: runs by state, files by project, clients that are alive."""

from __future__ import annotations

from pyhectiqlab.store.totals import ClientTotals, ProjectTotals

from .world import NOW, World, new_version


class TotalsSuite:
    def test_totals_of_projects(self, world: World) -> None:
        for name in ("r1", "r2", "gone"):
            run = world.run(name)
            world.tell(run, points=1 << 40, writer=name)
        world.add_artifact("a1", run, digest="d", bytes=1 << 40)
        world.add_artifact("a2", None, "b", digest="d", bytes=1 << 40)
        world.add_blob("e", 5)
        with world.store.writing() as tx:
            tx.add_version(new_version(world, "v1", digest="e", bytes=5), NOW)
            tx.set_quota(world.project, 1 << 50)
            other = tx.add_project("other", world.user.id, NOW)
            tx.delete_run(run, NOW)
        with world.store.reading() as view:
            assert view.project_totals() == [
                ProjectTotals(other.id, "other", 0, 0, 0, None),
                ProjectTotals(world.project, "p", 3, 3 << 40, (1 << 40) + 5, 1 << 50),
            ]
            assert view.deleted_runs() == 1 and view.runs_by_state() == {"running": 2}
            assert view.stored_bytes() == (1 << 40) + 5

    def test_clients_that_are_alive(self, world: World) -> None:
        for n, name in enumerate(("a", "b", "c", "ended", "silent")):
            now = NOW - 500 if name == "silent" else NOW
            run = world.run("r", session=name, rank=n, world_size=9, client_version=f"0.{n % 2}", now=now)
        with world.store.writing() as tx:
            tx.heartbeat("b", world.user.id, [(run, 1, 1)], skew=0.0, backlog=7, losses={}, now=NOW + 1)
        world.run("r2", session="c", client_version="0.0")
        world.end(run, "ended", rank=3)
        with world.store.reading() as view:
            first, second, third = view.live_clients(NOW - 60, 9)
            assert first == ClientTotals("b", "ada", "h", "0.1", 1, run, 7, NOW + 1)
            assert (second.session, third.session, third.runs) == ("a", "c", 2)
            assert view.live_clients(NOW - 60, 1) == [first]
            assert view.client_versions(NOW - 60) == {"0.0": 2, "0.1": 1}
