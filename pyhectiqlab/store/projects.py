"""The projects' share of the MetaStore's interface: their names, their owners, and how they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Goal = Literal["min", "max"]


@dataclass(frozen=True)
class Objective:
    """What the runs of a project are compared by: a metric, of which the lowest or the highest value is the best."""

    key: str
    goal: Goal


@dataclass(frozen=True)
class Project:
    """A project. One that is deleted can be restored until it is purged; then only its name is left.

    Attributes:
        owner: the username of whoever it counts for.
        archived: since when it takes no new runs, and is not in lists.
    """

    id: str
    name: str
    created: float
    private: bool = False
    owner_id: str = ""
    owner: str = ""
    archived: float | None = None
    deleted: float | None = None
    purged: float | None = None
    objective_key: str | None = None
    objective_goal: Goal | None = None

    @property
    def objective(self) -> Objective | None:
        if self.objective_key is None or self.objective_goal is None:
            return None
        return Objective(self.objective_key, self.objective_goal)


@dataclass(frozen=True)
class ProjectRuns:
    """What is counted over all runs of a project."""

    runs: int = 0
    last_activity: float | None = None


class ProjectGoneError(LookupError):
    """The project is deleted."""


class ProjectsView(Protocol):
    def projects(
        self, limit: int, after: str = "", seen_by: str | None = None, archived: bool | None = None
    ) -> list[Project]:
        """Return projects sorted by name, those > `after` that exist for the user; None: all. `archived`: only those
        that are, or are not. None: both.
        """

    def project(self, ref: str) -> Project | None:
        """Find it by id, else by name, else by a name that it had. None where it is deleted."""

    def deleted_project(self, ref: str) -> Project | None:
        """Find a project that can be restored by its id, else the newest by name."""

    def deleted_projects(self, limit: int, owner_id: str | None = None) -> list[Project]:
        """Return those that can be restored, the newest deletion first. `owner_id`: of this owner; None: of all."""

    def former_names(self, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the names that lead to projects which had them: project id → names, sorted."""

    def runs_of_projects(self, ids: Sequence[str]) -> dict[str, ProjectRuns]:
        """Return what is counted over the runs of each project, by its id. Looks at every run: milliseconds for a
        thousand.
        """

    def purgeable_project(self, before: float | None) -> str | None:
        """Return a project whose runs are all purged, and that was deleted before that time or that somebody asked to
        purge; None: only the latter.
        """

    def half_deleted(self) -> list[str]:
        """Return deleted projects, a few at most, of which some runs' rows do not say yet that they are deleted."""


class ProjectsTransaction(ProjectsView, Protocol):
    def add_project(self, name: str, user_id: str, now: float) -> Project:
        """Make a project. Its maker is its owner and first admin. A name that another project had leads to the new one
        from now on; only an admin of that other one takes it. Raises NameTakenError, FullError.
        """

    def rename_project(self, project_id: str, name: str, user_id: str, now: float) -> None:
        """Rename a project. Its former name leads to it until somebody takes that name. Raises NameTakenError as
        `add_project`, and ProjectGoneError.
        """

    def set_archived(self, project_id: str, at: float | None) -> None:
        """Archive a project at a time; None: it is no longer archived."""

    def set_objective(self, project_id: str, objective: Objective | None) -> None:
        """Set what the runs of a project are compared by; None: nothing. Raises ProjectGoneError."""

    def move_project(self, project_id: str, owner_id: str) -> None:
        """Make a user its owner, and an admin of it. Raises NoHeirError, FullError, ProjectGoneError."""

    def delete_project(self, project_id: str, now: float) -> None:
        """Delete it with all its runs; its name is free. What was deleted of it before stays so. From then on each of
        its runs is read as deleted. Where there are many, the rows of some say so only after `finish_deletion`.
        """

    def finish_deletion(self, project_id: str) -> bool:
        """Note in some more rows that their runs are deleted with the project. True once no row is left, and where it
        is not deleted (any more).
        """

    def restore_project(self, project_id: str, user_id: str, now: float) -> bool:
        """Restore it with the runs that were deleted with it, some of them at a time: until it returns True the project
        is still deleted, with all its runs, and `finish_deletion` takes back what was done. Raises NameTakenError as
        `add_project` where its name is taken by now, and ProjectGoneError where it is purged or going.
        """

    def ask_purge_project(self, project_id: str, now: float) -> bool:
        """Note that it is to be purged at once, with what is left of its runs; False where it is not deleted. From then
        on it cannot be restored.
        """

    def purge_project(self, project_id: str, now: float) -> bool:
        """Remove some of what a deleted project has beside its runs: models, datasets, shared artifacts, members, its
        quota. True once nothing is left but its id. Of a project that is not deleted (any more) it removes nothing.
        """
