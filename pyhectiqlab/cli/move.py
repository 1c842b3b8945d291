"""hectiqlab admin move: move a lab from a folder to engines that several labs share, or back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.texts import counted
from ..errors import ConfigurationError
from .fleet_options import from_environment
from .lab_data import data_option, opened_lab

if TYPE_CHECKING:
    from ..store.fleet import Addresses


@click.command()
@data_option
@click.option(
    "--to", metavar="PLACE", help="An empty folder; or a file with lines database, points and files below [lab]."
)
@click.option("--forget", is_flag=True, help="Have a lab that was moved be one again, as it was then.")
def move(data: Path | None, to: str | None, forget: bool) -> None:
    """Move a lab to another place: out of its folder to PostgreSQL, ClickHouse and a bucket, or back.

    First call it while the lab runs: it copies the files. Then stop the lab and call it again: it copies everything
    else, and compares all of it. Meanwhile nobody can use the lab, and trainings keep what they log until it is back. A
    call that was interrupted continues when it is repeated. Links, keys and passwords stay valid if the new lab is
    found at the old address.

    The old place keeps everything; no lab starts there until `--forget`.
    """
    if (to is None) == (not forget):
        raise click.UsageError("Name --to PLACE, or --forget.")
    from ..store.moving import move as moving
    from ..store.opening import open_place

    with opened_lab(data, moved=True) as storage:
        if to is None:
            moving.forget(storage)
            click.echo(f"{storage.place} is a lab again.")
            return
        target = _place(to)
        try:
            moved = moving.move(storage, lambda: open_place(target), _progress)
        except KeyboardInterrupt:
            _progress("")
            again = "Interrupted. Call this again, and it goes on; or give it up by --forget in place of --to."
            click.echo(again, err=True)
            raise
    _progress("")
    if not moved.whole:
        click.echo(f"{counted(moved.files, 'file')} are copied. The lab runs: stop it, then call this again.")
        return
    click.echo(
        f"Moved and compared: {counted(moved.runs, 'run')}, {counted(moved.points, 'point')}, "
        f"{counted(moved.files, 'file')}, {counted(moved.rows, 'row')}. That took {moved.seconds:.1f} s."
    )
    click.echo(f"Start it: hectiqlab server {f'--data {target}' if isinstance(target, Path) else f'--config {to}'}")


def _place(to: str) -> Path | Addresses:
    path = Path(to).absolute()
    if not path.is_file():
        if path.suffix in {".conf", ".ini", ".cfg"} and not path.exists():
            raise ConfigurationError(f"{to} is not there: correct the path, or name a folder without {path.suffix}.")
        return path
    addresses = from_environment({"HECTIQLAB_CONFIG": str(path)})
    if addresses is None:
        raise ConfigurationError(f"{to} names no place: write lines database, points and files below [lab].")
    return addresses


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{what}{' … ' * bool(what)}", nl=False, err=True)
