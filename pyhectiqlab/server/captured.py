"""What scripts told of their surroundings and of their paper: the newest of the events that say it."""

from __future__ import annotations

from typing import Any

from ..store.meta import MetaView, StoredEvent

EVENTS_LOOKED_AT = 256  # of a kind; every rank of every attempt tells its own


def captured(view: MetaView, run_id: str, *, with_diffs: bool) -> dict[str, Any]:
    """{"packages": fields or None, "repos": {package: fields}}; fields are what clients sent, with the event's time."""
    told = view.newest_events(run_id, "packages", EVENTS_LOOKED_AT)
    chosen = max(told, key=lambda e: (e.attempt, -e.rank, e.id), default=None)
    repos: dict[str, dict[str, Any]] = {}
    for event in view.newest_events(run_id, "repo", EVENTS_LOOKED_AT):
        repos.setdefault(str(event.fields.get("package")), _fields(event, with_diffs))
    return {"packages": _fields(chosen, with_diffs) if chosen else None, "repos": repos}


def _fields(event: StoredEvent, with_diffs: bool) -> dict[str, Any]:
    fields = {**event.fields, "time": event.time, "rank": event.rank}
    if with_diffs:
        return fields
    git = fields.get("git")
    if isinstance(git, dict):
        fields["git"] = _without_diff(git)
    return _without_diff(fields)


def _without_diff(fields: dict[str, Any]) -> dict[str, Any]:
    if "diff" not in fields:
        return fields
    diff = fields["diff"]
    rest = {name: value for name, value in fields.items() if name != "diff"}
    return {**rest, "diff_length": len(diff) if isinstance(diff, str) else 0}


def paper(view: MetaView, run_id: str) -> str:
    """The text of the newest `paper` event, "" where there is none."""
    told = view.newest_events(run_id, "paper", 1)
    text = told[0].fields.get("text") if told else ""
    return text if isinstance(text, str) else ""
