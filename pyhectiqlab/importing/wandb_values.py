"""What the records of Weights & Biases hold: rows of the history, changes of config and summary, the environment."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from .protobuf import Message, messages, text, texts, whole


def time_of(its: Message, number: int) -> float:
    """Return a Timestamp; 0 where there is none."""
    return next((whole(stamp, 1) + whole(stamp, 2) / 1e9 for stamp in messages(its, number)), 0.0)


def json_of(said: str) -> Any:
    """Return a value of JSON as W&B writes it, NaN and the infinities too; the text where it is none."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said


def row_of(row: Message) -> dict[str, Any]:
    """Return a row of the history: name → value. Values may be maps: newer releases write their members one by one."""
    values: dict[str, Any] = {}
    for item in messages(row, 1):
        _put(values, texts(item, 2) or [text(item, 1)], _item(item))
    return values


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        if not isinstance(into.get(part), dict):
            into[part] = {}
        into = into[part]
    into[path[-1]] = value


def _item(item: Message) -> Any:
    """HistoryItem: 16 a value of JSON, or 3 none, 4 boolean, 5 integer, 6 number, 7 text, 8 JSON."""
    if 16 in item or 8 in item:
        return json_of(text(item, 16) or text(item, 8))
    if 4 in item:
        return bool(whole(item, 4))
    if 5 in item:
        raw = item[5][-1]
        return ((raw >> 1) ^ -(raw & 1)) if isinstance(raw, int) else None
    if 6 in item:
        raw = item[6][-1]
        return struct.unpack("<d", raw)[0] if not isinstance(raw, int) else None
    return text(item, 7) if 7 in item else None


def merge(into: dict[str, Any], item_record: Message) -> None:
    """Merge a ConfigRecord or SummaryRecord: 1 updates, 2 removals."""
    for item in messages(item_record, 1):
        path = texts(item, 2) or [text(item, 1)]
        if path[0] == "_wandb":
            continue
        _put(into, path, json_of(text(item, 16)))
    for item in messages(item_record, 2):
        into.pop((texts(item, 2) or [text(item, 1)])[0], None)


def add_environment(into: dict[str, Any], its: Message) -> None:
    """EnvironmentRecord, which comes in parts."""
    system = into.setdefault("system", {})
    if text(its, 2):
        into["python"] = text(its, 2).removeprefix("CPython ")
    system |= {name: text(its, n) for name, n in (("os", 1), ("host", 12), ("cuda", 25)) if text(its, n)}
    if whole(its, 17):
        system["cpus"] = whole(its, 17)
    for cpu in messages(its, 22):
        system["cpu"] = text(cpu, 1) or system.get("cpu", "")
    for git in messages(its, 9):
        into["git"] = {"origin": text(git, 1), "hash": text(git, 2)}


def packages(files: Path) -> dict[str, Any]:
    path = files / "requirements.txt"
    if not path.is_file():
        return {}
    lines = path.read_text("utf-8", "replace").splitlines()
    return {"packages": dict(line.split("==", 1) for line in lines if line.count("==") == 1)}
