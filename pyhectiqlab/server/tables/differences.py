"""Differences: in what some runs differ from one of them, the baseline.

Config, packages, environment, git and the newest values of metrics are compared. What all of them have in common is
left out, unless it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...base.texts import counted
from ...protocol.searchable import text_in
from ...store.meta import MetaView
from ...store.pauses import may_pause
from ...store.points import PointStore
from .captured import captured
from .search import Value

RUNS_MAX = 50
ROWS_MAX = 1_000  # rows of a section
KEYS_MAX = 2_000  # metrics of a run
TEXT_CHARS = 200  # characters of a value that are shown
EXACT = 2.0**53  # integers below it are exact as numbers

Section = Literal["config", "packages", "environment", "git", "metrics"]
Known = tuple[Any, Value]  # what is compared, and what is shown


@dataclass(frozen=True)
class Row:
    """What differs. `values`: of each run; None: it has none. `deltas`: of a metric, behind the baseline's value; None:
    there is none. Numbers that are NaN in both are equal.
    """

    section: Section
    name: str
    values: Sequence[Value | None]
    deltas: Sequence[float | None] | None = None


@dataclass(frozen=True)
class Differences:
    """`cut`: sections that have more rows."""

    rows: Sequence[Row]
    cut: Sequence[Section]


def differences(
    view: MetaView, points: PointStore, ids: Sequence[str], baseline: int, *, alike: bool = False
) -> Differences:
    """Return in what runs differ. Blocks on the stores. `baseline`: the place of one of them; `alike`: also what all of
    them have in common.

    Configs are compared as they are searched: of each the first 2,000 values, by their first 1,000 characters. Of
    metrics, the first KEYS_MAX keys of each run are.
    """
    sections: dict[Section, dict[str, dict[str, Known]]] = {
        "config": {
            path: {run: _config_value(*its) for run, its in values.items()}
            for path, values in view.config_pairs(ids).items()
        }
    }
    for run in ids:
        may_pause()
        for section, its in _surroundings(captured(view, run, with_diffs=True)).items():
            for name, known in its.items():
                sections.setdefault(section, {}).setdefault(name, {})[run] = known
        for info in points.keys(run, limit=KEYS_MAX):
            known = ("NaN" if info.last_value != info.last_value else info.last_value), info.last_value
            sections.setdefault("metrics", {}).setdefault(info.key, {})[run] = known
    rows: list[Row] = []
    cut: list[Section] = []
    order: tuple[Section, ...] = ("config", "packages", "environment", "git", "metrics")
    for section in order:
        some = list(_rows(section, sections.get(section, {}), ids, baseline, alike))
        rows += some[:ROWS_MAX]
        cut += [section] if len(some) > ROWS_MAX else []
    return Differences(rows, cut)


def _rows(
    section: Section, known: Mapping[str, Mapping[str, Known]], ids: Sequence[str], baseline: int, alike: bool
) -> Sequence[Row]:
    rows = []
    for name in sorted(known, key=lambda name: (section == "metrics" and name.startswith("system/"), name)):
        its = known[name]
        if not alike and len(its) == len(ids) and len({compared for compared, _ in its.values()}) == 1:
            continue
        values = [its[run][1] if run in its else None for run in ids]
        deltas = [_delta(value, values[baseline]) for value in values] if section == "metrics" else None
        rows.append(Row(section, name, values, deltas))
    return rows


def _delta(value: Value | None, base: Value | None) -> float | None:
    if isinstance(value, str) or isinstance(base, str) or value is None or base is None:
        return None
    return value - base


def _config_value(number: float | None, text: str) -> Known:
    return (text, text[:TEXT_CHARS]) if number is None or abs(number) >= EXACT else (number, number)


def _surroundings(capture: Mapping[str, Any]) -> dict[Section, dict[str, Known]]:
    """Return what a script told of its surroundings, by section and name."""
    reported = _map(capture["packages"])
    said = {name: reported[name] for name in ("python", "command") if name in reported}
    variables = {f"${name}": value for name, value in _map(reported.get("variables")).items()}
    environment = {**_map(reported.get("system")), **said, **variables}
    git = _git(_map(reported.get("git")), "hash", "origin", "")
    for package, repo in capture["repos"].items():
        git |= _git(_map(repo), "commit", "remote", f"{package} ")
    packages = _map(reported.get("packages"))
    return {
        "packages": {str(name): _known(version) for name, version in packages.items()},
        "environment": {str(name): _known(value) for name, value in environment.items()},
        "git": git,
    }


def _git(fields: Mapping[str, Any], commit: str, remote: str, before: str) -> dict[str, Known]:
    """Return what a script reported of a repository. Its diff is compared as a whole; its length is shown."""
    if fields.get(commit) is None:
        return {}
    named = {"commit": fields[commit], "branch": fields.get("branch"), "remote": fields.get(remote)}
    its = {f"{before}{name}": _known(value) for name, value in named.items() if value is not None}
    diff = fields.get("diff")
    text = diff if isinstance(diff, str) else ""
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    shown = f"{counted(text.count(chr(10)), 'line')} ({digest[:8]})" if text else "none"
    return {**its, f"{before}diff": (digest, shown)}


def _known(value: Any) -> Known:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < EXACT:
        return value, value
    text = text_in(value)
    return text, text[:TEXT_CHARS]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
