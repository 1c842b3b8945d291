"""`hectiqlab status`."""

from __future__ import annotations

from typing import Any

import click

from .output import clean, echo_json, json_option, span, table


@click.command("status", short_help="Show what is still on this machine.")
@json_option("a JSON list of objects, with every writer's cursors")
def command(as_json: bool) -> None:
    """Show the sessions on this machine, and on disks shared with it, that are alive or hold what is not yet in the
    lab.

    EVENTS counts those that were logged and that the lab has not acknowledged yet; LAG is how old the oldest is, about.
    BYTES of them are still in memory, before the journal. FILES wait to be uploaded. LOST counts by reason what was
    given up. What a lab does not take any more (of deleted runs) is in a quarantine, counted below. This command asks
    no lab; `hectiqlab verify` does.
    """
    from ..uploader.report import session_reports

    reports = session_reports()
    if as_json:
        echo_json(reports)
        return
    shown = [report for report in reports if report["state"] in ("alive", "waits")]
    if not shown:
        click.echo("Nothing waits on this machine and nothing is being logged.")
    else:
        header = ("session", "state", "mode", "runs", "owner", "uploader", "age", "events", "lag", "bytes", "files")
        table((*header, "lost", "trouble"), (_row(report) for report in shown))
    for line in _remarks(reports):
        click.echo(clean(line))


def _row(report: dict[str, Any]) -> tuple[str, ...]:
    lost = " ".join(f"{reason}={count}" for reason, count in report["lost"].items())
    return (
        report["session"],
        report["state"],
        report["mode"],
        " ".join(report["runs"]) or "-",
        _process(report["owner_pid"], report["host"], report["here"]),
        _process(report["uploader_pid"], report["uploader_host"], report["uploader_host"] in (None, report["host"])),
        span(report["age_s"]),
        str(report["backlog"]),
        span(report["lag_s"]) if report["backlog"] else "-",
        str(report["queued_bytes"]) if report["reachable"] else f"{report['queued_bytes']}?",
        f"{report['files_left']} ({report['file_bytes_left'] / 1e6:.1f} MB)" if report["files_left"] else "0",
        lost or "-",
        report["trouble"] or "-",
    )


def _process(pid: int | None, host: str | None, plain: bool) -> str:
    return "-" if pid is None else str(pid) if plain else f"{pid}@{host}"


def _remarks(reports: list[dict[str, Any]]) -> list[str]:
    lines = []
    for report in reports:
        if report["state"] == "removed":
            continue
        if not report["reachable"]:
            lines.append(
                f"{report['session']}: what is in the memory of {report['host']} is seen only there; its bytes are "
                "those of its last sign of life."
            )
        for file in report["files_failed"]:
            lines.append(f"{report['session']}: the file {file['name']!r} is not stored: {file['detail']}")
    for report in reports:
        if aside := report["quarantined"]:
            why = ", ".join(aside["reasons"]) or "unknown"
            lines.append(f"{report['session']}: {aside['text']} in the quarantine ({why}): see `hectiqlab quarantine`")
    if any(report["state"] == "waits" for report in reports):
        lines.append("Send what waits with `hectiqlab sync`.")
    return lines
