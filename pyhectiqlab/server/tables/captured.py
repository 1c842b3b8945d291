"""What scripts reported of their surroundings, and the paper: read from the newest events of these kinds."""

from __future__ import annotations

from typing import Any

from ...store.meta import MetaView, StoredEvent

EVENTS_LOOKED_AT = 256  # of a kind; every rank of every attempt reports its own
REPOS_BYTES_MAX = 8 << 20  # of the events of repositories that are looked at, the newest first


def captured(view: MetaView, run_id: str, *, with_diffs: bool) -> dict[str, Any]:
    """Return {"packages": fields or None, "repos": {package: fields}}. The fields are what clients sent, with the
    event's time.
    """
    chosen = view.newest_event(run_id, "packages", EVENTS_LOOKED_AT)
    repos: dict[str, dict[str, Any]] = {}
    looked_at = 0
    for event in view.newest_events(run_id, "repo", EVENTS_LOOKED_AT):
        repos.setdefault(str(event.fields.get("package")), _fields(event, with_diffs))
        looked_at += event.bytes
        if looked_at >= REPOS_BYTES_MAX:
            break
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
    """Return the text of the newest `paper` event; "" if there is none."""
    event = next(view.newest_events(run_id, "paper", 1), None)
    text = "" if event is None else event.fields.get("text")
    return text if isinstance(text, str) else ""
