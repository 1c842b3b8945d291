"""hectiqlab admin quota: how many bytes of files a project, and the whole lab, may hold."""

from __future__ import annotations

from pathlib import Path

import click

from ..base.texts import size_text
from ..errors import ConfigurationError
from .lab_data import change_noted, data_option, opened_lab
from .output import clean, echo_json, json_option, table
from .sizes import bytes_of


@click.command()
@click.argument("size", required=False)
@click.option("--project", metavar="NAME", help="Of this project's files.  [default: of all files of the lab]")
@json_option("a JSON list of objects")
@data_option
def quota(size: str | None, project: str | None, as_json: bool, data: Path | None) -> None:
    """Let files take SIZE (such as 500GB) and no more, or with `none` any number of bytes. Without SIZE, list how much
    they take.

    A file that would go beyond the quota is refused before it is sent; the run goes on and shows that. A running lab
    applies changes at once.
    """
    limit = None if size in (None, "none") else bytes_of(size)
    with opened_lab(data) as storage:
        with storage.meta.reading() as view:
            row = None if project is None else view.project(project)
        if project is not None and row is None:
            raise ConfigurationError(f"No project is named {project!r}: see `hectiqlab projects`.")
        of = None if row is None else row.id
        if size is not None:
            with storage.meta.writing() as tx:
                tx.set_quota(of, limit)
                subject = "the lab" if row is None else f"project {row.name}"
                tx.note_changes([change_noted("set the quota", subject, _quota_text(limit))])
        with storage.meta.reading() as view:
            if size is not None or row is not None:
                uses = [(project, view.use_of(of))]
            else:
                uses = [(None, view.use_of(None))]
                after = ""
                while page := view.projects(1000, after):
                    uses += [(p.name, view.use_of(p.id)) for p in page]
                    after = page[-1].name
    if as_json:
        echo_json([{"project": name, "used": use.used, "quota": use.quota} for name, use in uses])
        return
    rows = [
        ("(the lab)" if name is None else clean(name), size_text(use.used), _quota_text(use.quota))
        for name, use in uses
    ]
    table(("project", "files", "quota"), rows)


def _quota_text(quota: int | None) -> str:
    return "none" if quota is None else size_text(quota)
