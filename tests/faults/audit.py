"""The audit: what the lab holds of a trainer, against what the trainer's calls returned and how it ended."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

from pyhectiqlab.errors import NotFoundError
from pyhectiqlab.protocol.states import LIVE_STATES
from pyhectiqlab.transport.http import LabClient

from .ledger import ENDED_WELL, ENDING, FILES, FLAGS, LOGS, POINTS, RAISED
from .trainer import ENDINGS, content
from .world import LOST_AFTER_S, Trainer, until

LOG_LINE = re.compile(r"line (\d+) of (\d+)")
STATES = {"exit": "completed", "close": "completed", "raise": "failed", "exit3": "failed", "term": "stopped"}
KILLED = {"killed", "ended", "lost"}  # "ended": nobody saw how
EXCUSES = {  # faults → the reasons for which they allow events to be given up; each loss is counted
    "disk": {"queue_full", "spool_full"},
    "html_413": {"rejected"},
    "budget": {"spool_full", "queue_full"},
}
FOUND_LOST_S = 2 * LOST_AFTER_S + 5  # for a lab that has just been started
OTHER_EVENTS_MAX = 40  # events of a run besides points and log lines: its state, channels, files


class Audit:
    """The audit of one trainer whose spool says that everything is done. `problems`: what is wrong, in lines."""

    def __init__(self, lab: LabClient, trainer: Trainer) -> None:
        self.lab, self.trainer = lab, trainer
        self.problems: list[str] = []
        self.events = self.lost = self.doubled = self.files = 0
        ledger = trainer.ledger
        if ledger.words[RAISED]:
            self.problem("a call raised: " + trainer.output()[-2000:])
        if trainer.flavour == "home_read_only" and "cannot be written" not in trainer.output():
            self.problem("its home is read-only and it did not say where its spool is: " + trainer.output()[-500:])
        try:
            answer = lab.get("/runs/resolve", {"ref": trainer.ident})
        except NotFoundError:
            if any(ledger.get(slot, POINTS) for slot in ledger.slots()):
                self.problem(f"its run is not at the lab, though calls returned: {trainer.logs()[-2000:]}")
            return
        self.run = lab.get(f"/runs/{answer['id']}")
        missing = self._points() + self._logs()
        self._files()
        self._losses(missing)
        self._state()

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.trainer.ident} ({self.trainer.flavour}): {text}")

    def _points(self) -> int:
        """Report points of calls that returned which are missing."""
        missing = 0
        ledger = self.trainer.ledger
        for slot in ledger.slots():
            returned, well = ledger.get(slot, POINTS), bool(ledger.get(slot, FLAGS) & ENDED_WELL)
            pages = self.lab.points(self.run["id"], f"m{slot}")
            items = [(s, v) for page in pages for s, v in zip(page.step, page.value, strict=True)]
            steps = [s for s, _ in items]
            self.events += len(steps)
            if any(v != s for s, v in items):
                self.problem(f"values of m{slot} are not those that were logged")
            self._in_order(f"m{slot}", steps)
            gone = set(range(returned)) - set(steps)
            if self.trainer.durable:
                missing += 0 if steps == list(range(len(steps))) else len(gone)
            else:
                missing += len(gone)
            most = returned + (0 if well else 1)
            if steps and max(steps) >= most:
                self.problem(f"m{slot} holds step {max(steps)}, but only {returned} calls returned")
        return missing

    def _in_order(self, what: str, numbers: list[int]) -> None:
        twice = len(numbers) - len(set(numbers))
        self.doubled += twice
        if twice:
            self.problem(f"{twice} of {what} are there twice")
        elif numbers != sorted(numbers):
            self.problem(f"{what} are out of order")

    def _logs(self) -> int:
        returned = self.trainer.ledger.get(0, LOGS)
        texts = [event["text"] for event in self.lab.pages(f"/runs/{self.run['id']}/logs", {"limit": 5000})]
        lines = [int(m[1]) for text in texts for m in LOG_LINE.finditer(text)]
        self.events += len(lines)
        self._in_order("log lines", lines)
        gone = set(range(returned)) - set(lines)
        return 0 if self.trainer.durable else len(gone)

    def _files(self) -> None:
        answer = self.lab.pages(f"/runs/{self.run['id']}/artifacts", {"limit": 500})
        by_name = {a["name"]: a for a in answer}
        returned = self.trainer.ledger.get(0, FILES)
        given_up = sum(n for r, n in self.run["losses"].items() if r in ("refused", "file_changed", "file_unreadable"))
        gone = 0
        for n in range(returned):
            artifact: dict[str, Any] | None = by_name.get(f"file-0-{n}.bin")
            if artifact is None:
                gone += 1
            elif artifact["digest"] != hashlib.sha256(content(0, n)).hexdigest():
                self.problem(f"file {n} has other bytes")
            elif artifact["version"] != 1:
                self.problem(f"file {n} has {artifact['version']} versions")
            else:
                self.files += 1
        # Events are sent again from the journal. Nothing is kept of a file that was delivered.
        excused = self.trainer.durable or self.trainer.met & {"html_413", "disk", "lab_from_backup"}
        if gone and not excused:
            self.lost += gone
            self.problem(f"{gone} of {returned} files are missing")
        elif gone > given_up and not self.trainer.durable and not self.trainer.met & {"disk", "lab_from_backup"}:
            self.problem(f"{gone} files are missing and {given_up} were counted")

    def _losses(self, missing: int) -> None:
        """Report events that are missing, unless a fault excuses it and the lab says how many and why."""
        reasons = set[str]().union(*(EXCUSES.get(fault, set()) for fault in self.trainer.met))
        if self.trainer.met >= {"lab_from_backup"} and self.trainer.met & {"disk", "budget"}:
            reasons |= {"lab_restored"}  # there was no room to keep what the lab had taken
        counted = sum(n for reason, n in self.run["losses"].items() if reason in reasons)
        other = {r: n for r, n in self.run["losses"].items() if r not in reasons}
        in_flight = len(self.trainer.ledger.slots())
        if missing > counted:
            self.lost += missing - counted
            self.problem(
                f"{missing} events are missing, {counted} were counted ({self.run['losses']}): "
                f"{self._holes()} {self.trainer.logs()[-1500:]}"
            )
        elif counted > missing + OTHER_EVENTS_MAX + in_flight and not self.trainer.durable:
            self.problem(f"{missing} events are missing, yet {counted} were counted: {self.run['losses']}")
        for reason in other.keys() - {"refused", "file_changed", "file_unreadable", "file_unkept"}:
            if not self.trainer.durable:
                self.problem(f"a loss that nothing excuses: {other[reason]} by {reason}: {self.trainer.logs()[-1500:]}")

    def _holes(self) -> str:
        ledger = self.trainer.ledger
        holes = []
        for slot in ledger.slots():
            pages = self.lab.points(self.run["id"], f"m{slot}")
            steps = {s for page in pages for s in page.step}
            gone = sorted(set(range(ledger.get(slot, POINTS))) - steps)
            if gone:
                holes.append(f"m{slot}: {len(gone)} of {ledger.get(slot, POINTS)}, first {gone[0]}, last {gone[-1]};")
        return " ".join(holes)

    def _state(self) -> None:
        trainer, state = self.trainer, self._final_state()
        ending = ENDINGS[trainer.ledger.words[ENDING]]
        if trainer.status is not None and os.WIFSIGNALED(trainer.status) and os.WTERMSIG(trainer.status) == 9:
            right = KILLED | ({STATES[ending]} if trainer.ledger.get(0, FLAGS) & ENDED_WELL else set())
        elif trainer.status is not None:
            right = {STATES[ending]}
        else:
            right = set()
        if state not in right:
            cause = self.run["sessions"][0].get("cause", "") if self.run["sessions"] else "no session"
            self.problem(f"its state is {state} ({cause}), it should be {' or '.join(sorted(right))}")
        self._durable()

    def _final_state(self) -> str:
        """Check the final state. Only the lab may know of a script that was killed within `Run(...)`, and that is: it
        is silent.
        """

        def ended() -> str:
            self.run = self.lab.get(f"/runs/{self.run['id']}")
            return "" if self.run["state"] in LIVE_STATES else str(self.run["state"])

        return str(until(ended, FOUND_LOST_S) or self.run["state"])

    def _durable(self) -> None:
        """Check, after a power failure, that everything that was synced has arrived."""
        if not self.trainer.durable:
            return
        cursors = {w["writer"]: w["cursor"] for w in self.lab.pages(f"/runs/{self.run['id']}/writers")}
        for writer, last in self.trainer.durable.items():
            if cursors.get(writer, 0) < last:
                self.lost += last - cursors.get(writer, 0)
                self.problem(f"{last} events of {writer} were synced, the lab has {cursors.get(writer, 0)}")
