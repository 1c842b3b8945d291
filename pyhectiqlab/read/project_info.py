"""Projects of the lab: what is known of them, and how their admins and owners change them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..profile import Profile
from ..transport.http import quoted
from .shapes import asking, from_item, shaped


@dataclass(frozen=True)
class Objective:
    """The metric by which the runs of a project are compared, and whether its lowest or its highest value is the best.

    Attributes:
        goal: "min" or "max".
    """

    key: str
    goal: Literal["min", "max"]


@dataclass(frozen=True)
class ProjectInfo:
    """A project as the lab described it at the time of the call.

    Attributes:
        owner: username of its owner; "" if the lab is an older one that does not say.
        archived: when it was archived: it is in no lists and takes no new runs. None: it is not.
        deleted: when it was deleted. None: it is not.
        former_names: names that it had before and that still lead to it.
        objective: the metric by which its runs are compared. None: nobody has set one.
        profile: the profile that it is read with.
    """

    id: str
    name: str
    created: float
    runs: int
    last_activity: float | None
    owner: str
    archived: float | None
    deleted: float | None
    former_names: list[str]
    objective: Objective | None
    profile: Profile = field(repr=False, compare=False)

    def rename(self, name: str) -> ProjectInfo:
        """Rename the project, and return it as it is after that. Links and scripts can go on using the old name, until
        another project takes it.

        Raises:
            ConflictError: another project has the name.
            PermissionDeniedError: you are no admin of it.
        """
        return self._changed(name=name)

    def archive(self) -> ProjectInfo:
        """Archive the project: it is in no lists, and no new runs can begin in it. Runs that have begun go on."""
        return self._changed(archived=True)

    def unarchive(self) -> ProjectInfo:
        """Take `archive` back."""
        return self._changed(archived=False)

    def move(self, owner: str) -> ProjectInfo:
        """Give the project to another user. Raises PermissionDeniedError unless it is yours, or you are an admin of the
        lab.
        """
        return self._changed(owner=owner)

    def set_objective(self, key: str, goal: Literal["min", "max"]) -> ProjectInfo:
        """Set the metric by which its runs are compared, and return the project as it is after that.

        Args:
            key: key of the metric, such as "valid/loss".
            goal: which of its values is the best: the lowest ("min") or the highest ("max").

        Raises PermissionDeniedError unless you are an admin of it.
        """
        with asking(self.profile) as lab:
            answer = lab.put(f"/projects/{quoted(self.id)}/objective", {"key": key, "goal": goal})
            return shaped(lab, project_info, answer, self.profile)

    def remove_objective(self) -> ProjectInfo:
        """Take `set_objective` back."""
        with asking(self.profile) as lab:
            lab.delete(f"/projects/{quoted(self.id)}/objective")
            return shaped(lab, project_info, lab.get(f"/projects/{quoted(self.id)}"), self.profile)

    def delete(self) -> None:
        """Delete the project with all its runs, models, datasets and files. `restore` restores it within 7 days.

        Raises PermissionDeniedError unless it is yours, or you are an admin of the lab.
        """
        with asking(self.profile) as lab:
            lab.delete(f"/projects/{quoted(self.id)}")

    def restore(self) -> ProjectInfo:
        """Undo `delete`. Raises GoneError after 7 days, ConflictError if another project has taken its name."""
        with asking(self.profile) as lab:
            answer = lab.post(f"/projects/{quoted(self.id)}/restore")
            return shaped(lab, project_info, answer, self.profile)

    def _changed(self, **change: Any) -> ProjectInfo:
        with asking(self.profile) as lab:
            answer = lab.patch(f"/projects/{quoted(self.id)}", change)
            return shaped(lab, project_info, answer, self.profile)


def project_info(item: dict[str, Any], profile: Profile) -> ProjectInfo:
    """Return a project from an item of a list, or from the answer about its page."""
    return from_item(
        ProjectInfo,
        item,
        owner=item.get("owner", ""),  # older labs send neither this nor the fields below
        archived=item.get("archived"),
        deleted=item.get("deleted"),
        former_names=list(item.get("former_names", ())),
        objective=from_item(Objective, item["objective"]) if item.get("objective") else None,
        profile=profile,
    )
