"""Roles: what somebody may do in a lab, and in each of its projects. No I/O.

A lab role holds for the lab and for every project that is not private. A project role holds in one project, private or
not. The higher of both counts. An admin of the lab is admin of every project, as whoever runs the lab can read its
disk.
"""

from __future__ import annotations

VIEWER, MEMBER, ADMIN = "viewer", "member", "admin"
OWNER = "owner"  # whoever started the lab: an admin, and the user that a lab on loopback logs in
ADMINS = (OWNER, ADMIN)
_RANK = {None: 0, VIEWER: 1, MEMBER: 2, ADMIN: 3, OWNER: 3}


def at_least(role: str | None, needed: str) -> bool:
    return _RANK[role] >= _RANK[needed]


def in_project(lab_role: str, private: bool, project_role: str | None) -> str | None:
    """Return the role that somebody with these roles has in a project: VIEWER, MEMBER or ADMIN; None where the project
    does not exist for them.
    """
    if lab_role in ADMINS:
        return ADMIN
    if private:
        return project_role
    return max(lab_role, project_role, key=_RANK.__getitem__)
