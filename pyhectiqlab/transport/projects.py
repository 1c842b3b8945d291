"""Projects by name or id, as a part of the lab's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFoundError
from .http import quoted

if TYPE_CHECKING:
    from .http import LabClient


def project_path(client: LabClient, ref: str) -> str:
    """`/projects/…` of the project with this name or id.

    A name that cannot be one part of a path wherever a proxy looks at it (`team/vision`, as some take %2F for /; `..`)
    is looked up, and its id stands for it. Raises LabRequestError, NotFoundError where there is none. Blocks for a
    request then, else not at all.
    """
    if not ("/" in ref or "\\" in ref or ref in {".", ".."}):
        return f"/projects/{quoted(ref)}"
    for found in client.pages("/projects", {"name": ref, "limit": 1000}):  # an older lab lists all
        if found.get("name") == ref:
            return f"/projects/{quoted(str(found['id']))}"
    raise NotFoundError(
        f"No project named {ref[:100]!r}: see `hectiqlab projects`.", status=404, code="project_not_found"
    )
