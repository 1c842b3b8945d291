"""What the lab logs: a record for each request, as text or as lines of JSON."""

from __future__ import annotations

import json
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...base.texts import clean
from .metrics import Metrics

access_log = logging.getLogger("hectiqlab.access")


class Observe:
    """ASGI middleware, the outermost: counts, times and logs each request by the pattern of its route, not by its path,
    of which there are as many as runs.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status, streams = 0, False

        async def send_and_look(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(
                    k == b"content-type" and v.startswith(b"text/event-stream") for k, v in message["headers"]
                )
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        finally:
            seconds = time.perf_counter() - began
            # Some releases of FastAPI tell the pattern with the prefix of its router, some without.
            route = getattr(scope.get("route"), "path", "other").removeprefix("/api/v1")
            self.metrics.requests.labels(scope["method"], route, status).inc()
            if not streams:
                self.metrics.request_seconds.labels(route).observe(seconds)
            if access_log.isEnabledFor(logging.INFO):
                client = scope["client"][0] if scope.get("client") else ""
                fields = {
                    "method": scope["method"],
                    "path": clean(scope["path"]),  # decoded: it may hold line breaks and escapes
                    "status": status,
                    "ms": round(seconds * 1e3, 1),
                    "client": client,
                }
                access_log.info(
                    "%(method)s %(path)s %(status)d %(ms).1f ms %(client)s", fields, extra={"fields": fields}
                )


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (seconds since 1970), level, logger, message, exception, and `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(log_format: str, access: bool) -> None:
    """Set up the lab's log, on stderr: "text" for people, "json" for collectors; with or without a record for each
    request.
    """
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if log_format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    access_log.setLevel(logging.INFO if access else logging.WARNING)
