"""MetaStore: saved views of a project's page, private or shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SavedView:
    """A view as it is listed: without its document.

    Attributes:
        author: the username of whoever made it.
        shared: whether everybody who can see the project sees it; else its author alone does.
        version: 1, and one more with each change.
        chars: how long its document is.
    """

    id: str
    project_id: str
    name: str
    author_id: str
    author: str
    shared: bool
    version: int
    created: float
    changed: float
    chars: int


class ViewVersionError(ValueError):
    """The view is of another version than its change was made of: somebody changed it meanwhile."""


class ViewsView(Protocol):
    def views(self, project_id: str, user_id: str, limit: int, after: Sequence[str] = ("", "")) -> list[SavedView]:
        """Return the views that a user sees, theirs and those that are shared, by name and id; those behind the one of
        which `after` has these two.
        """

    def view(self, project_id: str, view_id: str) -> SavedView | None:
        """Return a view of the project, whoever sees it."""

    def view_documents(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the documents of views by their ids, as they were stored."""


class ViewsTransaction(ViewsView, Protocol):
    def add_view(
        self,
        project_id: str,
        user_id: str,
        name: str,
        shared: bool,
        document: str,
        created: float,
        changed: float | None = None,
    ) -> SavedView:
        """`changed`: None: as `created`.

        Raises NameTakenError where the user has a view of this name in the project; FullError; ProjectGoneError.
        """

    def change_view(
        self, view_id: str, version: int, *, name: str, shared: bool, document: str, now: float
    ) -> SavedView | None:
        """Replace what a view says, if it is still of this version. None: it is gone.

        Raises ViewVersionError; NameTakenError as `add_view`.
        """

    def delete_view(self, view_id: str, version: int | None = None) -> bool:
        """Delete it, if it is still of this version (None: of any). Return False where it is gone. Raises
        ViewVersionError.
        """
