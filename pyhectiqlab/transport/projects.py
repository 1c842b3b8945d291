"""Projects by name or id, as a part of the lab's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFoundError
from .http import quoted

if TYPE_CHECKING:
    from .http import LabClient


def project_path(client: LabClient, ref: str) -> str:
    """Return the path `/projects/…` of the project with this name or id.

    Some names cannot be one part of a path, as a proxy may change it (`team/vision`: some take %2F for /; `..`). Such a
    name is looked up, and the path has the project's id; this blocks for a request. Raises LabRequestError;
    NotFoundError where there is no such project.
    """
    if not ("/" in ref or "\\" in ref or ref in {".", ".."}):
        return f"/projects/{quoted(ref)}"
    for row in client.pages("/projects", {"name": ref, "limit": 1000}):  # an older lab lists all
        if row.get("name") == ref or ref in row.get("former_names", ()):
            return f"/projects/{quoted(str(row['id']))}"
    raise NotFoundError(
        f"No project named {ref[:100]!r}: see `hectiqlab projects`.", status=404, code="project_not_found"
    )
