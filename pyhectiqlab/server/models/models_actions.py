"""The JSON of actions on runs, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from ...protocol import limits
from .models import Body, Id, Name, NewName

RUNS_MAX = 1000  # runs of one request, over all its actions
ACTIONS_MAX = 100  # of one request; each is a few statements, for which all other writers wait


Note = Annotated[str, Field(max_length=limits.NOTE_CHARS_MAX)]


class _OnRuns(Body):
    runs: Annotated[list[Id], Field(min_length=1, max_length=RUNS_MAX), FailFast()]


class TagAction(_OnRuns):
    action: Literal["tag"]
    name: Name
    color: Annotated[str, Field(max_length=limits.TAG_COLOR_CHARS_MAX)] | None = None
    description: Annotated[str, Field(max_length=limits.TAG_DESCRIPTION_CHARS_MAX)] | None = Field(
        None, description="Without it and without a color, a run that has the tag keeps what it has of both."
    )


class UntagAction(_OnRuns):
    action: Literal["untag"]
    name: Annotated[str, Field(min_length=1, max_length=limits.NAME_BYTES_MAX)]


class NoteAction(_OnRuns):
    action: Literal["note"]
    text: Note


class NotesAction(Body):
    action: Literal["notes"]
    notes: Annotated[dict[Id, Note], Field(min_length=1, max_length=RUNS_MAX)] = Field(
        description="The note of each run, by its id."
    )


class NamesAction(Body):
    action: Literal["names"]
    names: Annotated[dict[Id, NewName], Field(min_length=1, max_length=RUNS_MAX)] = Field(
        description="The name of each run, by its id."
    )


class GroupAction(_OnRuns):
    action: Literal["group"]
    group: Name | Literal[""] = Field(description="Empty: they are in no group then.")


class DeleteAction(_OnRuns):
    action: Literal["delete"]


class RestoreAction(_OnRuns):
    action: Literal["restore"]


class ArchiveAction(_OnRuns):
    action: Literal["archive"]


class UnarchiveAction(_OnRuns):
    action: Literal["unarchive"]


class MoveAction(_OnRuns):
    action: Literal["move"]
    project: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="Name or id.")


Action = Annotated[
    TagAction
    | UntagAction
    | NoteAction
    | NotesAction
    | NamesAction
    | GroupAction
    | ArchiveAction
    | UnarchiveAction
    | DeleteAction
    | RestoreAction
    | MoveAction,
    Field(discriminator="action"),
]


class ActionsBody(Body):
    actions: Annotated[list[Action], Field(min_length=1, max_length=ACTIONS_MAX), FailFast()] = Field(
        description=f"They are done in this order. All together name at most {RUNS_MAX:,} runs."
    )


class ActionsAnswer(BaseModel):
    changed: list[str] = Field(description="Ids of the runs that were not as wanted before.")
    undo: list[Action] = Field(description="The `actions` that take it back; empty where nothing changed.")
