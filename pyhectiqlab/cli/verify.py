"""`hectiqlab verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from ..base.texts import counted
from .output import clean, echo_json, json_option

if TYPE_CHECKING:
    from ..uploader.verify import RunVerdict, WriterVerdict


@click.command("verify", short_help="Compare what is here with what the lab holds.")
@click.argument("run", required=False)
@json_option("a JSON list of runs, with every writer and range")
@click.pass_obj
def command(profile: str | None, run: str | None, as_json: bool) -> None:
    """Compare what the sessions on this machine hold with what the lab holds of RUN (an id, a link or a name), or of
    every run that they belong to.

    Each process writes a numbered stream of events into a run. The journals here still keep the last day of it, which
    is compared by content. For the rest, the lab has to account for every number. Fails if something does not agree:
    ranges that differ, numbers that the lab lacks though it had them (it was restored from a backup: `hectiqlab sync`
    sends again what is kept), and numbers of which the lab knows nothing. What waits to be sent, and losses that were
    reported, are shown but are no failure.
    """
    verdicts = _verdicts(profile, run)
    if as_json:
        echo_json([{**asdict(v), "agrees": v.agrees} for v in verdicts])
    elif not verdicts:
        click.echo("No run that the lab knows has a session here.")
    else:
        for verdict in verdicts:
            for line in _lines(verdict):
                click.echo(clean(line))
    if not as_json and run is None:
        for line in _unattached():
            click.echo(clean(line))
    if not all(verdict.agrees for verdict in verdicts):
        sys.exit(1)


def _verdicts(profile: str | None, ref: str | None) -> list[RunVerdict]:
    from ..errors import LabError
    from ..transport.connecting import client_of, connect, find_profile
    from ..uploader.verify import RunVerdict, quarantined, runs_here, verify_run

    here, aside = runs_here(), quarantined()
    if ref is not None:
        with client_of(find_profile(profile)) as client:
            answer: dict[str, Any] = client.get("/runs/resolve", {"ref": ref})
            verdict = verify_run(client, answer["id"], answer["name"], here.get(answer["id"], []))
            return [replace(verdict, quarantined=aside.get(answer["id"], 0))]
    verdicts = []
    for run, its in here.items():
        info = its[0][1]
        name = str(info.attach.get("name", ""))
        try:
            with connect(*info.lab) as client:
                verdicts.append(verify_run(client, run, name, its))
        except LabError as e:
            verdicts.append(RunVerdict(run, name, error=str(e)))
    known = [replace(verdict, quarantined=aside.pop(verdict.run, 0)) for verdict in verdicts]
    gone = "its session is not here any more"
    return known + [RunVerdict(run, run, error=gone, quarantined=count) for run, count in aside.items()]


def _unattached() -> list[str]:
    """Return lines about what is on this machine and belongs to no run of a lab yet."""
    from ..uploader.report import session_reports

    lines = []
    for report in session_reports():
        waiting: dict[str, int] = {}
        for writer in report.get("writers", ()):
            if not writer["attached"] and not writer["done"]:
                waiting[writer["run"]] = waiting.get(writer["run"], 0) + writer["produced"] - writer["acked"]
        for name, count in waiting.items():
            wait = f"{counted(count, 'event')} wait{'s' * (count == 1)} for `hectiqlab sync`"
            lines.append(f"{name}: no lab has it yet; {wait} (session {report['session']})")
    return lines


def _lines(verdict: RunVerdict) -> list[str]:
    title = f"{verdict.name} ({verdict.run})"
    if verdict.error:
        aside = verdict.quarantined
        also = f" ({_aside(aside)})" if aside else ""
        return [f"{title}: cannot be compared: {verdict.error}{also}"]
    writers = verdict.writers
    points, events = sum(w.points for w in writers), sum(w.events for w in writers)
    state = "agrees" if verdict.agrees else "does NOT agree"
    compared = sum(w.compared for w in writers)
    lines = [
        f"{title}: {state}; {counted(points, 'point')} and {counted(events, 'other event')} at the lab, "
        f"{compared:,} compared by content"
    ]
    lost: dict[str, int] = {}
    for writer in writers:
        for reason, count in writer.losses.items():
            lost[reason] = lost.get(reason, 0) + count
    if lost:
        lines.append("  lost and reported: " + ", ".join(f"{reason} {count:,}" for reason, count in lost.items()))
    if verdict.quarantined:
        lines.append(f"  {_aside(verdict.quarantined)}")
    return lines + [line for writer in writers for line in _of_writer(writer)]


def _aside(count: int) -> str:
    return f"in the quarantine: {counted(count, 'event or file', 'events or files')}, see `hectiqlab quarantine`"


def _of_writer(writer: WriterVerdict) -> list[str]:
    where = f"session {writer.session} at {writer.host}" if writer.here else "of another machine"
    said = [
        (writer.waiting, f"{writer.waiting:,} wait to be sent"),
        (writer.gap, f"the lab lacks {writer.gap:,} that it had; `hectiqlab sync` sends what is still kept"),
        (writer.unaccounted, f"the lab has nothing for {writer.unaccounted:,} of {writer.cursor:,} numbers"),
        (writer.stopped, f"not sent any more: {writer.stopped} at the lab"),
    ]
    lines = [f"  writer {writer.writer} ({where}): {text}" for amount, text in said if amount]
    return lines + [
        f"  writer {writer.writer} ({where}): {first:,} to {last:,} differ: {what}"
        for first, last, what in writer.differs
    ]
