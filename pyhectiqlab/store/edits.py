"""The part of the MetaStore's interface for what people change in runs: notes, tags, names, projects, the archive.

People change them by the page, from Python or by the command. What scripts change comes as events.

What is stored last counts, whoever sent it: an event of a script replaces an edit that was stored before it, and an
edit replaces what scripts sent before it. An event that arrives again changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Tag:
    name: str
    color: str | None
    description: str | None


class EditsTransaction(Protocol):
    """Each method locks the runs, whose ids must exist. It returns the value before the change for each run that it
    changed, and leaves out runs that had the wanted value already.
    """

    def set_notes(self, notes: Mapping[str, str]) -> dict[str, str]:
        """Set the note of each run to its text."""

    def add_tag(self, ids: Collection[str], tag: Tag, replace: bool = True) -> dict[str, Tag | None]:
        """Add the tag. If a run has one of this name, `replace` its color and description, or leave it as it is.

        Raises FullError where a run has limits.TAGS_MAX tags.
        """

    def remove_tag(self, ids: Collection[str], name: str) -> dict[str, Tag]: ...
    def rename_runs(self, names: Mapping[str, str]) -> dict[str, str]:
        """Rename runs, all at once, so that two may change their names. Raises NameTakenError where another run of the
        project has a name, or two of these would have one.
        """

    def set_runs_archived(self, ids: Collection[str], at: float | None) -> dict[str, float | None]:
        """Archive runs at a time; None: end that. A run that is archived already keeps its time. The value before is
        that time, or None.
        """

    def set_group(self, ids: Collection[str], group: str) -> dict[str, str]:
        """Put runs into a group; "": into none. The value before is the run's group."""

    def move_runs(self, ids: Collection[str], project_id: str) -> dict[str, str]:
        """Move runs, none of which may be deleted, with all that belongs to them, to another project. The value before
        is the id of the run's project. Versions of models and datasets that a run made stay in their project.

        Raises ProjectGoneError; ProjectArchivedError; NameTakenError where a run of the project has the name of one;
        FullError; QuotaExceededError.
        """
