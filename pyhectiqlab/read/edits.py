"""Change runs from Python, one or many in one request, and undo the change.

What can be changed: tags, notes, the project, the archive, deletion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..base.texts import counted
from ..profile import Profile
from ..protocol import limits
from ..protocol.names import new_name
from .shapes import ReadsRun, asking, shaped

RUNS_MAX = 1000  # in one request


@dataclass(frozen=True)
class Edited:
    """What a change did, and how to undo it.

    Attributes:
        changed: ids of the runs that the change altered; those that were already as wanted are not among them.
    """

    changed: list[str]
    _undo: list[dict[str, Any]] = field(repr=False)
    _profile: Profile | None = field(repr=False)

    def undo(self) -> Edited:
        """Undo the change: each run gets what it had before it, whatever was changed in between. Blocks on the
        network.
        """
        return _sent(self._profile, self._undo)


def add_tag(
    runs: ReadsRun | Iterable[ReadsRun], name: str, *, description: str | None = None, color: str | None = None
) -> Edited:
    """Attach a tag to one run or to many. Either all of them get it, or none. Blocks on the network.

    Args:
        runs: a run, or runs such as `search_runs` finds; at most 1,000.
        name: at most 512 bytes. A run that has a tag of this name gets this description and color; where neither is
            given, it keeps its own.
        description: at most 4,096 characters.
        color: a color as hex, such as "#2e7d32".

    Raises:
        PermissionDeniedError: a run is somebody else's and you are no admin of its project.
        ValueError, TypeError: an argument that is not allowed; more than 1,000 runs.
    """
    _check_text("the name of a tag", name)
    given = {} if description is None and color is None else {"description": description, "color": color}
    return _act(runs, action="tag", name=new_name("name of a tag", name), **given)


def remove_tag(runs: ReadsRun | Iterable[ReadsRun], name: str) -> Edited:
    """Remove a tag from one run or from many, as `add_tag`. Runs without it stay as they are."""
    _check_text("the name of a tag", name)
    return _act(runs, action="untag", name=name)


def set_note(runs: ReadsRun | Iterable[ReadsRun], text: str) -> Edited:
    """Replace the note of one run or of many, as `add_tag`. At most 65,536 characters."""
    _check_text("a note", text)
    if len(text) > limits.NOTE_CHARS_MAX:
        raise ValueError(f"the note has more than {limits.NOTE_CHARS_MAX:,} characters")
    return _act(runs, action="note", text=text)


def set_group(runs: ReadsRun | Iterable[ReadsRun], group: str) -> Edited:
    """Put one run or many, as `add_tag`, into a group; "" takes them out of their group. At most 512 bytes."""
    _check_text("a group", group)
    if group:
        new_name("name of a group", group)
    return _act(runs, action="group", group=group)


def move_runs(runs: ReadsRun | Iterable[ReadsRun], project: str) -> Edited:
    """Move one run or many, as `add_tag`, to another project, with their points, files and all else that they logged.
    Versions of models and datasets that they made stay in their project.

    Args:
        project: its name or id. It must take runs of yours.

    Raises ConflictError if a run has not ended, or if the project has a run of the same name.
    """
    _check_text("a project", project)
    return _act(runs, action="move", project=project)


def archive_runs(runs: ReadsRun | Iterable[ReadsRun]) -> Edited:
    """Archive one run or many, as `add_tag`: searches find them only with a term `archived`, such as `archived=true`.
    Their links, names, points and files stay, and a script that still logs to one is not disturbed. A script that opens
    one for another attempt takes it out of the archive.
    """
    return _act(runs, action="archive")


def unarchive_runs(runs: ReadsRun | Iterable[ReadsRun]) -> Edited:
    """Take one run or many out of the archive, as `add_tag`."""
    return _act(runs, action="unarchive")


def delete_runs(runs: ReadsRun | Iterable[ReadsRun]) -> Edited:
    """Delete one run or many, as `add_tag`. `undo` restores them within 7 days."""
    return _act(runs, action="delete")


class EditsRun(ReadsRun):
    """The part of RunView that changes tags, note and group. The view itself still shows what it showed: see
    `refreshed`.

    The last change that reaches the lab counts: a script that sends a note or tag later replaces the one set here.
    """

    def add_tag(self, name: str, *, description: str | None = None, color: str | None = None) -> Edited:
        """Attach a tag. See `read.add_tag`, which does so for many runs at once."""
        return add_tag(self, name, description=description, color=color)

    def remove_tag(self, name: str) -> Edited:
        """Remove a tag. See `read.remove_tag`."""
        return remove_tag(self, name)

    def set_note(self, text: str) -> Edited:
        """Replace the note. See `read.set_note`."""
        return set_note(self, text)

    def set_group(self, group: str) -> Edited:
        """Put the run into a group. See `read.set_group`."""
        return set_group(self, group)


def _check_text(what: str, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{what} is a text, not {type(text).__name__}")


def _act(runs: ReadsRun | Iterable[ReadsRun], **action: Any) -> Edited:
    chosen = [runs] if isinstance(runs, ReadsRun) else list(runs)
    if not chosen:
        return Edited([], [], None)
    ids = list(dict.fromkeys(run.id for run in chosen))
    if len(ids) > RUNS_MAX:
        raise ValueError(
            f"{counted(len(ids), 'run')} are more than the {RUNS_MAX:,} of one request: change them in parts"
        )
    if any(run.profile != chosen[0].profile for run in chosen):
        raise ValueError("the runs are of several profiles: change those of each on their own")
    return _sent(chosen[0].profile, [{**action, "runs": ids}])


def _sent(profile: Profile | None, actions: list[dict[str, Any]]) -> Edited:
    if profile is None or not actions:
        return Edited([], [], profile)
    with asking(profile) as lab:
        answer = lab.post("/runs/actions", {"actions": actions})
        return shaped(lab, lambda: Edited(list(answer["changed"]), list(answer["undo"]), profile))
