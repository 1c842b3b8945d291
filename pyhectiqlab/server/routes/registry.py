"""Models and datasets: versions of a name in a project: register, list, look up, read; which runs made and used them.

Both kinds have the same routes, below /models and below /datasets.
"""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, Path, Query, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from ...protocol.registry import (
    DATASETS,
    LATEST,
    MODELS,
    NOUNS,
    PATH_BYTES_MAX,
    Version,
    alias_name,
    registry_name,
    version_of,
    version_or_alias,
)
from ...store.meta import Project
from ...store.registry import NewVersion, RegisteredVersion, TooManyAliasesError, VersionFile
from ..access.access import AddableProject, ReadableProject, ReadableRun, TheCaller, TheLab, guard
from ..access.permitted import own_run
from ..accounts.accounts import Caller
from ..accounts.authority import Grant
from ..http.replies import ApiError, cursor_in, reply, reply_list
from ..lab import Lab
from ..models import models, models_registry
from ..models.answers import answer, project_ref, run_url
from ..turns.bodies import BodyRoute
from .artifacts import CONTENT, send_content
from .common import LIMIT, After, Limit, Router, answers, base_url


class _KindConvertor(Convertor[str]):
    """`{kind:registry}` in a path is one of the two kinds: another word there belongs to another route."""

    regex = f"{MODELS}|{DATASETS}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("registry", _KindConvertor())
OF_PROJECT = "/projects/{ref}/{kind:registry}"
OF_NAME = OF_PROJECT + "/{name}"
ONE = OF_NAME + "/versions/{version}"
Kind = Annotated[Literal["models", "datasets"], Path()]
RUNS_LISTED = 1000  # that used one version, or versions that one run made or used
router = Router(tags=["models and datasets"], route_class=BodyRoute)


def _version_answer(
    request: Request, lab: Lab, caller: Caller, version: RegisteredVersion, **more: Any
) -> dict[str, Any]:
    """`more`: fields of a model that has more than VersionAnswer."""
    made_by = None
    if version.run is not None and _may_know(lab, caller, version):
        made_by = {"id": version.run, "name": version.run_name, "url": run_url(base_url(request), version.run)}
    described = answer(
        models_registry.VersionAnswer,
        version,
        uuid=version.id,
        version=str(version.version),
        run=made_by,
        project=project_ref(version),
    )
    return described | more


def _may_know(lab: Lab, caller: Caller, version: RegisteredVersion) -> bool:
    """Return whether the caller may know of the run that made it: that may be in another project, which is private."""
    if version.run_project in {None, version.project_id}:
        return True
    with lab.meta.reading() as view:
        return view.role_in(version.run_project or "", caller.user.id) is not None


def _find(lab: Lab, kind: str, project: Project, name: str, version: str) -> RegisteredVersion:
    """`version`: a number, an alias, or latest."""
    try:
        wanted = version_or_alias(version)
    except ValueError as e:
        raise ApiError(422, "bad_version", f"{e}.") from None
    with lab.meta.reading() as view:
        row = view.find_version(kind, project.id, name, None if wanted == LATEST else wanted)
    if row is None:
        which = "" if wanted == LATEST else f" of version {wanted}"
        raise ApiError(
            404, "version_not_found", f"The project {project.name!r} has no {NOUNS[kind]} {name[:100]!r}{which}."
        )
    return row


@guard("version:read")
def readable_version(uuid: str, lab: TheLab, caller: TheCaller) -> RegisteredVersion:
    with lab.meta.reading() as view:
        version = view.version(uuid)
        role = None if version is None else view.role_in(version.project_id, caller.user.id)
    if version is None or role is None:
        raise ApiError(404, "file_not_found", "No version of a model or dataset has this file.")
    return version


ReadableVersion = Annotated[RegisteredVersion, Depends(readable_version)]


@router.post(
    OF_NAME + "/versions",
    status_code=201,
    response_model=None,
    responses={
        **answers(models_registry.VersionAnswer, 201, 403, 404, 409, 410, 413),
        200: {"model": models_registry.VersionAnswer},
    },
)
def add_version(
    kind: Kind,
    project: AddableProject,
    name: str,
    body: models_registry.VersionBody,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
) -> Response:
    """Name uploaded blobs. The same id again changes nothing: 200."""
    try:
        name = registry_name(name)
    except ValueError as e:
        raise ApiError(422, "invalid", f"name: {e}.") from None
    new = NewVersion(
        body.id or secrets.token_hex(16),
        kind,
        project.id,
        name,
        None if body.version is None else version_of(body.version),
        body.short_description,
        body.description,
        [VersionFile(file.path, file.digest, file.bytes) for file in body.files],
        None if body.run is None else own_run(lab, caller, body.run).id,
        caller.user.id,
        time.time() if body.created is None else body.created,
    )
    version, fresh = lab.files.register_version(new)
    return reply(_version_answer(request, lab, caller, version), 201 if fresh else 200)


@router.get(OF_PROJECT, response_model=None, responses=answers(models_registry.Latest, 200, 404))
def list_latest(
    kind: Kind,
    project: ReadableProject,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """The latest version of each name, by name."""
    behind = cursor_in(after, str)
    with lab.meta.reading() as view:
        versions = view.latest_versions(kind, project.id, limit + 1, behind[0] if behind else "")
        return reply_list(
            ((_version_answer(request, lab, caller, v, versions=v.versions), [v.name]) for v in versions), limit
        )


@router.get(OF_NAME, response_model=None, responses=answers(models_registry.LatestAnswer, 200, 404))
def get_latest(
    kind: Kind, project: ReadableProject, name: str, request: Request, lab: TheLab, caller: TheCaller
) -> Response:
    """Return the latest version of a name, and how many it has."""
    latest = _find(lab, kind, project, name, "latest")
    return reply(_version_answer(request, lab, caller, latest, versions=latest.versions))


@router.get(OF_NAME + "/versions", response_model=None, responses=answers(models_registry.Versions, 200, 404))
def list_versions(
    kind: Kind,
    project: ReadableProject,
    name: str,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """The newest first."""
    behind = cursor_in(after, int, int, int)
    with lab.meta.reading() as view:
        if not behind:
            _find(lab, kind, project, name, "latest")
        versions = view.versions_of(kind, project.id, name, limit + 1, Version(*behind) if behind else None)
        return reply_list(((_version_answer(request, lab, caller, v), list(v.version)) for v in versions), limit)


@router.get(ONE, response_model=None, responses=answers(models_registry.VersionDetailAnswer, 200, 404))
def get_version(
    kind: Kind,
    project: ReadableProject,
    name: str,
    version: str,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
) -> Response:
    """A version (a number, an alias, or latest) with its files and the latest runs that used it."""
    row = _find(lab, kind, project, name, version)
    with lab.meta.reading() as view:
        files, runs = view.version_files(row.id), view.used_by(row.id, RUNS_LISTED, caller.user.id)
    base = base_url(request)
    content = f"{base}/api/v1/{kind}/{row.id}/content?path="
    contents = [answer(models_registry.FileAnswer, f, url=content + quote(f.path, safe="")) for f in files]
    used_by = [answer(models_registry.UsingRunAnswer, run, url=run_url(base, run.id)) for run in runs]
    return reply(_version_answer(request, lab, caller, row, contents=contents, used_by=used_by))


@router.put(
    OF_NAME + "/aliases/{alias}",
    response_model=None,
    responses=answers(models_registry.VersionAnswer, 200, 403, 404, 409),
)
def set_alias(
    kind: Kind,
    project: AddableProject,
    name: str,
    alias: str,
    body: models_registry.AliasBody,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
) -> Response:
    """Point an alias to a version (a number, an alias, or latest), and away from any other, in one step. Answers with
    the version.
    """
    try:
        alias_name(alias)
    except ValueError as e:
        raise ApiError(422, "bad_alias", f"{e}.") from None
    row = _find(lab, kind, project, name, body.version)
    try:
        lab.change(
            lambda tx: tx.set_alias(row.id, alias, caller.user.id, time.time()),
            caller.change("set an alias", f"{NOUNS[kind]} {project.name}/{name}", f"{alias}: {row.version}"),
        )
    except TooManyAliasesError as e:
        raise ApiError(409, "too_many_aliases", str(e)) from None
    with lab.meta.reading() as view:
        return reply(_version_answer(request, lab, caller, view.version(row.id) or row))


@router.delete(OF_NAME + "/aliases/{alias}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def remove_alias(
    kind: Kind, project: AddableProject, name: str, alias: str, lab: TheLab, caller: TheCaller
) -> Response:
    noted = caller.change("removed an alias", f"{NOUNS[kind]} {project.name}/{name}", alias)
    if not lab.change(lambda tx: tx.remove_alias(kind, project.id, name, alias), noted):
        raise ApiError(404, "alias_not_found", f"The {NOUNS[kind]} {name[:100]!r} has no alias {alias[:64]!r} here.")
    return reply({})


@router.post(ONE + "/usage", response_model=None, responses=answers(models_registry.VersionAnswer, 200, 403, 404, 410))
def add_usage(
    kind: Kind,
    project: ReadableProject,
    name: str,
    version: str,
    body: models_registry.UsageBody,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
) -> Response:
    """Note that a run of the caller used it. Answers with the version. Again changes nothing."""
    row = _find(lab, kind, project, name, version)
    run = own_run(lab, caller, body.run).id
    lab.write(lambda tx: tx.add_usage(row.id, run, time.time()))
    return reply(_version_answer(request, lab, caller, row))


@router.get("/{kind:registry}/{uuid}/content", response_model=None, responses=CONTENT)
@router.head("/{kind:registry}/{uuid}/content", response_model=None, responses=CONTENT)
def content(
    kind: Kind,
    version: ReadableVersion,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    path: Annotated[str, Query(min_length=1, max_length=PATH_BYTES_MAX)],
) -> Response:
    """The bytes of one file of a version, or one range of them."""
    with lab.meta.reading() as view:
        file = view.version_file(version.id, path)
    if version.kind != kind or file is None:
        raise ApiError(404, "file_not_found", "No version of a model or dataset has this file.")
    grant = Grant(caller, frozenset({version.project_id}))
    return send_content(request, lab, grant, file.path.rpartition("/")[2], file.digest, file.bytes)


@router.get(
    "/runs/{run_id}/registry",
    response_model=None,
    responses=answers(models_registry.RunRegistryAnswer, 200, 404, 410),
)
def of_run(run: ReadableRun, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """The versions of models and datasets that a run made, and those that it used, the latest first."""
    with lab.meta.reading() as view:
        made = list(view.made_by_run(run.id, RUNS_LISTED, caller.user.id))
        used = list(view.used_by_run(run.id, RUNS_LISTED, caller.user.id))
    return reply(
        {
            "made": [_version_answer(request, lab, caller, v) for v in made],
            "used": [_version_answer(request, lab, caller, v) for v in used],
        }
    )
