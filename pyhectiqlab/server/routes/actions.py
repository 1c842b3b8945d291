"""Actions on one run or many, all in one transaction, with what takes them back.

The actions: tags, notes, names, groups, the archive, moves to another project, deletion.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Response

from ...protocol import states
from ...store.accounts import Change
from ...store.edits import Tag
from ...store.meta import MetaTransaction, NameTakenError, ProjectArchivedError, Run
from ...store.projects import ProjectGoneError
from ...store.purging import PurgedError
from ...store.quotas import QuotaExceededError
from ..access.access import TheCaller, TheLab
from ..access.permitted import changeable_runs, project_to_add_to
from ..accounts.accounts import Caller
from ..http.guard import JSON_BYTES_MAX
from ..http.replies import ApiError, reply_large
from ..lab import KEEP_DELETED_S, Lab
from ..models import models_actions as models
from ..turns.bodies import BodyRoute
from .common import Router, answers

router = Router(tags=["runs"], route_class=BodyRoute)
TOO_LONG = "The notes or tags of these runs are too long to be replaced at once: send fewer runs."
NOTE_CHARS_AUDITED = 100


@router.post("/runs/actions", response_model=None, responses=answers(models.ActionsAnswer, 200, 403, 404, 409, 410))
def act(body: models.ActionsBody, lab: TheLab, caller: TheCaller) -> Response:
    """Change tags, notes, names and groups of runs, archive, move, delete and restore them: all that the body says, or
    nothing. Each run is to be one that the caller may rename.

    A search finds archived runs only with a term `archived`, or by `id`. Their links and names lead to them as before.

    A run moves with its points, files and all else that it logged to a project that takes runs of the caller. Versions
    of models and datasets that it made stay in their project. 409 `run_live`: a run that goes on stays where its script
    opened it.

    What the lab stores last counts, whoever sent it: a script that sets its note, or adds its tag, after an action
    replaces what the action said.
    """
    named = [_runs_of(action) for action in body.actions]
    if sum(map(len, named)) > models.RUNS_MAX:
        raise ApiError(422, "invalid", f"These are more than {models.RUNS_MAX:,} runs: send several requests.")
    if not _fits([{"notes": _notes_of(action)} for action in body.actions]):  # what takes the undo back would not
        raise ApiError(422, "too_long", TOO_LONG)
    ids = list(dict.fromkeys(run for some in named for run in some))
    restored = {run for action in body.actions if isinstance(action, models.RestoreAction) for run in action.runs}
    runs = changeable_runs(lab, caller, ids, restored)
    places = {
        action.project: project_to_add_to(lab, caller, action.project)
        for action in body.actions
        if isinstance(action, models.MoveAction)
    }
    _check_lives(body.actions, runs)

    def change(tx: MetaTransaction) -> tuple[list[str], list[dict[str, Any]]]:
        tx.hold_runs(ids)
        for run in tx.run_ids(ids).values():
            if run.deleted and run.id not in restored:  # meanwhile
                raise ApiError(410, "run_deleted", f"The run {runs[run.id].name!r} ({run.id}) was deleted.")
        changed: dict[str, None] = {}
        undo: list[dict[str, Any]] = []
        for action in body.actions:
            back = _do(tx, action, {ref: project.id for ref, project in places.items()})
            its = [run for one in back for run in _runs_in(one)]
            undo[:0] = back
            changed.update(dict.fromkeys(its))
            tx.note_changes([_noted(caller, action, runs[run]) for run in its])
        if len(undo) > models.ACTIONS_MAX or not _fits(undo):
            raise ApiError(422, "too_long", TOO_LONG)
        return list(changed), undo

    changed_ids, undo = _written(lab, change)
    if places:  # who may read and add to these runs is another by now
        lab.accounts.mark.set()
    return reply_large({"changed": changed_ids, "undo": undo})


def _fits(actions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether somebody can send them back to us."""
    if sum(len(text) for action in actions for text in action.get("notes", {}).values()) > JSON_BYTES_MAX:
        return False  # found out without encoding what may be 60 MiB
    return len(json.dumps({"actions": actions})) <= JSON_BYTES_MAX


def _check_lives(actions: Sequence[models.Action], runs: Mapping[str, Run]) -> None:
    """Raise ApiError where a run cannot be moved, or not be restored any more."""
    for action in actions:
        for run in map(runs.__getitem__, _runs_of(action)):
            named = f"The run {run.name!r} ({run.id})"
            if isinstance(action, models.MoveAction) and run.state in states.LIVE_STATES:
                raise ApiError(409, "run_live", f"{named} is {run.state}: it can be moved once it has ended.")
            if isinstance(action, models.RestoreAction) and _is_gone(run):
                raise ApiError(410, "run_purged", f"{named} was deleted too long ago: its data is gone.")


def _is_gone(run: Run) -> bool:
    return run.deleted is not None and (run.purged is not None or run.deleted < time.time() - KEEP_DELETED_S)


def _written(
    lab: Lab, change: Callable[[MetaTransaction], tuple[list[str], list[dict[str, Any]]]]
) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        return lab.write(change)
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    except ProjectArchivedError as e:
        raise ApiError(403, "project_archived", str(e)) from None
    except ProjectGoneError as e:
        raise ApiError(410, "project_deleted", str(e)) from None
    except PurgedError as e:
        raise ApiError(410, "run_purged", str(e)) from None
    except QuotaExceededError as e:
        raise lab.files.over_quota(e) from None


def _do(tx: MetaTransaction, action: models.Action, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """Do an action. Return the actions that take it back; they name each run that it changed once. `places`: what
    actions call a project → its id.
    """
    if isinstance(action, models.NamesAction):
        names = tx.rename_runs(action.names)
        return [{"action": "names", "names": names}] if names else []
    if isinstance(action, models.GroupAction):
        groups = tx.set_group(action.runs, action.group)
        return [{"action": "group", "runs": ids, "group": group} for group, ids in _grouped(groups)]
    if isinstance(action, models.MoveAction):
        moved = tx.move_runs(action.runs, places[action.project])
        return [{"action": "move", "runs": ids, "project": project} for project, ids in _grouped(moved)]
    if isinstance(action, models.ArchiveAction | models.UnarchiveAction):
        archives = isinstance(action, models.ArchiveAction)
        other = list(tx.set_runs_archived(action.runs, time.time() if archives else None))
        return [{"action": "unarchive" if archives else "archive", "runs": other}] if other else []
    if isinstance(action, models.DeleteAction | models.RestoreAction):
        return _delete_or_restore(tx, action)
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


def _delete_or_restore(tx: MetaTransaction, action: models.DeleteAction | models.RestoreAction) -> list[dict[str, Any]]:
    deletes, now = isinstance(action, models.DeleteAction), time.time()
    known = tx.run_ids(action.runs)
    ids = [run for run in dict.fromkeys(action.runs) if known[run].deleted != deletes]
    for run in ids:
        if deletes:
            tx.delete_run(run, now)
        else:
            tx.restore_run(run, now)
    return [{"action": "restore" if deletes else "delete", "runs": ids}] if ids else []


def _notes_of(action: models.Action) -> dict[str, str]:
    """Return the notes that an action sets, by run."""
    if isinstance(action, models.NotesAction):
        return action.notes
    return dict.fromkeys(action.runs, action.text) if isinstance(action, models.NoteAction) else {}


def _runs_of(action: models.Action) -> Sequence[str]:
    if isinstance(action, models.NotesAction | models.NamesAction):
        return list(action.notes if isinstance(action, models.NotesAction) else action.names)
    return action.runs


def _runs_in(back: Mapping[str, Any]) -> Sequence[str]:
    """Return the runs of an action that takes something back."""
    return list(back.get("notes") or back.get("names") or back["runs"])


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
    if isinstance(action, models.NamesAction):
        return caller.change("renamed", subject, f"to {action.names[run.id]}")
    if isinstance(action, models.GroupAction):
        return caller.change("grouped", subject, f"into {action.group}" if action.group else "into no group")
    if isinstance(action, models.MoveAction):
        return caller.change("moved", subject, f"to project {action.project}")
    if isinstance(action, models.ArchiveAction | models.UnarchiveAction):
        return caller.change("archived" if isinstance(action, models.ArchiveAction) else "unarchived", subject)
    if isinstance(action, models.DeleteAction | models.RestoreAction):
        return caller.change("deleted" if isinstance(action, models.DeleteAction) else "restored", subject)
    return caller.change("tagged" if isinstance(action, models.TagAction) else "untagged", subject, action.name)
