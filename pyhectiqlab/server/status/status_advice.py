"""Advice: what in the state of the lab should be seen to, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ... import settings
from ..._version import __version__
from ...base.texts import counted, size_text
from ...store.retention import DAY_S

BACKLOG_MANY = 100_000  # events that a client has not delivered
WAITING_MANY = 500  # requests for the writer
QUOTA_NEARLY = 0.9
UNUSED_MUCH = 0.3  # of a database's bytes, and at least UNUSED_BYTES
UNUSED_BYTES = 100 << 20

Advised = tuple[str, str, str]  # level, what, do
_LEVELS = ("error", "warning", "info")


def advice(state: Mapping[str, Any], now: float) -> list[dict[str, str]]:
    """Return the advice for a state as models_status.LabState describes it, the worst first."""
    items = [item for rule in _RULES for item in rule(state, now)]
    items.sort(key=lambda item: _LEVELS.index(item[0]))
    return [{"level": level, "what": what, "do": do} for level, what, do in items]


def _disk(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    disk = state["disk"]
    if disk["level"] == "ok":
        return
    largest = ", ".join(f"{p['name']} ({size_text(p['files'] + p['points_bytes'])})" for p in state["projects"][:3])
    of = f" of {size_text(disk['total'])}" if disk["total"] else ""
    is_full = disk["level"] == "full"
    refused = f", and files are refused below {size_text(settings.LAB_ROOM_KEPT_BYTES)}" if is_full else ""
    what = f"The disk has {size_text(disk['free'])} left{of}{refused}."
    do = "Make room: delete runs and `hectiqlab admin purge` them, or give it a larger disk."
    level = "error" if is_full else "warning"
    yield level, what, f"{do} The largest projects: {largest}." if largest else do


def _threads(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    for thread in state["threads"]:
        if thread["failing_since"] is not None:
            what = f"{thread['name']} fails: {thread['error']}"
            yield "error", what, "The lab tries it again by itself. Its log says more; look at the disk first."


def _damage(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    if damage := state["damage"]:
        more = f" And {len(damage) - 1:,} more." if len(damage) > 1 else ""
        do = "All else is read and taken. Stop the lab and run `hectiqlab admin check`, which lists all damage."
        yield "error", f"{damage[0]}{more}", do


def _losses(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    if state["losses"]:
        counts = ", ".join(f"{reason} {n:,}" for reason, n in sorted(state["losses"].items()))
        yield (
            "warning",
            f"Clients gave up events or files since the lab was started: {counts}.",
            (
                "The pages of their runs say which. spool_full: larger HECTIQLAB_SPOOL_MAX_BYTES; quota_exceeded: "
                "`hectiqlab admin quota`."
            ),
        )


def _backup(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    if not state["in_folder"]:
        return  # the lab does not know of what the tools of engines do
    backup = state["backup"]
    do = "Run `hectiqlab admin backup TARGET --check --keep 14` every night, to another disk: docs/lab.md has a timer."
    if backup is None:
        yield "warning", "No backup of this lab was ever taken.", do
    elif now - backup["taken"] > settings.LAB_BACKUP_OLD_S:
        yield "warning", f"The last backup is {counted(round((now - backup['taken']) / DAY_S), 'day')} old.", do


def _notices(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    if state["notices"] and state["notices_muted"] is not None:
        yield (
            "warning",
            "Notices are muted: none is sent.",
            "A restored lab begins so. If it replaces the other: `hectiqlab admin notify unmute`.",
        )
    for target in state["notices"]:
        if target["failed"] is not None:
            what = f"Notices for {target['address']} do not get through: {target['error']}; {target['waiting']} wait."
            do = f"Mend it and try `hectiqlab admin notify test {target['id']}`, or `… remove {target['id']}`."
            yield "warning", what, do


def _clients(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    for client in state["clients"]:
        if client["backlog"] >= BACKLOG_MANY:
            what = f"{client['user']} on {client['host']} has {counted(client['backlog'], 'event')} not here yet."
            yield "info", what, "Its uploader goes on. `hectiqlab status` there says why it lags."
    others = {version: n for version, n in state["client_versions"].items() if version not in (__version__, "")}
    if others:
        versions = ", ".join(f"{version} ({n})" for version, n in sorted(others.items()))
        yield (
            "info",
            f"Scripts run other versions than the lab's {__version__}: {versions}.",
            ("Nothing has to be done while they work; upgrade the older side when there is time."),
        )


def _waiting(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    jobs = state["waiting"]["jobs"]
    if jobs is not None and jobs >= WAITING_MANY:
        yield "warning", f"{jobs} requests wait for the writer.", "See the busiest runs, and whether the disk is slow."


def _quotas(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    for project in state["projects"]:
        quota = project["quota"]
        if quota is not None and project["files"] >= QUOTA_NEARLY * quota:
            what = f"The files of {project['name']} take {size_text(project['files'])} of {size_text(quota)}."
            do = f"Remove versions, or `hectiqlab admin quota SIZE --project {project['name']}`."
            yield "warning", what, do


def _unused(state: Mapping[str, Any], now: float) -> Iterator[Advised]:
    for database in state["disk"]["databases"]:
        unused = database["unused"]
        if unused >= max(UNUSED_BYTES, UNUSED_MUCH * database["bytes"]):
            what = f"{size_text(unused)} of {size_text(database['bytes'])} of {database['name']} are free pages."
            yield (
                "info",
                what,
                (
                    "They go back to the disk in small steps. If they stay, an earlier version made the file: stop the "
                    "lab and run `hectiqlab admin shrink`, once."
                ),
            )


_RULES = (_disk, _damage, _threads, _losses, _backup, _notices, _quotas, _waiting, _clients, _unused)
