"""hectiqlab admin status: show the state of a lab, and what needs attention."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import settings
from ..base.texts import size_text
from ..errors import LabError
from .fleet_options import from_environment
from .lab_data import data_of, data_option, opened_lab
from .output import clean, echo_json, json_option, moment, span, table

if TYPE_CHECKING:
    from ..profile import Profile

SHOWN_MAX = 10  # at most so many rows of each table


@click.command(name="status")
@json_option("a JSON object with all of it")
@data_option
@click.pass_obj
def status(profile: str | None, as_json: bool, data: Path | None) -> None:
    """Show the state of a lab, and what to do about it: disk by project, busiest runs and clients, what waits, the last
    backup, threads.

    Asks the lab that runs on the data, with a profile that has an admin's key of it. If there is no such profile, or
    the lab is stopped, it shows what is stored. If there is no data folder, and nothing names engines, it asks the lab
    of the profile in use.
    """
    state, why_not = _state(profile, data)
    if as_json:
        echo_json(state)
        return
    for lines in (_head(state, why_not), _advice(state), _waits(state)):
        for line in lines:
            click.echo(clean(line))
    for title, header, rows in _tables(state):
        if rows:
            click.echo(f"\n{title}")
            table(header, rows[:SHOWN_MAX])
            if len(rows) > SHOWN_MAX:
                click.echo(f"… and {len(rows) - SHOWN_MAX} more: --json has them.")


def _state(profile: str | None, data: Path | None) -> tuple[Any, str]:
    """Return the state, and why the lab was not asked for it; "" if it was."""
    from ..profile import load_profiles

    if data is None and from_environment() is None and not (data_of(None) / "lab.db").exists():
        from ..transport.connecting import find_profile

        return _asked(find_profile(profile)), ""
    with opened_lab(data) as storage:
        with storage.meta.reading() as view:
            lab_id, generation = view.lab_value("id"), view.lab_value("generation")
        why_not = "no profile here is one of this lab: `hectiqlab add-profile` as an admin"
        for own in load_profiles().values():
            if own.lab_id == lab_id:
                try:
                    return _asked(own, generation), ""
                except LabError as e:
                    why_not = f"profile {own.name!r}: {e}"
        from ..server.status.status import status as stored

        return stored(storage, None, time.time()), "it is stopped" if storage.alone else why_not


def _asked(own: Profile, generation: str | None = None) -> Any:
    """Ask a lab for its state. Raises LabError, also if its generation is not `generation`: it is a copy, for
    example.
    """
    from ..transport.connecting import client_of

    with client_of(own) as lab:
        if lab.handshake().generation != generation and generation is not None:
            raise LabError("Another lab of the same id answers.")
        return lab.get("/admin/status")


def _head(state: Any, why_not: str) -> Iterator[str]:
    alive = f"not asked: {why_not}" if why_not else f"up {span(time.time() - state['started'])}"
    yield f"Lab {state['lab_id']}, version {state['version']}, {alive}"
    if state["url"]:
        yield f"Found at {state['url']}"
    disk = state["disk"]
    if disk["free"] is not None:
        of = f" of {size_text(disk['total'])}" if disk["total"] else ""
        bound = disk["warn_below"] if disk["level"] != "full" else settings.LAB_ROOM_KEPT_BYTES
        what = "warns" if disk["level"] != "full" else "files are refused"
        yield f"Disk: {size_text(disk['free'])}{of} free; {disk['level']} ({what} below {size_text(bound)})"
    parts = [f"{d['name']} {size_text(d['bytes'])} ({size_text(d['unused'])} unused)" for d in disk["databases"]]
    yield f"Data: {', '.join([*parts, 'files ' + size_text(disk['files'])])}"
    backup = state["backup"]
    if not state["in_folder"]:
        yield "Backups: by the tools of the engines (docs/moving.md)"
    elif backup:
        yield f"Last backup: {moment(backup['taken'])}, {size_text(backup['bytes'])}, {backup['path']}"
    else:
        yield "Last backup: none"


def _advice(state: Any) -> Iterator[str]:
    if not state["advice"]:
        yield "Nothing needs your attention."
    for item in state["advice"]:
        yield f"{item['level'].upper()}: {item['what']}"
        yield f"    {item['do']}"


def _waits(state: Any) -> Iterator[str]:
    names = {name: name.replace("_", " ") for name in state["waiting"]}
    parts = [f"{names[name]} {n:,}" for name, n in state["waiting"].items() if n]
    yield f"Waits: {', '.join(parts) or 'nothing'}"
    if state["writes_refused"]:
        yield f"Writes refused since the start: {state['writes_refused']:,}"


def _tables(state: Any) -> Iterator[tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]]:
    projects = [
        (
            p["name"],
            f"{p['runs']:,}",
            f"{p['points']:,}",
            size_text(p["points_bytes"]),
            size_text(p["files"]),
            "none" if p["quota"] is None else size_text(p["quota"]),
        )
        for p in state["projects"]
    ]
    yield "What projects take", ("project", "runs", "points", "about", "files", "quota"), projects
    busiest = [
        (r["id"], f"{r['project']}/{r['name']}", r["author"], f"{r['points_per_s']:g}", f"{r['events_per_s']:g}")
        for r in state["busiest_runs"]
    ]
    yield "Busiest runs", ("run", "name", "author", "points/s", "events/s"), busiest
    now = time.time()
    clients = [
        (
            c["session"],
            c["user"],
            c["host"],
            c["version"],
            str(c["runs"]),
            f"{c['backlog']:,}",
            span(now - c["last_seen"]),
        )
        for c in state["clients"]
    ]
    yield "Clients", ("session", "user", "host", "version", "runs", "backlog", "seen ago"), clients
    targets = [
        (
            t["id"],
            t["address"],
            str(t["waiting"]),
            f"failed: {t['error']}" if t["failed"] is not None else moment(t["delivered"]) or "nothing yet",
        )
        for t in state["notices"]
    ]
    yield "Notices", ("target", "address", "waiting", "last"), targets
    threads = [
        (t["name"], "works" if t["failing_since"] is None else f"fails: {t['error']}", str(t["failures"]))
        for t in state["threads"]
    ]
    yield "Threads", ("thread", "how it is", "failures"), threads
