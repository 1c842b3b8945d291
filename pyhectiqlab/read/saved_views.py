"""Saved views of a project's page: what somebody chose to see there, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConflictError, NotFoundError
from ..profile import Profile
from ..transport.connecting import find_profile
from ..transport.http import quoted
from ..transport.projects import project_path
from .shapes import asking, from_item, shaped


@dataclass(frozen=True)
class SavedView:
    """A saved view as the lab described it at the time of the call.

    Attributes:
        project: the id of its project.
        author: username of whoever made it.
        own: whether you made it.
        shared: whether everybody who can see the project sees it; else you alone do.
        version: 1, and one more with each change.
        can_change: whether you may change and delete it.
        document: its content, as it was saved.
        profile: the profile that it is read with.
    """

    id: str
    project: str
    name: str
    author: str
    own: bool
    shared: bool
    version: int
    created: float
    changed: float
    can_change: bool
    document: dict[str, Any]
    profile: Profile = field(repr=False, compare=False)

    def put(
        self, document: Mapping[str, Any] | None = None, *, name: str | None = None, shared: bool | None = None
    ) -> SavedView:
        """Change what is given, and return the view as it is after that. Blocks on the network.

        Raises:
            ConflictError: somebody changed it since it was read; or another view of its author has the name.
            PermissionDeniedError: it is somebody else's, and you are no admin of the project.
        """
        body = {
            "document": dict(self.document if document is None else document),
            "name": self.name if name is None else name,
            "shared": self.shared if shared is None else shared,
            "version": self.version,
        }
        with asking(self.profile) as lab:
            return shaped(lab, _view, lab.put(self._path, body), self.project, self.profile)

    def delete(self) -> None:
        """Delete the view. Blocks on the network. Raises ConflictError if somebody changed it since it was read."""
        with asking(self.profile) as lab:
            lab.delete(f"{self._path}?version={self.version}")

    @property
    def _path(self) -> str:
        return f"/projects/{quoted(self.project)}/views/{quoted(self.id)}"


def saved_views(project: str, *, profile: str | None = None) -> list[SavedView]:
    """Return the views of a project that you see, sorted by name: your own and those that are shared.

    Args:
        project: its id or name.
        profile: name of a profile. None: the one in use.
    """
    chosen = find_profile(profile)
    with asking(chosen) as lab:
        path = project_path(lab, project)
        project_id = shaped(lab, lambda: str(lab.get(path)["id"]))
        items = lab.pages(f"{path}/views", {"documents": "true", "limit": 1000})
        return [shaped(lab, _view, item, project_id, chosen) for item in items]


def saved_view(project: str, ref: str, *, profile: str | None = None) -> SavedView:
    """Return one view of a project.

    Args:
        project: its id or name.
        ref: the view's id or name. Of several that have the name, your own is meant.
        profile: name of a profile. None: the one in use.

    Raises:
        NotFoundError: there is no such view, or you may not see it.
        ConflictError: others share several views of this name; the message has their ids.
    """
    seen = saved_views(project, profile=profile)
    for one in seen:
        if one.id == ref:
            return one
    named = [one for one in seen if one.name == ref]
    mine = _own(named)
    if mine is not None or len(named) == 1:
        return mine or named[0]
    if named:
        ids = ", ".join(f"{one.id} of {one.author}" for one in named)
        raise ConflictError(f"Several views are named {ref!r}: {ids}.", status=409, code="name_not_unique")
    raise NotFoundError(f"You see no view {ref[:100]!r} in the project.", status=404, code="view_not_found")


def save_view(
    project: str, name: str, document: Mapping[str, Any], *, shared: bool = False, profile: str | None = None
) -> SavedView:
    """Save a view of your own under a name. It replaces the one that you have under this name.

    Args:
        project: its id or name.
        name: at most 512 bytes.
        document: anything that JSON can hold, at most 131,072 characters as JSON. The lab keeps it as it is.
        shared: let everybody who can see the project see it; needs the role of a member.
        profile: name of a profile. None: the one in use.
    """
    mine = _own([one for one in saved_views(project, profile=profile) if one.name == name])
    if mine is not None:
        return mine.put(document, shared=shared)
    chosen = find_profile(profile)
    with asking(chosen) as lab:
        path = project_path(lab, project)
        project_id = shaped(lab, lambda: str(lab.get(path)["id"]))
        body = {"name": name, "document": dict(document), "shared": shared}
        return shaped(lab, _view, lab.post(f"{path}/views", body), project_id, chosen)


def _own(named: list[SavedView]) -> SavedView | None:
    return next((one for one in named if one.own), None)


def _view(item: Mapping[str, Any], project_id: str, profile: Profile) -> SavedView:
    return from_item(SavedView, item, project=project_id, document=dict(item["document"]), profile=profile)
