"""Retention: what the watch does about the rules of projects: it finds what they end, and removes it in bounded steps.

A step is one transaction of the writer, which looks at its runs and versions again and writes the audit log. So a kill
leaves a step done or not begun, and what came to life meanwhile stays. Deleted runs leave the usual tombstone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...base import crashpoints
from ...base.texts import counted, size_text
from ...store.accounts import Change
from ...store.meta import MetaStore, MetaTransaction, MetaView, Project
from ...store.retention import DueRun, DueVersion, Rule, Setting, rule_of
from ..transacts import Transacts

log = logging.getLogger("hectiqlab.server")

LOOK_EVERY_S = 600.0
FOUND_MAX = 10_000  # runs and versions of one look; if there are more, the next look follows at once
AT_ONCE = 50  # runs, or versions, of one step, so that nobody waits long for it
PROJECTS_AT_ONCE = 1000
AUTHOR = "retention"  # who it was, in the audit log


@dataclass(frozen=True)
class Step:
    """What one transaction looks at again: ids of runs and of versions that were due by `rule`."""

    project: Project
    rule: Rule
    runs: Sequence[str] = ()
    versions: Sequence[str] = ()


class Retention:
    """Made for one thread."""

    def __init__(self, meta: MetaStore, write: Transacts) -> None:
        self._meta, self._write = meta, write
        self._settings: dict[str | None, dict[str, Setting]] = {}
        self._steps: deque[Step] = deque()
        self._look_at = 0.0

    @property
    def waiting(self) -> int:
        """Return how many runs and versions are due and not gone yet. From any thread."""
        return sum(len(step.runs) + len(step.versions) for step in tuple(self._steps))

    def turn(self, now: float) -> None:
        """Take one step, if there is one; look for more if the rules changed, and now and then. Blocks on the stores;
        raises StoreError.
        """
        with self._meta.reading() as view:
            settings = view.retention_settings()
            idle = not self._steps and not now < self._look_at <= now + LOOK_EVERY_S
            if settings != self._settings or (settings and idle):
                self._steps = deque(due_steps(view, settings, now))
                self._settings = settings
                full = sum(len(s.runs) + len(s.versions) for s in self._steps) >= FOUND_MAX
                self._look_at = now if full else now + LOOK_EVERY_S
        if self._steps:
            step = self._steps[0]
            runs, versions = self._write(lambda tx: take(tx, step, now))
            self._steps.popleft()
            if runs or versions:
                log.info("retention in project %s: %d runs, %d versions", step.project.name, runs, versions)


def due_steps(view: MetaView, settings: dict[str | None, dict[str, Setting]], now: float) -> Iterator[Step]:
    """Yield steps for all that the rules end, FOUND_MAX of it at most. Runs come before versions, which go
    with them.
    """
    left = FOUND_MAX
    for project, rule in rules(view, settings):
        runs = [run.id for run in view.due_runs(project.id, rule, now, left)]
        left -= len(runs)
        versions = [version.id for version in view.due_versions(project.id, rule, now, left)]
        left -= len(versions)
        yield from (Step(project, rule, runs=runs[i : i + AT_ONCE]) for i in range(0, len(runs), AT_ONCE))
        yield from (Step(project, rule, versions=versions[i : i + AT_ONCE]) for i in range(0, len(versions), AT_ONCE))
        if left <= 0:
            return


def rules(view: MetaView, settings: dict[str | None, dict[str, Setting]]) -> Iterator[tuple[Project, Rule]]:
    """Return each project where not all is kept, with the rule that holds in it."""
    after = ""
    while page := view.projects(PROJECTS_AT_ONCE, after):
        for project in page:
            rule = rule_of(settings.get(None, {}), settings.get(project.id, {}))
            if not rule.keeps_all:
                yield project, rule
        after = page[-1].name


def take(tx: MetaTransaction, step: Step, now: float) -> tuple[int, int]:
    """Remove what of a step is still due, and write the audit log. Return how many runs and versions it was."""
    project, rule = step.project, step.rule
    if tx.retention_of(project.id) != rule:  # it was changed just now: the next look goes by that
        return 0, 0
    tx.hold_runs(step.runs)
    runs = tx.due_runs(project.id, rule, now, among=step.runs) if step.runs else []
    for run in runs:
        tx.delete_run(run.id, now)
    versions = tx.due_versions(project.id, rule, now, among=step.versions) if step.versions else []
    tx.remove_versions([version.id for version in versions], now)
    tx.note_changes([*_run_changes(project, rule, runs, now), *_version_changes(project, versions, now)])
    if runs or versions:
        crashpoints.passing("upkeep.retained")
    return len(runs), len(versions)


def _run_changes(project: Project, rule: Rule, runs: Sequence[DueRun], now: float) -> Iterator[Change]:
    for run in runs:
        why = f"no sign of life for {counted(rule.runs_days or 0, 'day')}"
        yield _change(now, "deleted", f"run {project.name}/{run.name} ({run.id})", why)


def _version_changes(project: Project, versions: Sequence[DueVersion], now: float) -> Iterator[Change]:
    """Yield one entry for all versions of an artifact that go at once."""

    def place(v: DueVersion) -> tuple[str, str, bool, int]:
        return v.run or "", v.name, v.step is not None, v.step or 0

    for _, group in groupby(sorted(versions, key=lambda v: (*place(v), v.version)), key=place):
        its = list(group)
        first = its[0]
        where = f"{project.name}/{first.run_name} ({first.run})" if first.run else project.name
        step = "" if first.step is None else f" of step {first.step}"
        numbers = ", ".join(str(v.version) for v in its)
        detail = f"version {numbers}, {size_text(sum(v.bytes for v in its))}"
        yield _change(now, "removed", f"artifact {first.name!r}{step} in {where}", detail)


def _change(now: float, action: str, subject: str, detail: str) -> Change:
    return Change(now, AUTHOR, "lab", "", action, subject, detail)
