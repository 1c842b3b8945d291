"""`hectiqlab logs`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

import click

from ..base.texts import isolated
from ..protocol.states import FINAL_STATES
from ..protocol.terminal import Line, Terminals
from ..read import Log, RunView
from .completion import runs
from .output import json_option, json_text

_EVERY_S = 1.0


@click.command("logs", short_help="Print what a run logged, as a terminal would have shown it.")
@click.argument("run", shell_complete=runs)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--channel", metavar="NAME", help="Only of this channel: default, stdout, stderr, or a logger's name.")
@click.option("--level", metavar="LEVEL", help="Only this level and worse, such as WARNING.")
@click.option("--rank", type=int, help="Only of this rank.")
@click.option("--attempt", type=int, help="Only of this attempt.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its local time.")
@click.option("--raw", is_flag=True, help="As it was written, control characters included.")
@json_option("a JSON object a line for each text")
@click.pass_obj
def command(
    profile: str | None,
    run: str,
    follow: bool,
    channel: str | None,
    level: str | None,
    rank: int | None,
    attempt: int | None,
    timestamps: bool,
    raw: bool,
    as_json: bool,
) -> None:
    """Print what RUN logged, in order of arrival at the lab, as a terminal would have shown it.

    RUN is an id, the link of its page, or its name where only one run has it. Lines of a run of several ranks begin
    with the rank. With --json each object has `time` (seconds since 1970 UTC), `level`, `channel`, `rank`, `attempt`,
    `text` and `writer`, the process that it came from.
    """
    from .. import read

    if raw and as_json:
        raise click.UsageError("Give --raw or --json, not both.")
    view = read.run(run, profile=profile)
    screen = _Screen(view.ranks > 1 and rank is None, timestamps)
    show: Callable[[Log], None] = _print_json if as_json else _print_raw if raw else screen.show
    wait = _Wait(view, profile, screen) if follow else None
    log = None
    for log in view.iter_logs(channel=channel, level=level, rank=rank, attempt=attempt, wait=wait):
        show(log)
    screen.end()
    if log is None:
        narrowed = any(asked is not None for asked in (channel, level, rank, attempt))
        why = "fits" if narrowed else "was logged: a script records its logs by run.start_recording_logs()"
        click.echo(f"Nothing {why}.", err=True)


class _Screen:
    """Prints lines when they are finished. Unfinished lines are printed at the end. On a terminal, where they can be
    erased again, they are also printed meanwhile.
    """

    def __init__(self, ranks: bool, timestamps: bool) -> None:
        self._ranks, self._timestamps = ranks, timestamps
        self._terminals: Terminals[Log] = Terminals()
        self._rewrites = sys.stdout.isatty()
        self._unfinished = 0  # how many lines of the terminal show unfinished lines

    def show(self, log: Log) -> None:
        lines = list(self._terminals.feed((log.rank, log.attempt, log.writer), log.text, log))
        if lines:
            self._take_back()
        for line in lines:
            click.echo(self._of(line))

    def pause(self) -> None:
        """Show unfinished lines, as nothing more comes for a while."""
        if self._rewrites:
            self._take_back()
            columns = shutil.get_terminal_size().columns
            for line in self._terminals.rest():
                click.echo(self._of(line)[: columns - 1])  # a line that wraps could not be erased
                self._unfinished += 1
        sys.stdout.flush()

    def end(self) -> None:
        self._take_back()
        for line in self._terminals.rest():
            click.echo(self._of(line))

    def _take_back(self) -> None:
        if self._unfinished:
            click.echo(f"\033[{self._unfinished}A\033[J", nl=False)
            self._unfinished = 0

    def _of(self, line: Line[Log]) -> str:
        log = line.tag
        at = f"{_clock(log.time)}  " if self._timestamps else ""
        return f"{at}{f'[{log.rank}] ' if self._ranks else ''}{isolated(line.text)}"


class _Wait:
    """Called when there is no more to print. Waits, and returns whether to look again."""

    def __init__(self, run: RunView, profile: str | None, screen: _Screen) -> None:
        self._run, self._profile, self._screen = run, profile, screen
        self._ended = run.state in FINAL_STATES

    def __call__(self) -> bool:
        from .. import read

        if self._ended:
            return False
        self._screen.pause()
        time.sleep(_EVERY_S)
        # The state is read before the last page, which then has everything that was logged before the end.
        self._ended = read.run(self._run.id, profile=self._profile).state in FINAL_STATES
        return True


def _print_raw(log: Log) -> None:
    click.echo(log.text, nl=False, color=True)


def _print_json(log: Log) -> None:
    click.echo(json_text(log._asdict()))


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + f".{int(seconds * 1000) % 1000:03}"
