"""Run states and who may move a run from one to another, as data.

A script sets the states of SCRIPT_STATES, as often and in any order it likes (existing scripts call `completed()` and
then
`failed()`). The states of ENDED_BY_LAB are never set by a script: they are what the uploader or the lab found out
about a process.

    pending ─ running ─ training           the job is alive
    completed  failed  stopped             the script said so, or it ended that way
    killed                                 ended by a signal that it did not handle
    ended                                  ended, cause unknown
    lost                                   no sign of life for some heartbeats; a later sign revives it
"""

from __future__ import annotations

PENDING = "pending"
RUNNING = "running"
TRAINING = "training"
COMPLETED = "completed"
FAILED = "failed"
STOPPED = "stopped"
KILLED = "killed"
ENDED = "ended"
LOST = "lost"

LIVE_STATES = frozenset({PENDING, RUNNING, TRAINING})
FINAL_STATES = frozenset({COMPLETED, FAILED, STOPPED, KILLED, ENDED})
SCRIPT_STATES = frozenset({PENDING, RUNNING, TRAINING, COMPLETED, FAILED, STOPPED})
ALL_STATES = LIVE_STATES | FINAL_STATES | {LOST}


def state_after_end(state: str, found: str) -> str:
    """State of a run in `state` once its owner's process ended and was found to have ended as `found`.

    A state that the script itself made final stands when nothing worse is known of the end; a process that died or
    failed afterwards is told as it was.
    """
    if found in (COMPLETED, ENDED) and state in FINAL_STATES:
        return state
    return found
