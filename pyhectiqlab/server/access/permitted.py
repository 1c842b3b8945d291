"""Which runs and projects a caller may read, add to and change, by id or name.

To somebody without a role in a private project, its content does not exist: the answer is 404, as for a name that
nobody ever used. access.py has the guards of routes that ask here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ...protocol import roles
from ...store.meta import Project, Run
from ..accounts.accounts import Caller
from ..http.replies import ApiError
from ..lab import Lab
from .near import near_project

KEPT_SLASH = "\x1f"  # in a part of a path that is a project's name, see rootpath.py


def find_project(lab: Lab, caller: Caller, ref: str) -> Project:
    """Return a project by name or id. Blocks on the database. Raises ApiError 404."""
    return _project(lab, caller, ref)[0]


def project_to_add_to(lab: Lab, caller: Caller, ref: str) -> Project:
    """Return a project that takes runs of the caller. Blocks on the database. Raises ApiError 403, 404."""
    return project_with_role(lab, caller, ref, roles.MEMBER)


def project_with_role(lab: Lab, caller: Caller, ref: str, needed: str) -> Project:
    """Return a project in which the caller has the role `needed`, or a higher one. Blocks on the database. Raises
    ApiError 403, 404.
    """
    project, role = _project(lab, caller, ref)
    if not roles.at_least(role, needed):
        raise ApiError(
            403,
            "may_not_add",
            f"You are a {role} of the project {project.name!r}; this needs the role {needed!r}: ask an admin of it.",
        )
    return project


def own_project(lab: Lab, caller: Caller, ref: str) -> Project:
    """Return a project that the caller owns; for admins of the lab, any. Blocks on the database. Raises ApiError 403,
    404.
    """
    project = find_project(lab, caller, ref)
    check_owner(caller, project)
    return project


def own_project_or_deleted(lab: Lab, caller: Caller, ref: str) -> Project:
    """Like `own_project`, but first look for a deleted project of that name or id."""
    ref = ref.replace(KEPT_SLASH, "/")
    with lab.meta.reading() as view:
        project = view.deleted_project(ref)
        role = None if project is None else view.role_in(project.id, caller.user.id, deleted_too=True)
    if project is None or role is None:
        return own_project(lab, caller, ref)
    check_owner(caller, project)
    return project


def check_owner(caller: Caller, project: Project) -> None:
    """Raise ApiError 403 for everybody but a project's owner and admins of the lab."""
    if project.owner_id != caller.user.id and not caller.user.is_admin:
        raise ApiError(403, "not_owner", f"The project {project.name!r} belongs to {project.owner}: ask them.")


def _project(lab: Lab, caller: Caller, ref: str) -> tuple[Project, str]:
    ref = ref.replace(KEPT_SLASH, "/")
    with lab.meta.reading() as view:
        project = view.project(ref)
        role = None if project is None else view.role_in(project.id, caller.user.id)
        near = near_project(view, caller.user.id, ref) if role is None else ""
    if project is None or role is None:
        raise ApiError(404, "project_not_found", f"No project named {ref[:100]!r}: see `hectiqlab projects`.{near}")
    return project, role


def find_run(lab: Lab, caller: Caller, run_id: str, *, deleted_too: bool = False) -> Run:
    """Return a run by id. Blocks on the database. Raises ApiError 404, 410."""
    return _run(lab, caller, run_id, deleted_too)[0]


def check_readable(lab: Lab, caller: Caller, ids: Iterable[str]) -> None:
    """Raise ApiError 404, 410 about the first run that the caller may not read. Blocks on the database, once for all of
    them.
    """
    for run_id, (run, role) in _some(lab, caller, list(dict.fromkeys(ids))).items():
        _there(run, role, run_id)


def own_run(lab: Lab, caller: Caller, run_id: str) -> Run:
    """Return a run that the caller may add to. Raises ApiError 403, 404, 410."""
    run, role = _run(lab, caller, run_id)
    if run.author_id != caller.user.id:
        raise ApiError(403, "not_yours", f"The run belongs to {run.author}: only they add to it.")
    if not roles.at_least(role, roles.MEMBER):
        raise ApiError(403, "may_not_add", f"You are a viewer of the project {run.project!r}: ask an admin of it.")
    return run


def may_change(role: str | None, caller: Caller, run: Run) -> bool:
    """Return whether the caller may rename, tag, delete and restore a run, and set its note: its author while a
    member, and admins.
    """
    needed = roles.MEMBER if run.author_id == caller.user.id else roles.ADMIN
    return roles.at_least(role, needed)


def find_changeable_run(lab: Lab, caller: Caller, run_id: str, *, deleted_too: bool = False) -> Run:
    """Return a run that the caller may change. Blocks on the database. Raises ApiError 403, 404, 410."""
    run, role = _run(lab, caller, run_id, deleted_too)
    _check_changeable(run, role, caller)
    return run


def changeable_runs(lab: Lab, caller: Caller, ids: Sequence[str], deleted_too: Collection[str] = ()) -> dict[str, Run]:
    """Return runs that the caller may change, by id. Blocks on the database. Raises ApiError 403, 404, 410 about the
    first that they may not. `deleted_too`: those of them that may be deleted.
    """
    runs: dict[str, Run] = {}
    for run_id, (there, role_there) in _some(lab, caller, ids).items():
        runs[run_id], role = _there(there, role_there, run_id, run_id in deleted_too)
        _check_changeable(runs[run_id], role, caller)
    return runs


def _check_changeable(run: Run, role: str, caller: Caller) -> None:
    if not may_change(role, caller, run):
        whose = f"The run {run.name!r} ({run.id}) belongs to {run.author}"
        raise ApiError(403, "not_yours", f"{whose}: ask them, or an admin of its project.")


def _run(lab: Lab, caller: Caller, run_id: str, deleted_too: bool = False) -> tuple[Run, str]:
    with lab.meta.reading() as view:
        run = view.run(run_id)
        role = None if run is None else view.role_in(run.project_id, caller.user.id, deleted_too=True)
    return _there(run, role, run_id, deleted_too)


def _some(lab: Lab, caller: Caller, ids: Sequence[str]) -> dict[str, tuple[Run | None, str | None]]:
    """Return each run, and the caller's role in its project; None where there is none. One view for all of them."""
    with lab.meta.reading() as view:
        runs = {run.id: run for run in view.some_runs(ids)}
        projects = {run.project_id for run in runs.values()}
        own = {project: view.role_in(project, caller.user.id, deleted_too=True) for project in projects}
    return {run_id: (run, own[run.project_id]) if (run := runs.get(run_id)) else (None, None) for run_id in ids}


def _there(run: Run | None, role: str | None, run_id: str, deleted_too: bool = False) -> tuple[Run, str]:
    """Return run and role, if there are both. Raises ApiError 404, 410."""
    if run is None or role is None:
        raise ApiError(404, "run_not_found", f"No run has the id {run_id[:64]!r}: see `hectiqlab runs`.")
    if run.deleted is not None and not deleted_too:
        raise ApiError(410, "run_deleted", f"The run {run.name!r} ({run.id}) was deleted.")
    return run, role
