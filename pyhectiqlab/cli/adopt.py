"""hectiqlab admin adopt: make engines that were restored from their own backups one lab again."""

from __future__ import annotations

import click

from ..errors import ConfigurationError
from .fleet_options import from_environment


@click.command()
@click.option("--without-points", is_flag=True, help="All points are gone for good: begin with an empty ClickHouse.")
@click.option("--without-files", is_flag=True, help="All files are gone for good: begin with an empty bucket.")
def adopt(without_points: bool, without_files: bool) -> None:
    """Make PostgreSQL, ClickHouse and the bucket one lab again after they were restored. Stop all labs first.

    The lab gets a new generation. It tells clients that the lab may have forgotten something, so they send again what
    it lacks. The engines are marked with the generation: from then on they refuse a lab of another generation, such as
    a copy of this lab.

    A ClickHouse or a bucket that is empty although the lab has points or files is refused, because its address is most
    likely wrong. If the data are really lost, say so by an option. Runs, configs and logs stay; charts of lost points
    are empty, and lost files cannot be downloaded.
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
