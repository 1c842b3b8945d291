"""Redirect: where to send what the lab does not take as it was logged, and the message about it.

The lab does not take it where there is no such project, or the run is somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..spool import Writer

PROJECT_NOT_FOUND = "project_not_found"  # the lab's word
NOT_YOURS = "not_yours"


@dataclass(frozen=True)
class Redirect:
    """Another project or name for runs that no lab has yet, as given to `hectiqlab sync`. None: that of the script.
    `create_project`: make the project where it is missing.
    """

    project: str | None = None
    name: str | None = None
    create_project: bool = False

    def applied_to(self, attach: dict[str, Any]) -> dict[str, Any] | None:
        """Return the request that finds or creates the run, with these changes; None where they change nothing."""
        changes: dict[str, Any] = {"create_project": True} if self.create_project else {}
        changes |= {"project": self.project} if self.project is not None else {}
        changes |= {"name": self.name} if self.name is not None else {}
        return {**attach, **changes} if changes.items() - attach.items() else None


NOWHERE_ELSE = Redirect()


def to_do(info: Writer, why: str, code: str) -> str:
    """Return what the lab said, and what somebody can do about it."""
    if info.run is not None:
        return f"{why} What is left stays here; once the lab takes it again, `hectiqlab sync` sends it."
    session = str(info.attach.get("session", ""))[:8] or "SESSION"
    if code == PROJECT_NOT_FOUND:
        do = (
            f"make the project (`hectiqlab sync {session} --create-project` does), or send it to another one with "
            f"`hectiqlab sync {session} --project NAME`"
        )
    elif why.startswith("project:"):  # the lab refuses that name
        do = f"send it to another project with `hectiqlab sync {session} --project NAME`"
    elif code == NOT_YOURS or why.startswith("name:"):
        do = f"send it under another name with `hectiqlab sync {session} --name NAME`"
    else:
        do = (
            f"once the lab takes it, `hectiqlab sync` sends it; `hectiqlab sync {session} --project NAME` sends it to "
            f"another project, `--name NAME` under another name"
        )
    return f"{why} It stays here: {do}; `--drop` deletes it."
