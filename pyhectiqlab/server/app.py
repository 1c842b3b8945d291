"""The ASGI application: routes under /api/v1, pages beside them, one shape for every error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from .._version import __version__
from ..errors import SlowSearchError, StoreError
from ..store.meta import FullError
from .access.access import caller, check_guarded
from .counts.request_log import Observe
from .http.guard import Guard
from .http.moved import Moved, OldAddress
from .http.proxies import BehindProxy, Trusted
from .http.replies import ApiError, error_body, reply
from .lab import Lab
from .rootpath import RootPath
from .routes import (
    accounts,
    actions,
    artifacts,
    command_logins,
    differences,
    formulas,
    grouplines,
    handshake,
    imports,
    ingest,
    logs,
    media,
    operations,
    pages,
    people,
    projects,
    records,
    registry,
    runs,
    series,
    sessions,
    sso,
    stream,
    table,
    uploads,
    users,
    verify,
    views,
)
from .routes.common import API
from .status.gauges import Gauges
from .turns.admission import Admission
from .turns.bodies import problem_text
from .turns.compress import Compress

log = logging.getLogger("hectiqlab.server")
MODULES = (  # whose routes are the API's; a request is compared with one after the other: what comes most is first
    ingest,
    sessions,
    handshake,
    accounts,
    sso,
    command_logins,
    users,
    people,
    projects,
    series,
    formulas,
    grouplines,
    stream,
    differences,  # before the runs, whose ids its path is like
    runs,
    records,
    actions,
    table,
    views,
    verify,
    logs,
    media,
    uploads,
    artifacts,
    registry,
    imports,
    operations,
)
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def create_app(
    lab: Lab,
    hosts: Collection[str] | None = None,
    root_path: str = "",
    trusted: Trusted | None = None,
    old: tuple[OldAddress, ...] = (),
    now: str = "",
) -> FastAPI:
    """Return the lab's HTTP face.

    Args:
        lab: open and started; the caller stops it after the application.
        hosts: names under which it may be asked (see guard.py); None: any.
        root_path: where it lies on its host, see rootpath.py.
        trusted: the proxies before it, see proxies.py.
        old, now: where it was and where it is, see moved.py.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        lab.hub.attach_loop()
        yield
        lab.hub.close()

    app = _api(lifespan=lifespan)
    app.state.lab = lab
    lab.metrics.registry.register(Gauges(lab))
    app.add_middleware(Admission, shares=lab.shares, logins=lab.logins, identify=caller)
    app.add_middleware(Compress, shares=lab.shares)
    app.add_middleware(Guard, hosts=hosts)
    app.add_middleware(Observe, metrics=lab.metrics)
    app.add_middleware(RootPath, root_path=root_path)
    if old:
        app.add_middleware(Moved, old=old, to=now)
    if trusted is not None:
        app.add_middleware(BehindProxy, trusted=trusted)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreError, _store_error)
    app.add_exception_handler(SlowSearchError, _slow_search)
    app.add_exception_handler(FullError, _full)
    app.add_exception_handler(Exception, _unforeseen)
    app.state.route_paths = [
        route.path_regex for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)
    ]
    app.include_router(pages.router)
    return app


def _api(**options: Any) -> FastAPI:
    """Return an application with the routes of the API, without a lab behind them."""
    app = FastAPI(
        title="hectiqlab",
        version=__version__,
        description="The lab's API. Errors have one shape: {error: {code, message, status}}.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        **options,
    )
    for module in MODULES:
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                check_guarded(route)
        app.router.routes.extend(module.router.routes)  # not `include_router`: routes/common.py
    return app


def openapi_schema() -> dict[str, Any]:
    """Return the OpenAPI schema of the API, as GET /api/v1/openapi.json answers it. Needs no lab."""
    return _api().openapi()


def _is_route(request: Request) -> bool:
    return any(regex.match(request.url.path) for regex in request.app.state.route_paths)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and not _is_route(request):  # the pages' catch-all knows GET alone
        error = HTTPException(404, f"Nothing is at {request.url.path[:200]}")
    if isinstance(error, ApiError):
        body = error_body(error.status_code, error.code, error.detail, **error.extra)
    else:
        body = error_body(error.status_code, _CODES.get(error.status_code, "error"), f"{error.detail}.")
    return reply(body, error.status_code, error.headers)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return reply(error_body(422, "invalid", problem_text(error.errors()[0])), 422)


def _full(_: Request, error: Exception) -> Response:
    return reply(error_body(422, "full", str(error)), 422)


def _slow_search(_: Request, error: Exception) -> Response:
    return reply(error_body(503, "slow_search", str(error)), 503, {"Retry-After": "1"})


def _store_error(_: Request, error: Exception) -> Response:
    return reply(error_body(503, "store_unavailable", str(error)), 503, {"Retry-After": "5"})


def _unforeseen(request: Request, error: Exception) -> Response:
    return reply(error_body(500, "internal", "The lab failed on this request; its log says more."), 500)
