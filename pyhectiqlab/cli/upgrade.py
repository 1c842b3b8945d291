"""hectiqlab admin upgrade and downgrade: bring a lab's data to this version, and back to how they were before."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._version import __version__
from ..base.texts import size_text
from .lab_data import folder_of, folder_option
from .output import table

if TYPE_CHECKING:
    from ..store.upgrading import Before


@click.command()
@folder_option
@click.option("--without-snapshot", is_flag=True, help="Do not copy the databases before: where the disk has no room.")
@click.option("--list", "listed", is_flag=True, help="Only list the snapshots that are kept, with how much they take.")
def upgrade(data: Path | None, without_snapshot: bool, listed: bool) -> None:
    """Bring the data of a stopped lab to the schemas of this version, as starting the lab also does.

    The databases are copied first, into the folder before-upgrade of the data. A lab removes such a snapshot 30 days
    after the upgrade. `hectiqlab admin downgrade` goes back to it.
    """
    from ..store import upgrading
    from ..store.opening import open_storage

    folder = folder_of(data)
    if listed:
        _list(upgrading.snapshots(folder))
        return
    _must_be_there(folder)
    its = upgrading.refuse_newer(folder)
    if not its.is_older:
        click.echo(f"{folder} is current: {upgrading.CURRENT}.")
        return
    with contextlib.closing(open_storage(folder, snapshot=not without_snapshot)) as storage:
        assert storage.points
        before = storage.upgraded
    click.echo(f"{folder} was upgraded from {its} to {upgrading.CURRENT}.")
    if before is not None:
        click.echo(f"As it was before, it is kept in {before.path} ({size_text(before.bytes)}).")


@click.command()
@folder_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(data: Path | None, yes: bool) -> None:
    """Go back to the data of a stopped lab as they were before the last upgrade.

    Run it with the earlier version; or run it with the later one, and then install the earlier one. What came since the
    upgrade is not in the snapshot, and is kept beside it. Scripts that still run, and `hectiqlab sync` on machines that
    keep what they sent (for a day), send again what is missing.
    """
    from ..store import upgrading
    from ..store.embedded import DataLock

    folder = folder_of(data)
    _must_be_there(folder)
    lock = DataLock(folder)
    try:
        snapshot = upgrading.chosen(folder)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(snapshot.taken))
        if not yes:
            click.confirm(
                f"Go back to the lab as it was on {when}, before the upgrade to {snapshot.after}? What came since is "
                "only kept beside it.",
                abort=True,
                err=True,
            )
        aside = upgrading.go_back(folder, snapshot)
    finally:
        lock.release()
    click.echo(f"{folder} is the lab as it was on {when}: {snapshot.before}. What came since is in {aside}.")
    if snapshot.before.is_older:
        earlier = f"pyhectiqlab {snapshot.before.version}" if snapshot.before.version else "the earlier version"
        click.echo(f"Install {earlier}, then start the lab: this version ({__version__}) would upgrade it again.")


def _must_be_there(folder: Path) -> None:
    from ..errors import ConfigurationError

    if not (folder / "lab.db").is_file():
        raise ConfigurationError(f"{folder} holds no lab: name its folder with --data, or start one first.")


def _list(snapshots: list[Before]) -> None:
    if not snapshots:
        click.echo("No snapshot of before an upgrade.", err=True)
        return
    table(
        ("taken", "before", "after", "size", "path"),
        (
            (
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(s.taken)),
                *(f"{its.version or '?'} ({its.meta}/{its.points})" for its in (s.before, s.after)),
                size_text(s.bytes),
                str(s.path),
            )
            for s in snapshots
        ),
    )
