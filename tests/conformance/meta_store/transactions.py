"""Transactions: all or nothing, what is undone within one, and views that show one state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.meta import MetaStore, MetaTransaction, NameTakenError

from ...stores import MetaPlace
from .world import NOW, World, attach


class _Stop(Exception):
    pass


def fail(tx: MetaTransaction, world: World) -> None:
    """Do something that the database itself refuses."""
    tx.set_member("no such project", world.user.id, "viewer")


class TransactionsSuite:
    def value(self, store: MetaStore, key: str = "k") -> str | None:
        with store.reading() as view:
            return view.lab_value(key)

    # All or nothing

    def test_an_exception_undoes_all(self, world: World) -> None:
        with pytest.raises(_Stop), world.store.writing() as tx:
            tx.set_lab_value("k", "1")
            attach(tx, world.user, "r", "s")
            raise _Stop
        assert self.value(world.store) is None and world.read(lambda view: view.runs_named("r")) == []

    def test_a_transaction_sees_what_it_did_and_others_do_once_it_ended(self, world: World) -> None:
        with world.store.writing() as tx:
            tx.set_lab_value("k", "1")
            assert tx.lab_value("k") == "1" and self.value(world.store) is None
        assert self.value(world.store) == "1"

    def test_a_block_is_undone_and_nothing_else(self, world: World) -> None:
        with world.store.writing() as tx:
            tx.set_lab_value("k", "1")
            with pytest.raises(_Stop), tx.undoable():
                tx.set_lab_value("k", "2")
                with tx.undoable():
                    tx.set_lab_value("inner", "1")
                raise _Stop
            with suppress(NameTakenError), tx.undoable():
                tx.add_project("q", world.user.id, NOW)
                tx.add_project("q", world.user.id, NOW)
            with tx.undoable():
                tx.set_lab_value("kept", "1")
            assert tx.lab_value("k") == "1"
            tx.prove_whole()
        assert self.value(world.store) == self.value(world.store, "kept") == "1"
        assert self.value(world.store, "inner") is None
        assert world.read(lambda view: view.project("q")) is None

    @pytest.mark.parametrize("undoable", [False, True])
    def test_an_error_of_the_database_spoils_the_transaction_whoever_caught_it(
        self, world: World, undoable: bool
    ) -> None:
        with pytest.raises(StoreError), world.store.writing() as tx:
            tx.set_lab_value("k", "1")
            with suppress(Exception):
                if undoable:
                    with tx.undoable():
                        fail(tx, world)
                else:
                    fail(tx, world)
            with pytest.raises(StoreError):
                tx.prove_whole()
            with pytest.raises(StoreError):
                tx.set_lab_value("behind", "it")
        assert self.value(world.store) is self.value(world.store, "behind") is None
        world.write(lambda tx: tx.set_lab_value("k", "2"))  # the next one begins anew
        assert self.value(world.store) == "2"

    def test_an_error_of_the_database_is_a_store_error(self, world: World) -> None:
        with pytest.raises(StoreError), world.store.writing() as tx:
            fail(tx, world)

    # Views

    def test_a_view_shows_one_state(self, place: MetaPlace, world: World) -> None:
        """It shows the state of its first question, whatever this store or another one commits meanwhile."""
        other = place.open()
        with world.store.reading() as view:
            assert view.lab_value("k") is None and view.runs_named("r") == []
            world.write(lambda tx: tx.set_lab_value("k", "1"))
            with other.writing() as tx:
                attach(tx, world.user, "r", "s")
            assert view.lab_value("k") is None and view.runs_named("r") == []
            assert self.value(world.store) == "1"
        assert self.value(world.store) == self.value(other) == "1"
        assert len(world.read(lambda view: view.runs_named("r"))) == 1
        other.close()

    def test_a_view_changes_nothing(self, world: World) -> None:
        with pytest.raises(StoreError), world.store.reading() as view:
            view.set_lab_value("k", "1")  # type: ignore[attr-defined]
        assert self.value(world.store) is None

    def test_a_view_that_raised_leaves_nothing_behind(self, world: World) -> None:
        for _ in range(3):
            with pytest.raises(_Stop), world.store.reading() as view:
                view.lab_value("k")
                raise _Stop
        world.write(lambda tx: tx.set_lab_value("k", "1"))
        assert self.value(world.store) == "1"

    def test_many_views_at_once(self, world: World) -> None:
        n = 16
        together = Barrier(n)

        def look(_: int) -> str | None:
            with world.store.reading() as view:
                together.wait(20)
                return view.lab_value("id")

        with ThreadPoolExecutor(n) as threads:
            assert len(set(threads.map(look, range(n)))) == 1

    # Opening

    def test_opening_again_finds_what_was_there(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.store.close()
        world.store.close()
        other = place.open()
        with other.reading() as view:
            assert view.run(run) is not None
        other.close()

    def test_two_that_open_an_empty_place_at_once_find_one_lab(self, empty_place: MetaPlace) -> None:
        n = 4
        together = Barrier(n)

        def open_it(_: int) -> tuple[str | None, str | None]:
            together.wait(20)
            store = empty_place.open()
            try:
                return self.value(store, "id"), self.value(store, "generation")
            finally:
                store.close()

        with ThreadPoolExecutor(n) as threads:
            labs = set(threads.map(open_it, range(n)))
        assert len(labs) == 1 and None not in labs.pop()
