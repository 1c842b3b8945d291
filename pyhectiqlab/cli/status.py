"""`hectiqlab status`."""

from __future__ import annotations

from typing import Any

import click

from .output import echo_json, table


@click.command("status", short_help="Show what is still on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
def command(as_json: bool) -> None:
    """Show the sessions on this machine: what is still to be sent, what was lost and why, and who is at work."""
    from ..uploader.report import session_reports

    reports = session_reports()
    if as_json:
        echo_json(reports)
    elif reports:
        table(tuple(reports[0]), (tuple(_cell(value) for value in report.values()) for report in reports))
    else:
        click.echo("No sessions: everything that was logged here is in the lab.")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
