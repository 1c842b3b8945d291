"""Projects of the lab: what they are, and what their admins and owners do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..profile import Profile
from ..transport.http import quoted
from .shapes import asking, from_item, shaped


@dataclass(frozen=True)
class Objective:
    """What the runs of a project are compared by: a metric, of which the lowest or the highest value is the best.

    Attributes:
        goal: "min" or "max".
    """

    key: str
    goal: Literal["min", "max"]


@dataclass(frozen=True)
class ProjectInfo:
    """A project as the lab described it at the time of the call.

    Attributes:
        owner: username of whoever it belongs to; "" where an older lab does not say.
        archived: since when it is in no lists and takes no new runs. None: it is not.
        deleted: when it was deleted. None: it is not.
        former_names: names that it had, which still lead to it.
        objective: what its runs are compared by. None: nobody has set it.
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
        """Rename it, and return it as it is then. Its name until now leads to it, in links and in scripts, until
        somebody takes it.

        Raises:
            ConflictError: another project has the name.
            PermissionDeniedError: you are no admin of it.
        """
        return self._changed(name=name)

    def archive(self) -> ProjectInfo:
        """Take it out of lists and let no new runs begin in it; runs that are there go on."""
        return self._changed(archived=True)

    def unarchive(self) -> ProjectInfo:
        """Take `archive` back."""
        return self._changed(archived=False)

    def move(self, owner: str) -> ProjectInfo:
        """Give it to another user. Raises PermissionDeniedError unless it is yours, or you are an admin of the lab."""
        return self._changed(owner=owner)

    def set_objective(self, key: str, goal: Literal["min", "max"]) -> ProjectInfo:
        """Say which metric its runs are compared by, and return it as it is then.

        Args:
            key: a metric, such as "valid/loss".
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
        """Delete it with all its runs, models, datasets and files. `restore` restores it within 7 days.

        Raises PermissionDeniedError unless it is yours, or you are an admin of the lab.
        """
        with asking(self.profile) as lab:
            lab.delete(f"/projects/{quoted(self.id)}")

    def restore(self) -> ProjectInfo:
        """Restore it after `delete`. Raises GoneError after 7 days, ConflictError if its name is taken by now."""
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
        owner=item.get("owner", ""),  # which older labs do not say, nor what follows
        archived=item.get("archived"),
        deleted=item.get("deleted"),
        former_names=list(item.get("former_names", ())),
        objective=from_item(Objective, item["objective"]) if item.get("objective") else None,
        profile=profile,
    )
