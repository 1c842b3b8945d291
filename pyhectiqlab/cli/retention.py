"""hectiqlab admin retention: set how long projects keep their runs, and earlier versions of artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..base.texts import counted, size_text
from ..errors import ConfigurationError
from ..store.retention import DAYS_MAX, FIELDS, TAG_CHARS_MAX, VERSIONS_MAX, Rule, Setting, rule_of, settings_text
from .lab_data import change_noted, data_option, opened_lab
from .output import clean, echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..store.meta import MetaView, Project

NAMED_MAX = 50  # at most so many runs that would go are printed for people
EVER, DEFAULT = "ever", "default"  # keep for ever; use the lab's value
Settings = dict[str | None, dict[str, Setting]]


def _count(what: str, most: int) -> Callable[[click.Context, click.Parameter, str | None], str | int | None]:
    def checked(ctx: click.Context, param: click.Parameter, value: str | None) -> str | int | None:
        if value is None or value in (EVER, DEFAULT):
            return value
        if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
            raise click.BadParameter(
                f"{value[:40]!r} is not a number of {what}: write 1 to {most}, {EVER} or {DEFAULT}.", ctx, param
            )
        return int(value)

    return checked


def _tag(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not (0 < len(value) <= TAG_CHARS_MAX and value.isprintable()):
        raise click.BadParameter(f"{value[:40]!r} is not a tag: write 1 to {TAG_CHARS_MAX} characters.", ctx, param)
    return value


@click.command()
@click.option(
    "--runs-days", metavar="DAYS", callback=_count("days", DAYS_MAX), help="Delete runs so long after their last sign."
)
@click.option(
    "--versions-max", metavar="N", callback=_count("versions", VERSIONS_MAX), help="Keep an artifact's newest N."
)
@click.option(
    "--versions-days", metavar="DAYS", callback=_count("days", DAYS_MAX), help="Remove earlier ones at that age."
)
@click.option("--keep-tag", metavar="TAG", callback=_tag, help="Take nothing from runs with this tag.")
@click.option("--project", metavar="NAME", help="In this project.  [default: in all that set nothing of their own]")
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would go now.")
@json_option("a JSON list of objects")
@data_option
def retention(project: str | None, dry_run: bool, as_json: bool, data: Path | None, **given: Any) -> None:
    """Remove runs, and earlier versions of artifacts, when they are old. Without options, list what is kept for how
    long.

    Each of them may be `ever`, or `default`, which means the lab's value. A running lab applies changes at once. A
    deleted run can be restored for 7 days. Runs that are alive or were heard of within a day, that made or used a
    version of a model or dataset, or that have the tag (`keep`) lose nothing. The current version of an artifact always
    stays.
    """
    changes = {name: value for name in FIELDS if (value := given[name]) is not None}
    with opened_lab(data) as storage:
        with storage.meta.reading() as view:
            row = None if project is None else view.project(project)
            if project is not None and row is None:
                raise ConfigurationError(f"No project is named {project!r}: see `hectiqlab projects`.")
            settings: Settings = view.retention_settings()
            of = None if row is None else row.id
            if changes:
                settings[of] = _changed(settings.get(of, {}), changes)
            projects = [row] if row is not None else _all_projects(view)
            due = [_due(view, p, _rule(settings, p)) for p in projects] if dry_run else []
            held = _held_until(view)
        if changes and not dry_run:
            subject = "the lab" if row is None else f"project {row.name}"
            with storage.meta.writing() as tx:
                tx.set_retention(of, settings[of])
                tx.note_changes([change_noted("set the retention", subject, settings_text(settings[of]))])
    if dry_run:
        _tell_due(due, held, as_json)
    else:
        _tell_rules(settings, projects, row is None, held, as_json)


def _changed(own: dict[str, Setting], changes: dict[str, Setting]) -> dict[str, Setting]:
    both = {name: value for name, value in {**own, **changes}.items() if value != DEFAULT}
    return {name: None if value == EVER and name != "keep_tag" else value for name, value in both.items()}


def _all_projects(view: MetaView) -> list[Project]:
    projects: list[Project] = []
    while page := view.projects(1000, projects[-1].name if projects else ""):
        projects += page
    return projects


def _rule(settings: Settings, project: Project | None) -> Rule:
    return rule_of(settings.get(None, {}), {} if project is None else settings.get(project.id, {}))


def _held_until(view: MetaView) -> float | None:
    """Return the time before which nothing is removed, whatever the rules say. None: there is no such time."""
    from ..server.tending.clock import sight_of

    sight = sight_of(view)
    return sight.steady_from if sight is not None and sight.steady_from > time.time() else None


# What is kept


def _tell_rules(settings: Settings, projects: list[Project], with_lab: bool, held: float | None, as_json: bool) -> None:
    rules: list[tuple[str | None, Rule, dict[str, Setting]]] = []
    if with_lab:
        rules.append((None, _rule(settings, None), settings.get(None, {})))
    rules += [(p.name, _rule(settings, p), settings.get(p.id, {})) for p in projects]
    if as_json:
        echo_json([{"project": name, **asdict(rule), "own": sorted(own)} for name, rule, own in rules])
        return
    rows = []
    for name, rule, own in rules:
        cells = [_cell(asdict(rule)[field], name is None or field in own) for field in FIELDS]
        rows.append(("(the lab)" if name is None else clean(name), *cells))
    table(("project", *(field.replace("_", "-") for field in FIELDS)), rows)
    if any(not rule.keeps_all for _, rule, _ in rules):
        _tell_held(held)


def _cell(value: Setting, own: bool) -> str:
    text = "ever" if value is None else str(value)
    return text if own else f"({text})"  # the lab's value


def _tell_held(held: float | None) -> None:
    if held is not None:
        click.echo(f"Nothing goes before {moment(held)}: the lab was off or its clock jumped, so it waits for a day.")


# What would go


def _due(view: MetaView, project: Project, rule: Rule) -> dict[str, Any]:
    now = time.time()
    runs = view.due_runs(project.id, rule, now)
    ending = {run.id for run in runs}
    versions = [v for v in view.due_versions(project.id, rule, now) if v.run not in ending]
    return {
        "project": project.name,
        "freed_bytes": view.freed_bytes([run.id for run in runs], [version.id for version in versions]),
        "runs": [asdict(run) for run in runs],
        "versions": [asdict(version) for version in versions],
    }


def _tell_due(due: list[dict[str, Any]], held: float | None, as_json: bool) -> None:
    if as_json:
        echo_json(due)
        return
    rows = []
    for item in due:
        rows += [(item["project"], "run", r["name"], moment(r["seen"]), size_text(r["bytes"])) for r in item["runs"]]
        rows += [
            (item["project"], "version", _version_name(v), moment(v["created"]), size_text(v["bytes"]))
            for v in item["versions"]
        ]
    if rows:
        table(("project", "what", "name", "last sign", "files"), rows[:NAMED_MAX])
    if len(rows) > NAMED_MAX:
        click.echo(f"… and {len(rows) - NAMED_MAX:,} more: --json lists all.")
    runs, versions = (sum(len(item[what]) for item in due) for what in ("runs", "versions"))
    freed = size_text(sum(item["freed_bytes"] for item in due))
    click.echo(
        f"Now {counted(runs, 'run')} and {counted(versions, 'version')} of artifacts would go: {freed} of files."
    )
    _tell_held(held)


def _version_name(version: dict[str, Any]) -> str:
    step = "" if version["step"] is None else f", step {version['step']}"
    return f"{version['run_name'] or '(shared)'}/{version['name']}{step}, version {version['version']}"
