"""Artifacts: named files of a run, or shared by a project: register, list, look up, read.

Their content was made by somebody else: it is sent as a download, inside a sandbox, with no guess at its type. Only
raster images and plain text are shown in place, and only when asked for.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from types import NoneType
from typing import Annotated, BinaryIO
from urllib.parse import quote

import msgpack
from fastapi import Depends, Query, Request, Response

from ...base.texts import clean, counted
from ...protocol import limits
from ...store.artifacts import Artifact, ArtifactQuery, NewArtifact
from ..access.access import AddableProject, AddableRun, ReadableProject, ReadableRun, TheCaller, TheLab, guard
from ..access.permitted import find_run
from ..accounts.authority import Grant, GrantedResponse
from ..http.replies import ApiError, cursor_in, reply, reply_list
from ..lab import Lab
from ..models import models, models_files
from ..models.answers import artifact_answer
from ..turns.bodies import BodyRoute
from .common import LIMIT, After, Limit, Router, answers, base_url

router = Router(tags=["files"], route_class=BodyRoute)
_CURSOR = (str, (int, NoneType), int)  # name, step, version; the smallest step sorts as none
META_BYTES_MAX = 64 << 10
PIECE_BYTES = 1 << 20  # of a file that are in memory at once
INLINE = {  # the name's ending → what a browser may show in place
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "txt": "text/plain; charset=utf-8",
    "log": "text/plain; charset=utf-8",
}


@guard("artifact:read")
def readable_artifact(uuid: str, lab: TheLab, caller: TheCaller) -> Artifact:
    """Raises ApiError 404, and 410 where its run was deleted, or retention removed it."""
    with lab.meta.reading() as view:
        artifact = view.artifact(uuid)
        project = view.was_removed(uuid) if artifact is None else artifact.project_id
        role = None if project is None else view.role_in(project, caller.user.id)
    if artifact is None and role is not None:
        raise ApiError(410, "version_removed", "This version was removed by the retention of its project.")
    if artifact is None or role is None:
        raise ApiError(404, "artifact_not_found", f"No artifact has the uuid {uuid[:64]!r}.")
    if artifact.run is not None:
        find_run(lab, caller, artifact.run)
    return artifact


ReadableArtifact = Annotated[Artifact, Depends(readable_artifact)]


def _register(
    request: Request, lab: Lab, body: models_files.ArtifactBody, user_id: str, project: str, run: str | None
) -> Response:
    try:
        too_much = len(msgpack.packb(body.meta)) > META_BYTES_MAX
    except (OverflowError, ValueError, TypeError):  # an integer beyond 64 bits; a nesting beyond measure
        raise ApiError(422, "invalid", "meta: it holds a value that cannot be stored.") from None
    if too_much:
        raise ApiError(422, "invalid", f"meta: at most {META_BYTES_MAX} bytes.")
    new = NewArtifact(
        **body.model_dump(exclude={"id", "created", "meta"}),
        id=body.id or secrets.token_hex(16),
        run=run,
        project=project,
        meta=body.meta,
        author_id=user_id,
        created=time.time() if body.created is None else body.created,
    )
    artifact, fresh = lab.files.register(new)
    return reply(artifact_answer(artifact, base_url(request)), 201 if fresh else 200)


def place_of(artifact: Artifact) -> list[object]:
    """Return what the cursor of a list says of its last artifact."""
    return [artifact.name, None if artifact.step == limits.STEP_MIN else artifact.step, artifact.version]


def _listed(request: Request, lab: Lab, query: ArtifactQuery) -> Response:
    base = base_url(request)

    def item(artifact: Artifact) -> tuple[dict[str, object], list[object]]:
        return artifact_answer(artifact, base), place_of(artifact)

    with lab.meta.reading() as view:
        one_more = replace(query, limit=query.limit + 1)
        return reply_list(map(item, view.artifacts(one_more)), query.limit)


ADDED = {
    **answers(models_files.ArtifactAnswer, 201, 403, 404, 409, 410),
    200: {"model": models_files.ArtifactAnswer},
}


@router.post("/runs/{run_id}/artifacts", status_code=201, response_model=None, responses=ADDED)
def add_to_run(
    run: AddableRun, body: models_files.ArtifactBody, request: Request, lab: TheLab, caller: TheCaller
) -> Response:
    """Name an uploaded blob. The same name and step again is a new version. The same id again changes nothing: 200."""
    return _register(request, lab, body, caller.user.id, run.project_id, run.id)


@router.post("/projects/{ref}/artifacts", status_code=201, response_model=None, responses=ADDED)
def add_shared(
    project: AddableProject, body: models_files.ArtifactBody, request: Request, lab: TheLab, caller: TheCaller
) -> Response:
    """As for a run, but shared by all runs of a project."""
    return _register(request, lab, body, caller.user.id, project.id, None)


async def _wanted(  # async: a plain function would be sent through the thread pool
    name: Annotated[str | None, Query(max_length=limits.NAME_BYTES_MAX)] = None,
    step: Annotated[int | None, Query(ge=limits.STEP_MIN, le=limits.STEP_MAX)] = None,
    versions: Annotated[
        str, Query(pattern="^(all|latest)$", description="latest: the newest of each name and step.")
    ] = "latest",
    limit: Limit = LIMIT,
    after: After = None,
) -> ArtifactQuery:
    """Return what a list is asked for, without the run or project that it is of."""
    return ArtifactQuery(None, None, name, step, versions == "all", limit, cursor_in(after, *_CURSOR))


Wanted = Annotated[ArtifactQuery, Depends(_wanted)]


@router.get("/runs/{run_id}/artifacts", response_model=None, responses=answers(models_files.Artifacts, 200, 404, 410))
def list_of_run(run: ReadableRun, request: Request, lab: TheLab, wanted: Wanted) -> Response:
    """List them by name, then step, then version, the newest version first: what has the same name is a group."""
    return _listed(request, lab, replace(wanted, run=run.id))


@router.get("/projects/{ref}/artifacts", response_model=None, responses=answers(models_files.Artifacts, 200, 404))
def list_shared(project: ReadableProject, request: Request, lab: TheLab, wanted: Wanted) -> Response:
    """The shared ones, in the same order."""
    return _listed(request, lab, replace(wanted, project=project.id))


@router.get("/artifacts/{uuid}", response_model=None, responses=answers(models_files.ArtifactAnswer, 200, 404, 410))
def get_artifact(artifact: ReadableArtifact, request: Request) -> Response:
    return reply(artifact_answer(artifact, base_url(request)))


_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
CONTENT = {
    **answers(models.Empty, 200, 404, 410, 416),
    200: {"description": "The bytes; ETag is their SHA-256", **_BYTES},
    206: {"description": "The bytes of the Range header", **_BYTES},
    302: {"description": "The bytes are at Location for a while: for who says `Hectiqlab-Follows: 302`, and browsers"},
    304: {"description": "If-None-Match names these bytes"},
}


@router.get("/artifacts/{uuid}/content", response_model=None, responses=CONTENT)
@router.head("/artifacts/{uuid}/content", response_model=None, responses=CONTENT)
def content(
    artifact: ReadableArtifact,
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    inline: Annotated[bool, Query(description="Show it in place: raster images and plain text.")] = False,
) -> Response:
    """The bytes, or one range of them."""
    grant = Grant(caller, frozenset({artifact.project_id}))
    return send_content(request, lab, grant, artifact.name, artifact.digest, artifact.bytes, inline=inline)


def send_content(
    request: Request, lab: Lab, grant: Grant, name: str, digest: str, size: int, *, inline: bool = False
) -> Response:
    """Answer with the bytes of a blob, as the request's conditions and its range say, while the grant holds. Raises
    ApiError 416.
    """
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    shown = INLINE.get(name.rpartition(".")[2].lower()) if inline else None
    headers["Content-Disposition"] = disposition("attachment" if shown is None else "inline", name)
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if shown is None and request.method == "GET" and _follows(request):
        address = lab.blobs.address(digest, headers["Content-Disposition"], "application/octet-stream")
        if address is not None:
            return Response(status_code=302, headers={"Location": address, "Cache-Control": "no-store"})
    start, stop, status = 0, size, 200
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range", etag) == etag:
        wanted_range = one_range(wanted, size)
        if wanted_range is not None and wanted_range[0] >= wanted_range[1]:
            raise ApiError(
                416,
                "bad_range",
                f"The file has {counted(size, 'byte')}.",
                {"Content-Range": f"bytes */{size}"},
            )
        if wanted_range is not None:
            start, stop = wanted_range
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    media_type = shown or "application/octet-stream"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    try:
        file = lab.blobs.open(digest, start)
    except KeyError:
        raise ApiError(500, "blob_lost", "The lab has lost the bytes of this file.") from None
    return GrantedResponse(
        _pieces(file, stop - start),
        lab.authority,
        grant,
        whole=True,
        status_code=status,
        headers=headers,
        media_type=media_type,
    )


def _follows(request: Request) -> bool:
    """Return whether whoever asks follows to another server: a program that says so, or a browser's download. What a
    page reads itself comes from the lab: it has no right to read from elsewhere.
    """
    if request.headers.get("hectiqlab-follows") == "302":
        return True
    return request.headers.get("sec-fetch-mode") == "navigate" and request.headers.get("sec-fetch-dest") in {
        "document",
        "empty",
    }


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece


def one_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a Range header asks for; empty if nothing is in it. None: the whole (several
    ranges, another unit, no range at all).
    """
    unit, _, ranges = header.partition("=")
    first, dash, last = ranges.strip().partition("-")
    if (
        unit.strip().lower() != "bytes"
        or not dash
        or not all(p == "" or (p.isascii() and p.isdigit()) for p in (first, last))
    ):
        return None
    if first == "":
        if last == "":
            return None
        return max(0, size - int(last[:19])), size
    start = int(first[:19])
    stop = min(int(last[:19]) + 1, size) if last else size
    if start < size and start >= stop:  # bytes=5-3 is not a range
        return None
    return start, stop


def disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition (RFC 6266): the name in ASCII for old readers and in full for others, without
    characters that would make it look like another name.
    """
    name = clean(name).replace("?", "_")
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
