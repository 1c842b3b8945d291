"""hectiqlab admin adopt: engines that were restored from their own backups become one lab again."""

from __future__ import annotations

import click

from ..errors import ConfigurationError
from .fleet_options import from_environment


@click.command()
@click.option("--without-points", is_flag=True, help="All points are gone for good: begin with an empty ClickHouse.")
@click.option("--without-files", is_flag=True, help="All files are gone for good: begin with an empty bucket.")
def adopt(without_points: bool, without_files: bool) -> None:
    """Have PostgreSQL, ClickHouse and the bucket be one lab after they were restored. Stop all labs before.

    The lab gets a new generation, by which clients learn that it may have forgotten something: they send again what it
    does not have. Points and files are noted as those of that generation: a lab of another one, such as a copy of it,
    is refused there from then on.

    A ClickHouse or a bucket that is empty, though the lab has points or files, is refused, too: it most likely has a
    wrong address. Say it by an option if they are lost. Runs, configs and logs stay; charts of lost points are empty,
    and lost files cannot be downloaded.
    """
    from ..store.fleet import FleetStorage

    at = from_environment()
    if at is None:
        raise ConfigurationError(
            "Name the engines by HECTIQLAB_DATABASE, HECTIQLAB_POINTS and HECTIQLAB_FILES, or by HECTIQLAB_CONFIG. A "
            "lab in a folder needs no such call: `hectiqlab admin restore` does it."
        )
    lost = {"points": without_points, "files": without_files}
    storage = FleetStorage(at, beside=True)
    try:
        storage.adopt([what for what, is_lost in lost.items() if is_lost])
    finally:
        storage.close()
    click.echo(f"{at} are one lab, of a new generation: start it.")
