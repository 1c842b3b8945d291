"""`hectiqlab watch`."""

from __future__ import annotations

import math
import operator
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from ..errors import LabUnavailableError, LabUnreachableError
from ..protocol.search import quoted
from ..protocol.states import ALL_STATES, COMPLETED, LIVE_STATES
from ..read import RunView, search_runs
from .completion import runs
from .output import echo_json, json_option, number, short

ENDED_WITHOUT, TOO_LATE = 3, 4  # exit statuses that only this command has
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {  # longer ones first
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A condition to wait for. `key`: the metric that is compared with `bound`; "" if the state has to be one of
    `states`.
    """

    key: str
    comparison: str
    bound: float
    states: frozenset[str]

    def holds(self, run: RunView) -> bool:
        if not self.key:
            return run.state in self.states
        value = run.last.get(self.key)
        if value is None or math.isnan(self.bound):
            return value is not None and math.isnan(value)
        return _COMPARISONS[self.comparison](value, self.bound)


def condition(text: str) -> Condition:
    """Return the condition that a text of `--until` means. Raises ValueError."""
    for comparison in _COMPARISONS:
        key, there, value = text.partition(comparison)
        key, value = key.strip().removeprefix("metric."), value.strip()
        if not (there and key and value):
            continue
        if key == "state" and comparison in ("=", "=="):
            wanted = frozenset(value.split(","))
            if not wanted <= ALL_STATES:
                raise ValueError(f"{value!r} is not a state of a run: {', '.join(sorted(ALL_STATES))}")
            return Condition("", "=", math.nan, wanted)
        try:
            return Condition(key, comparison, float(value), frozenset())
        except ValueError:
            raise ValueError(f"{value!r} is not a number: give KEY<NUMBER or state=STATE") from None
    raise ValueError(f"{text!r} is not a condition: give state=STATE or KEY<NUMBER (also <=, >, >=, =)")


@click.command("watch", short_help="Wait for the end of a run, a state, or a value of a metric.")
@click.argument("run", shell_complete=runs)
@click.option("--until", "texts", multiple=True, metavar="CONDITION", help="state=completed,failed or 'loss<0.1'.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up after so long.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between looks.")
@json_option("a JSON object at the end")
@click.pass_obj
def command(
    profile: str | None, run: str, texts: tuple[str, ...], timeout: float | None, every: float, as_json: bool
) -> None:
    """Wait until RUN has ended, or until one of the CONDITIONs holds: of its state, or of the newest value of a metric.

    The exit status is 0 if a condition holds or, without conditions, if the run completed; 3 if the run ended and none
    of this is so; 4 after SECONDS. A run that is lost has ended. A lab that does not answer is asked again until it
    does.
    """
    from .. import read

    try:
        conditions = [condition(text) for text in texts]
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None
    view = read.run(run, profile=profile)
    keys = [one.key for one in conditions if one.key]
    give_up = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        try:
            view = search_runs(None, f"id={quoted(view.id)}", keys=keys, limit=1, profile=profile).first() or view
        except (LabUnreachableError, LabUnavailableError) as e:
            click.echo(f"{e} It is asked again.", err=True)
        reached = [text for text, one in zip(texts, conditions, strict=True) if one.holds(view)]
        ended = view.state not in LIVE_STATES
        if reached or ended or time.monotonic() >= give_up:
            break
        time.sleep(min(every, max(0.0, give_up - time.monotonic())))
    well = bool(reached) if conditions else view.state == COMPLETED
    code = 0 if well else ENDED_WITHOUT if ended else TOO_LATE
    last = {key: number(view.last[key]) for key in keys if key in view.last}
    if as_json:
        what = {"id": view.id, "name": view.name, "state": view.state, "state_why": view.state_why, "last": last}
        echo_json({**what, "reached": reached, "status": code})
    else:
        values = "".join(f", {key}={short(view.last[key])}" for key in last)
        click.echo(f"{view.name}: {view.state}{values}" + (f": {reached[0]}" if reached else ""))
    sys.exit(code)
