"""hectiqlab admin backup, backups, restore, check: copy a lab's data elsewhere, and put it back."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from ..base.texts import counted
from ..errors import StoreError
from ..store import upgrading
from ..store.backups import backup as backups
from ..store.backups.restoring import restore as restore_data
from .fleet_options import from_environment
from .lab_data import folder_of, folder_option, opened_lab
from .output import echo_json, json_option, size_text

_folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("target", type=_folder)
@folder_option
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Then remove all but the newest N snapshots.")
@click.option("--check", "checked", is_flag=True, help="Read all of it, as `check` does, before it counts as good.")
@json_option("the snapshot as a JSON object")
def backup(target: Path, data: Path | None, keep: int | None, checked: bool, as_json: bool) -> None:
    """Take a snapshot of a lab, which may run meanwhile, into a new folder in TARGET.

    Each snapshot is whole. Files and parts of databases that the snapshot before it has are linked instead of copied,
    so a snapshot takes only the room of what is new. Put TARGET on another disk, or copy it to another machine, and try
    `restore` before you need it.

    Exits with 1 if the snapshot or files of the lab are damaged. Then no snapshot is removed. `hectiqlab admin status`
    and the metrics show the last snapshot that is whole.
    """
    where = folder_of(data)
    if (where / "lab.db").is_file():
        upgrading.refuse_other(where)
    taken = backups.backup(where, target, _progress)
    wrong = [f"file {digest}: the lab does not have it as it was stored" for digest in taken.damaged]
    wrong += backups.check(Path(taken.path), _progress) if checked else taken.wrong
    if wrong:
        for line in wrong:
            click.echo(line, err=True)
        raise StoreError(f"{taken.path} was taken, and is not whole.")
    try:
        with opened_lab(where, moved=True) as storage, storage.meta.writing() as tx:
            backups.note(tx, taken)
    except StoreError as e:  # a full disk: the snapshot may be what rescues it
        click.echo(f"The lab could not note that it has this snapshot: {e}", err=True)
    if taken.spoiled:
        for digest in taken.spoiled:
            good, bad = (backups.blob_path(folder.absolute(), digest) for folder in (Path(taken.path), where))
            click.echo(f"file {digest}: the lab does not have it as it was stored. This snapshot does:", err=True)
            click.echo(f"    cp -f {shlex.quote(str(good))} {shlex.quote(str(bad))}", err=True)
        raise StoreError(f"{taken.path} was taken, and is whole. Files of the lab are damaged: copy them back.")
    removed = backups.prune(target, keep) if keep is not None else []
    if as_json:
        echo_json(asdict(taken))
        return
    click.echo(f"{taken.path}")
    click.echo(f"{_held(taken)}: {size_text(taken.bytes)}, of which {size_text(taken.copied)} were new.")
    for path in removed:
        click.echo(f"Removed {path}")


@click.command(name="backups")
@click.argument("target", type=_folder)
@json_option("a JSON list of objects")
def list_backups(target: Path, as_json: bool) -> None:
    """List the snapshots in TARGET, oldest first."""
    snapshots = [asdict(backups.described_by(path)) for path in backups.snapshots(target)]
    if as_json:
        echo_json(snapshots)
        return
    for item in snapshots:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item["taken"]))
        click.echo(f"{when}  {counted(item['runs'], 'run'):>13}  {size_text(item['bytes']):>10}  {item['path']}")
    if not snapshots:
        click.echo(f"No snapshot in {target}.", err=True)


@click.command()
@click.argument("snapshot", type=_folder)
@folder_option
@click.option("--despite-damage", is_flag=True, help="Take what there is of a snapshot that is not whole.")
def restore(snapshot: Path, data: Path | None, despite_damage: bool) -> None:
    """Make a lab's data from SNAPSHOT, in a folder that is empty or does not exist yet.

    The snapshot is read and checked first. If anything is wrong with it, nothing is made.

    Passwords and keys are again those of the snapshot. What the snapshot lacks is sent again by trainings that still
    run, and by `hectiqlab sync` on machines that still keep what they sent (for a day).

    The restored lab sends no notices until `hectiqlab admin notify unmute`, because the old lab may run beside it.
    """
    where = folder_of(data)
    restored = restore_data(snapshot, where, _progress, despite_damage)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(restored.taken))
    if despite_damage and restored.wrong:
        click.echo(f"{where} has what there is of the lab as it was on {when}. In the snapshot this is wrong:")
        for line in restored.wrong:
            click.echo(f"  {line}")
    else:
        click.echo(f"{where} is the lab as it was on {when}: {_held(restored)}.")
    click.echo(f"Start it: hectiqlab server --data {where}")
    click.echo(f"It sends no notices. If it replaces the other: hectiqlab admin notify unmute --data {where}")


@click.command()
@click.argument("folder", type=_folder, required=False)
@json_option("a JSON object: whether it is whole, and what is wrong")
def check(folder: Path | None, as_json: bool) -> None:
    """Read all of a snapshot, or of a stopped lab's data, and say what is wrong with it.

    Without FOLDER: check the engines of several labs, which HECTIQLAB_DATABASE, … or HECTIQLAB_CONFIG name: whether and
    how quickly they answer, their versions, rights and schemas.

    Exits with 1 if anything is wrong: the structure of a database, points that are missing although they were
    acknowledged or are not as they were written, a file that is missing or has other bytes than those that were stored.
    """
    if folder is None:
        _check_engines(as_json)
        return
    if (folder / "lab.db").is_file() and not (folder / backups.DESCRIPTION).is_file():
        upgrading.refuse_other(folder.absolute())
    wrong = backups.check(folder, _progress)
    if as_json:
        echo_json({"whole": not wrong, "wrong": wrong})
    else:
        for line in wrong or [f"{folder} is whole."]:
            click.echo(line)
    if wrong:
        raise click.exceptions.Exit(1)


def _check_engines(as_json: bool) -> None:
    from ..store.engine_checks import check_engines

    at = from_environment()
    if at is None:
        raise click.UsageError(
            "Name a folder; or engines of several labs, by HECTIQLAB_CONFIG, or HECTIQLAB_DATABASE, _POINTS, _FILES."
        )
    well = True
    findings = check_engines(at)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        well = not any(engine["wrong"] for engine in listed)
        echo_json({"whole": well, "wrong": [line for engine in listed for line in engine["wrong"]], "engines": listed})
        if not well:
            raise click.exceptions.Exit(1)
        return
    for finding in findings:
        facts = f": {finding.facts}" if finding.facts else ""
        click.echo(f"{finding.engine}: {finding.address}{facts}")
        for line in finding.wrong:
            click.echo(f"  ! {line}")
        well = well and not finding.wrong
    if not well:
        raise click.exceptions.Exit(1)
    click.echo("All is well.")


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{what} … ", nl=False, err=True)


def _held(snapshot: backups.Snapshot) -> str:
    return f"{counted(snapshot.runs, 'run')}, {counted(snapshot.points, 'point')}, {counted(snapshot.files, 'file')}"
