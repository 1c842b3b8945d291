"""What several routes need: the documented answers, list parameters, addresses, and the answers of runs."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ...errors import StoreError
from ...store.meta import Run, User
from ...store.points import SeriesInfo
from ..http.replies import LIMIT_DEFAULT, LIMIT_MAX, ApiError
from ..lab import Lab
from ..models.answers import run_answer
from ..models.models import ErrorAnswer
from ..turns.pace import in_pieces

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many items at most.")]
After = Annotated[str | None, Query(max_length=4096, description="`next` of the page before.")]
LIMIT = LIMIT_DEFAULT
LAST_KEYS = 8
SYSTEM_KEYS = 24  # of a machine with eight GPUs


API = "/api/v1"


class ApiRouter(APIRouter):
    """A router whose routes lie below API. They have their whole path from the start, so that an application takes
    them as they are. `include_router` would build each a second time, during the lab's first requests.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(prefix=API, **options)


class Router(ApiRouter):
    """A router whose functions in threads keep the pace of the lab (server/turns/pace.py)."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        if not inspect.iscoroutinefunction(endpoint):
            endpoint = in_pieces(endpoint)
        super().add_api_route(path, endpoint, **more)


def answers(model: type[BaseModel], status: int = 200, *errors: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its answer, and the statuses that it may refuse with."""
    refused = sorted(
        {400, 401, 413, 422, 429, *errors}
    )  # 400: a body that is not JSON, a protocol that is not spoken here
    return {status: {"model": model}, **{code: {"model": ErrorAnswer} for code in refused}}


def base_url(request: Request) -> str:
    """Return what links of the lab begin with: `--public-url`, if it was given; else the Host header of the request,
    which says whatever the sender of the request wrote.
    """
    lab: Lab = request.app.state.lab
    return lab.public_url or str(request.base_url).rstrip("/")


def find_user(lab: Lab, username: str, deleted_too: bool = False) -> User:
    """Return a user by name. Blocks on the database. Raises ApiError 404."""
    with lab.meta.reading() as view:
        user = view.user_named(username, deleted_too)
    if user is None:
        raise ApiError(404, "user_not_found", f"No user is named {username[:100]!r}: see GET /api/v1/users.")
    return user


def run_answers(
    request: Request, lab: Lab, runs: Sequence[Run], keys: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return runs as the lists and the page show them, with the newest values of these keys. None: of their first ones.
    While the points cannot be read, the runs are shown without values. Blocks on the stores.
    """
    base, now = base_url(request), time.time()
    last: dict[str, list[SeriesInfo]] = {}
    if runs and (keys is None or len(keys) > 0):
        with suppress(StoreError):
            last = _last_values(lab, [run.id for run in runs], keys)
    return [run_answer(run, last.get(run.id, []), base, now) for run in runs]


def _last_values(lab: Lab, ids: Sequence[str], keys: Sequence[str] | None) -> dict[str, list[SeriesInfo]]:
    last = lab.points.last(ids, keys, limit_per_run=LAST_KEYS)
    crowded = [run for run, infos in last.items() if keys is None and any(is_system(info) for info in infos)]
    if crowded:  # what the script reports comes first
        more = lab.points.last(crowded, limit_per_run=LAST_KEYS + SYSTEM_KEYS)
        last |= {run: sorted(infos, key=is_system)[:LAST_KEYS] for run, infos in more.items()}
    return last


def is_system(info: SeriesInfo) -> bool:
    return info.key.startswith("system/")
