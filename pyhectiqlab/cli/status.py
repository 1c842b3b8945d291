"""`hectiqlab status`."""

from __future__ import annotations

from typing import Any

import click

from .output import echo_json, span, table


@click.command("status", short_help="Show what is still on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects, with every cursor.")
def command(as_json: bool) -> None:
    """Show the sessions on this machine that are alive or hold something that is not yet in the lab.

    EVENTS are in the journal and not yet acknowledged by the lab, BYTES are in the queue before it; FILES wait to be
    uploaded; LOST counts by reason what was given up. Asks no lab.
    """
    from ..uploader.report import session_reports

    reports = session_reports()
    if as_json:
        echo_json(reports)
        return
    if not reports:
        click.echo("Nothing waits on this machine and nothing is being logged.")
        return
    header = ("session", "state", "mode", "runs", "owner", "uploader", "age", "events", "bytes", "files", "lost")
    table((*header, "trouble"), (_row(report) for report in reports))
    if any(report["state"] == "waits" for report in reports):
        click.echo("Send what waits with `hectiqlab sync`.")


def _row(report: dict[str, Any]) -> tuple[str, ...]:
    lost = " ".join(f"{reason}={count}" for reason, count in report["lost"].items())
    return (
        report["session"],
        report["state"],
        report["mode"],
        " ".join(report["runs"]) or "-",
        str(report["owner_pid"] or "-"),
        str(report["uploader_pid"] or "-"),
        span(report["age_s"]),
        str(report["backlog"]),
        str(report["queued_bytes"]),
        f"{report['files_left']} ({report['file_bytes_left'] / 1e6:.1f} MB)" if report["files_left"] else "0",
        lost or "-",
        report["trouble"] or "-",
    )
