"""Uploads: files on their way in, by tus 1.0 (https://tus.io/protocols/resumable-upload).

Of its extensions there are creation, expiration and termination. A finished upload becomes a blob: bytes named by their
SHA-256.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ...base.texts import counted
from ...errors import StoreError
from ...store.artifacts import Upload
from ...store.blobs import BlobUpload
from ..access.access import Adder, Anybody, TheCaller, TheLab
from ..accounts.authority import Grant
from ..files.files import Files, not_stored
from ..files.room import Room
from ..http.replies import ApiError
from ..models import models
from .common import ApiRouter, answers

TUS = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
OFFSET_BYTES = "application/offset+octet-stream"
BLOCK_BYTES = 1 << 20  # gathered before a thread writes them
SILENT_S = 60.0  # a sender that takes longer for a block is hung up on; what it sent is kept

router = ApiRouter(tags=["files"])
_CLOSE = {"Connection": "close"}
_NUMBER = re.compile(r"[0-9]{1,18}")
Digest = Annotated[str, InPath(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hex.")]
UploadId = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


async def speaks_tus(request: Request, caller: TheCaller) -> None:
    if request.headers.get("tus-resumable") != TUS:
        raise ApiError(
            412, "tus_version", f"Uploads take the header Tus-Resumable: {TUS}.", {"Tus-Version": TUS, **_headers()}
        )


Tus = Depends(speaks_tus)


def _headers(upload: Upload | None = None, **more: str) -> dict[str, str]:
    headers = {"Tus-Resumable": TUS, **{name.replace("_", "-"): value for name, value in more.items()}}
    if upload is not None and not upload.finished:
        headers["Upload-Expires"] = formatdate(upload.expires, usegmt=True)
    return headers


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise ApiError(400, "bad_request", f"The header {name} is missing, or no number of bytes.")
    return int(text)


def _announced(metadata: str, name: str) -> str | None:
    """Return a value of Upload-Metadata: pairs of a key and a base64 value, with commas."""
    for pair in metadata.split(","):
        key, _, value = pair.strip().partition(" ")
        if key == name:
            try:
                return base64.b64decode(value.strip(), validate=True).decode("ascii").lower()
            except (binascii.Error, ValueError):
                return None
    return None


def _announced_digest(metadata: str) -> str:
    digest = _announced(metadata, "digest") or ""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ApiError(400, "bad_request", "Upload-Metadata holds no digest: the SHA-256 of the file, hex, in base64.")
    return digest


@router.head(
    "/blobs/{digest}",
    response_model=None,
    response_class=Response,
    responses={**answers(models.Empty, 200, 404), 200: {"description": "Known"}},
)
def head_blob(digest: Digest, lab: TheLab, caller: TheCaller) -> Response:
    """Say whether the lab has these bytes. Only who sent them lately, or can read an artifact with them, learns it."""
    size = lab.files.known_bytes(caller.user.id, digest)
    if size is None:
        raise ApiError(404, "blob_not_found", "The lab has no such bytes of yours.")
    return Response(headers={"Content-Length": str(size), "ETag": f'"{digest}"'})


@router.options("/uploads", dependencies=[Anybody], status_code=204, response_model=None)
async def capabilities() -> Response:
    return Response(status_code=204, headers=_headers(Tus_Version=TUS, Tus_Extension=EXTENSIONS))


@router.options(
    "/uploads/{upload_id}",
    dependencies=[Anybody],
    status_code=204,
    response_model=None,
    responses={**answers(models.Empty, 204), 204: {"description": "What of tus is spoken here"}},
)
async def capabilities_of_one(upload_id: str) -> Response:
    return await capabilities()


@router.post(
    "/uploads",
    status_code=201,
    response_model=None,
    dependencies=[Tus],
    responses={
        **answers(models.Empty, 201, 400, 403, 412, 413, 429, 507),
        201: {"description": "Made; Location says where"},
    },
)
def create(request: Request, lab: TheLab, caller: Adder) -> Response:
    """Headers Upload-Length and Upload-Metadata (`digest`; `project`: the id of the one it is for). Goes on with an
    unfinished one of the same bytes.
    """
    size = _number(request, "upload-length")
    metadata = request.headers.get("upload-metadata", "")
    project = _announced(metadata, "project")
    upload = lab.files.start(caller.user.id, _announced_digest(metadata), size, project)
    return Response(
        status_code=201, headers=_headers(upload, Location=f"{request.scope['root_path']}/api/v1/uploads/{upload.id}")
    )


@router.head(
    "/uploads/{upload_id}",
    response_model=None,
    response_class=Response,
    dependencies=[Tus],
    responses={**answers(models.Empty, 200, 404, 412), 200: {"description": "Upload-Offset and Upload-Length"}},
)
def progress(upload_id: UploadId, lab: TheLab, caller: TheCaller) -> Response:
    """Say how much of an upload is here."""
    upload = lab.files.upload(caller.user.id, upload_id)
    offset = lab.files.offset(upload)
    return Response(headers=_headers(upload, Upload_Offset=str(offset), Upload_Length=str(upload.bytes)))


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    response_model=None,
    dependencies=[Tus],
    responses={**answers(models.Empty, 204, 404, 412, 423), 204: {"description": "Ended"}},
)
def end(upload_id: UploadId, lab: TheLab, caller: TheCaller) -> Response:
    lab.files.end(lab.files.upload(caller.user.id, upload_id))
    return Response(status_code=204, headers=_headers())


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    response_model=None,
    dependencies=[Tus],
    responses={
        **answers(models.Empty, 204, 400, 403, 404, 408, 409, 412, 415, 423, 460, 507),
        204: {"description": "Upload-Offset says how much is here now; all of it: the blob is there"},
    },
    openapi_extra={
        "requestBody": {"content": {OFFSET_BYTES: {"schema": {"type": "string", "format": "binary"}}}, "required": True}
    },
)
async def send(upload_id: UploadId, request: Request, lab: TheLab, caller: Adder) -> Response:
    """Bytes from Upload-Offset on. What arrived before the connection breaks is kept."""
    if request.headers.get("content-type", "") != OFFSET_BYTES:
        raise ApiError(415, "bad_request", f"PATCH takes {OFFSET_BYTES}.")
    offset = _number(request, "upload-offset")
    files = lab.files
    upload = await run_in_threadpool(files.upload, caller.user.id, upload_id)
    if upload.finished:
        if offset != upload.bytes:
            raise _wrong_offset(upload.bytes)
        return Response(status_code=204, headers=_headers(upload, Upload_Offset=str(offset)))
    try:
        received = await run_in_threadpool(files.blobs.open_upload, upload.id)
    except StoreError as e:
        raise not_stored(e) from None
    try:
        if received.offset != offset:
            raise _wrong_offset(received.offset)
        comes = upload.bytes - offset
        with files.room.put_aside(caller.user.id, comes), lab.authority.renewing(Grant(caller, adds=True)) as grant:
            await _receive(request, received, upload.bytes, grant, files)
        arrived = received.offset
        await _in_thread(files, files.finish if arrived == upload.bytes else files.renew, upload, received)
    except StoreError as e:
        raise not_stored(e) from None
    finally:
        with suppress(StoreError):  # what is acknowledged has been kept before
            await _in_thread(files, received.close)
    return Response(status_code=204, headers=_headers(upload, Upload_Offset=str(arrived)))


async def _in_thread(files: Files, function: Callable[..., object], *arguments: object) -> None:
    """Run a function in a thread for files, to its end even if this request is cancelled."""
    await asyncio.shield(asyncio.get_running_loop().run_in_executor(files.writers, function, *arguments))


def _wrong_offset(offset: int) -> ApiError:
    return ApiError(
        409,
        "wrong_offset",
        f"The lab has {counted(offset, 'byte')} of this upload: go on from there.",
        {"Upload-Offset": str(offset)},
    )


async def _receive(request: Request, received: BlobUpload, size: int, grant: Grant, files: Files) -> None:
    """Write a body as it comes, in a thread, while the next of it arrives: two blocks of memory, however
    large it is.
    """
    body = request.stream()
    left = size - received.offset
    writing: asyncio.Future[None] | None = None
    blocks: list[bytes] = []
    try:
        while True:
            gathering = asyncio.ensure_future(_gather(body, blocks, left))
            grant.when_ended(gathering.cancel)
            try:
                more = await asyncio.wait_for(gathering, SILENT_S)
            except asyncio.CancelledError:
                if not grant.ended:
                    raise
                raise ApiError(
                    403, "may_not_add", "You may no longer add to this lab: log in again, or ask an admin.", _CLOSE
                ) from None
            except (asyncio.TimeoutError, ClientDisconnect):
                raise ApiError(
                    408, "upload_interrupted", "The sender stopped in the middle: go on where the lab is.", _CLOSE
                ) from None
            left -= sum(map(len, blocks))
            if writing is not None:
                await writing
            loop = asyncio.get_running_loop()
            writing = loop.run_in_executor(files.writers, _append, received, blocks, files.room)
            blocks = []
            if not more:
                return
    finally:
        if writing is not None:
            await writing
        if blocks:
            await _in_thread(files, _append, received, blocks, files.room)


async def _gather(body: AsyncIterator[bytes], blocks: list[bytes], left: int) -> bool:
    """Fill `blocks` with about BLOCK_BYTES. Return False at the end of the body. If it fails, what it took
    stays there.
    """
    gathered = 0
    async for chunk in body:
        gathered += len(chunk)
        if gathered > left:
            raise ApiError(400, "too_long", "The body has more bytes than Upload-Length said.", _CLOSE)
        blocks.append(chunk)
        if gathered >= BLOCK_BYTES:
            return True
    return False


def _append(received: BlobUpload, blocks: list[bytes], room: Room) -> None:
    room.look(sum(map(len, blocks)))
    for block in blocks:
        received.append(block)
