"""Actions on one run or many: tags and notes, all in one transaction, with what takes them back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response

from ...store.accounts import Change
from ...store.edits import Tag
from ...store.meta import MetaTransaction, Run
from .. import models_actions as models
from ..access import TheCaller, TheLab, changeable_runs
from ..accounts import Caller
from ..bodies import BodyRoute
from ..guard import JSON_BYTES_MAX
from ..replies import ApiError, reply_large
from .common import Router, answers

router = Router(tags=["runs"], route_class=BodyRoute)
TOO_LONG = "The notes or tags of these runs are too long to be replaced at once: send fewer runs."
NOTE_CHARS_AUDITED = 100


@router.post("/runs/actions", response_model=None, responses=answers(models.ActionsAnswer, 200, 403, 404, 410))
def act(body: models.ActionsBody, lab: TheLab, caller: TheCaller) -> Response:
    """Change tags and notes of runs: all that the body says, or nothing. Each run is to be one that the caller may
    rename.

    What the lab stores last counts, whoever sent it: a script that sets its note, or adds its tag, after an action
    replaces what the action said.
    """
    named = [_runs_of(action) for action in body.actions]
    if sum(map(len, named)) > models.RUNS_MAX:
        raise ApiError(422, "invalid", f"These are more than {models.RUNS_MAX:,} runs: send several requests.")
    if not _fits([{"notes": _notes_of(action)} for action in body.actions]):  # what takes the undo back would not
        raise ApiError(422, "too_long", TOO_LONG)
    ids = list(dict.fromkeys(run for some in named for run in some))
    runs = changeable_runs(lab, caller, ids)

    def change(tx: MetaTransaction) -> tuple[list[str], list[dict[str, Any]]]:
        tx.hold_runs(ids)
        for run in tx.run_ids(ids).values():
            if run.deleted:  # meanwhile
                raise ApiError(410, "run_deleted", f"The run {runs[run.id].name!r} ({run.id}) was deleted.")
        changed: dict[str, None] = {}
        undo: list[dict[str, Any]] = []
        for action in body.actions:
            back = _do(tx, action)
            its = [run for one in back for run in _runs_in(one)]
            undo[:0] = back
            changed.update(dict.fromkeys(its))
            tx.note_changes([_noted(caller, action, runs[run]) for run in its])
        if len(undo) > models.ACTIONS_MAX or not _fits(undo):
            raise ApiError(422, "too_long", TOO_LONG)
        return list(changed), undo

    changed_ids, undo = lab.write(change)
    return reply_large({"changed": changed_ids, "undo": undo})


def _fits(actions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether somebody can send them back to us."""
    if sum(len(text) for action in actions for text in action.get("notes", {}).values()) > JSON_BYTES_MAX:
        return False  # found out without encoding what may be 60 MiB
    return len(json.dumps({"actions": actions})) <= JSON_BYTES_MAX


def _do(tx: MetaTransaction, action: models.Action) -> list[dict[str, Any]]:
    """Do it, and return the actions that take it back, which name each run that it changed once."""
    if isinstance(action, models.NoteAction | models.NotesAction):
        notes = tx.set_notes(_notes_of(action))
        return [{"action": "notes", "notes": notes}] if notes else []
    if isinstance(action, models.UntagAction):
        return [_tag_again(ids, tag) for tag, ids in _grouped(tx.remove_tag(action.runs, action.name))]
    tag = Tag(action.name, action.color, action.description)
    before = tx.add_tag(action.runs, tag, replace=not {"color", "description"}.isdisjoint(action.model_fields_set))
    return [
        {"action": "untag", "runs": ids, "name": action.name} if tag is None else _tag_again(ids, tag)
        for tag, ids in _grouped(before)
    ]


def _notes_of(action: models.Action) -> dict[str, str]:
    """Return the notes that it sets, by run."""
    if isinstance(action, models.NotesAction):
        return action.notes
    return dict.fromkeys(action.runs, action.text) if isinstance(action, models.NoteAction) else {}


def _runs_of(action: models.Action) -> Sequence[str]:
    return list(action.notes) if isinstance(action, models.NotesAction) else action.runs


def _runs_in(back: Mapping[str, Any]) -> Sequence[str]:
    """Return the runs of an action that takes something back."""
    return list(back["notes"]) if back["action"] == "notes" else back["runs"]


def _tag_again(ids: Sequence[str], tag: Tag) -> dict[str, Any]:
    return {"action": "tag", "runs": ids, "name": tag.name, "color": tag.color, "description": tag.description}


def _grouped(before: Mapping[str, Any]) -> list[tuple[Any, list[str]]]:
    """Return each value with the runs that had it."""
    groups: dict[Any, list[str]] = {}
    for run, value in before.items():
        groups.setdefault(value, []).append(run)
    return list(groups.items())


def _noted(caller: Caller, action: models.Action, run: Run) -> Change:
    """Return the entry of the audit log."""
    subject = f"run {run.project}/{run.name} ({run.id})"
    if isinstance(action, models.NoteAction | models.NotesAction):
        return caller.change("set the note of", subject, f"to {_notes_of(action)[run.id][:NOTE_CHARS_AUDITED]!r}")
    return caller.change("tagged" if isinstance(action, models.TagAction) else "untagged", subject, action.name)
