"""Large JSON bodies, which are read and checked in a thread, one body at a time.

On the event loop they would keep everybody else waiting. Routers name `BodyRoute` as the class of their routes.

Parsing is one call of C code, beside which no other thread runs: so the values of a body are counted before it is
parsed. Lists stop at the first item that is wrong (`FailFast` in the models), since each error costs more than an item.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from ... import settings
from ..http.replies import ApiError
from .admission import WHO
from .shares import OverShareError, Shares

INLINE_BYTES = 16 << 10  # to read a smaller body takes less time than to hand it to a thread
DIGITS_MAX = 40  # of an integer, as the time to parse one grows with the square of its digits


class BodyRoute(APIRoute):
    """A route that reads a large body of JSON in a thread."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        bodies = self.dependant.body_params
        model = bodies[0].field_info.annotation if len(bodies) == 1 else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return handle

        async def handle_body(request: Request) -> Response:
            try:
                return await handle(_Request(request, model))
            except _TooManyError as e:
                raise e.error from None

        return handle_body


class _TooManyError(HTTPException):
    """A body has too many values. FastAPI passes this on; any other exception of `json` means that it is not JSON."""

    def __init__(self, error: OverShareError) -> None:
        super().__init__(429)
        self.error = error


class _Request(Request):
    def __init__(self, request: Request, model: type[BaseModel]) -> None:
        super().__init__(request.scope, request.receive)
        self._model = model

    async def json(self) -> Any:
        """Return what the body says; of a large one the model, which FastAPI takes as it is. Raises ApiError,
        _TooManyError, and what json.loads raises.
        """
        body = await self.body()
        if len(body) <= INLINE_BYTES:
            return await super().json()
        shares: Shares = self.app.state.lab.shares
        who, loop = self.scope[WHO], asyncio.get_running_loop()
        try:
            await shares.bodies_read.take(who)
        except OverShareError as e:
            raise _TooManyError(e) from None
        began = time.monotonic()
        try:
            shares.check(who)  # their bodies before it may have cost much
            return await loop.run_in_executor(shares.body_reader, checked, body, self._model)
        except OverShareError as e:
            raise _TooManyError(e) from None
        finally:
            # After a large body, read no other for as long as it took: so half of the time is left for small ones.
            loop.call_later(time.monotonic() - began, shares.bodies_read.give_back, who)


def checked(body: bytes, model: type[BaseModel]) -> BaseModel:
    """Return a body of JSON as its model. Raises ApiError, and what json.loads raises."""
    if values_of(body) > settings.LAB_JSON_VALUES_MAX:
        most = settings.LAB_JSON_VALUES_MAX
        raise ApiError(413, "too_large", f"The body has over {most} values: send less at once.")
    try:
        return model.model_validate(json.loads(body.decode(), parse_int=_integer))
    except ValidationError as e:
        raise ApiError(422, "invalid", problem_text(e.errors(include_url=False, include_context=False)[0])) from None


def values_of(body: bytes) -> int:
    """Return how many values a body of JSON has, about: its commas and opening brackets outside of texts, or more than
    LAB_JSON_VALUES_MAX where that are too many.
    """
    most = settings.LAB_JSON_VALUES_MAX
    if (quickly := _separators(body)) <= most:
        return quickly
    between = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 4 * most + 1)  # so are keys texts
    return most + 1 if len(between) > 4 * most + 1 else _separators(b"".join(between[::2]))


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError("an integer of too many digits")
    return int(digits)


def problem_text(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors in a line."""
    where = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
    return f"{where or 'The body'}: {error['msg'].removeprefix('Value error, ')}."[:500]
