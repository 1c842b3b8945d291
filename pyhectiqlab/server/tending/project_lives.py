"""ProjectLives: deletes and restores projects with however many runs, in transactions of bounded size.

Between two transactions the lab takes what is sent.

A deletion is whole with its first transaction. The rows of its runs follow, by the lab's watch, also after a kill. A
restore comes with its last transaction; one that ended before, by a kill or an error, is taken back by the watch.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable, Collection, Iterator

from ...base import crashpoints
from ...errors import StoreError
from ...store.accounts import Change
from ...store.meta import MetaStore, MetaTransaction
from ...store.notes import Notes
from ..accounts.accounts import Accounts
from ..transacts import Transacts

SECONDS_MAX = 0.5  # of one turn of the lab's watch
RESTORING = "projects that are restored"
RESTORING_S = 120.0  # longer than any step takes


def finish_deletions(
    meta: MetaStore, write: Transacts, but: Collection[str] = (), seconds_max: float = math.inf
) -> bool:
    """Note in rows of runs, for about so long, that they are deleted with their project; not those of projects in
    `but`. Return whether none is left. Block on the store; raise StoreError.
    """
    deadline = time.monotonic() + seconds_max
    with meta.reading() as view:
        projects = [project for project in view.half_deleted() if project not in but]
    for project in projects:
        while not _finish(write, project):
            if time.monotonic() >= deadline:
                return False
    return True


def _finish(write: Transacts, project: str) -> bool:
    def step(tx: MetaTransaction) -> bool:
        whole = tx.finish_deletion(project)
        crashpoints.passing("upkeep.deleted_with_project")
        return whole

    return write(step)


class ProjectLives:
    """Safe for several threads.

    Args:
        hurry: makes the watch call `finish` soon.
        notes: of which projects somebody restores now.
    """

    def __init__(
        self, meta: MetaStore, write: Transacts, accounts: Accounts, hurry: Callable[[], None], notes: Notes
    ) -> None:
        self._meta, self._write, self._accounts, self._hurry, self._notes = meta, write, accounts, hurry, notes

    def delete(self, project: str, noted: Change) -> None:
        """Block for one transaction; raise ProjectGoneError, StoreError."""
        self._accounts.change(lambda tx: tx.delete_project(project, time.time()), noted)
        self._hurry()

    def restore(self, project: str, user: str, noted: Change) -> None:
        """Block until it is restored; raise as `restore_project`, and StoreError."""

        def step(tx: MetaTransaction) -> bool:
            whole = tx.restore_project(project, user, time.time())
            if whole:
                tx.note_changes([noted])
            crashpoints.passing("upkeep.restored_with_project")
            return whole

        with self._left_alone(project) as renew:
            while not self._write(step):
                renew()
        self._accounts.mark.set()

    def finish(self) -> None:
        """Finish some of what is half done: a step of the watch. Blocks on the stores. Raises StoreError."""
        with self._notes.of(RESTORING) as notes:
            busy = {note["project"] for _, note in notes.items()}
        if not finish_deletions(self._meta, self._write, busy, SECONDS_MAX):
            self._hurry()

    @contextlib.contextmanager
    def _left_alone(self, project: str) -> Iterator[Callable[[], None]]:
        """Yield what is to be called again and again, as others forget it after a while."""
        mine = secrets.token_hex(8)  # several processes may restore a project at once
        renewed = 0.0

        def renew() -> None:
            nonlocal renewed
            if time.monotonic() >= renewed + RESTORING_S / 4:
                with self._notes.of(RESTORING) as notes:
                    notes.put(mine, {"project": project}, notes.now + RESTORING_S)
                renewed = time.monotonic()

        renew()
        try:
            yield renew
        finally:
            with contextlib.suppress(StoreError), self._notes.of(RESTORING) as notes:
                notes.remove(mine)
