"""Authority: the rights on which long answers and uploads rest: event streams, downloads, exports, uploads.

The caller is checked once, when the request comes (access.py). If the request still goes on a second later, it is
checked again and again: whether the key or the session is still valid, who its user is, and which role they have in
each project that the request is about. So a logout, a key that is revoked or expires, a disabled user or a lost role
ends the request within about two seconds, whichever process made the change. Nobody else's stream is touched.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from fastapi.responses import StreamingResponse
from starlette.responses import ContentStream
from starlette.types import Receive, Scope, Send

from ... import settings
from ...base.loops import Loop
from ...protocol import roles
from ...store.meta import MetaStore, MetaView, User
from .accounts import WEB_SESSION_IDLE_S, Caller
from .unstored import UnstoredSessions

log = logging.getLogger("hectiqlab.server")

LAST_WORD_S = 1.0  # the end of a stream has so long to reach a slow reader before the connection is cut


@dataclass(eq=False)
class Grant:
    """The rights on which one long answer rests.

    Attributes:
        caller: whose key or session it is.
        projects: ids of the projects that they must be able to read.
        adds: whether they must be able to add to some project.
        ended: the rights are gone.
    """

    caller: Caller
    projects: frozenset[str] = frozenset()
    adds: bool = False
    ended: bool = False
    _end: Callable[[], object] | None = field(default=None, repr=False)

    def when_ended(self, end: Callable[[], object] | None) -> None:
        """Call this when the grant ends, instead of what was set before. Call only on the event loop."""
        self._end = end
        if self.ended and end is not None:
            end()

    def end(self) -> None:
        """Call only on the event loop."""
        if not self.ended:
            self.ended = True
            if self._end is not None:
                self._end()


class Authority:
    """The thread that renews all grants, by four queries a second however many there are."""

    def __init__(self, meta: MetaStore, unstored: UnstoredSessions) -> None:
        self._meta, self._unstored = meta, unstored
        self._lock = threading.Lock()
        self._grants: dict[Grant, asyncio.AbstractEventLoop] = {}
        self._renewed = time.monotonic()
        self.loop = Loop("authority", self._turn, log.error, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        self.loop.stop()

    @contextmanager
    def renewing(self, grant: Grant) -> Iterator[Grant]:
        """Renew a grant while the block runs. Call only on the event loop."""
        with self._lock:
            self._grants[grant] = asyncio.get_running_loop()
        try:
            yield grant
        finally:
            with self._lock:
                del self._grants[grant]

    def _turn(self) -> float:
        self.renew()
        return settings.LAB_RENEW_S

    def renew(self) -> None:
        """End the grants that no longer hold. Blocks on the database. Raises what went wrong; once the database could
        not be asked for LAB_RENEW_UNKNOWN_S, all grants have ended.
        """
        with self._lock:
            grants = dict(self._grants)
        try:
            lost = self._lost(grants) if grants else []
            self._renewed = time.monotonic()
        except Exception:
            if time.monotonic() - self._renewed > settings.LAB_RENEW_UNKNOWN_S:
                self._end(grants, list(grants))
            raise
        self._end(grants, lost)

    def _end(self, grants: Mapping[Grant, asyncio.AbstractEventLoop], lost: Collection[Grant]) -> None:
        for grant in lost:
            loop = grants[grant]
            if not loop.is_closed():
                loop.call_soon_threadsafe(grant.end)

    def _lost(self, grants: Collection[Grant]) -> list[Grant]:
        with self._meta.reading() as view:
            users = self._users(view, [grant.caller for grant in grants])
            ids = {user.id for user in users.values()}
            given = view.roles_of_users(ids)
            private = view.private_projects({project for grant in grants for project in grant.projects})

        def holds(grant: Grant) -> bool:
            user = users.get(grant.caller.proof)
            if user is None or user.id != grant.caller.user.id:
                return False
            own = given.get(user.id, {})
            if grant.adds and not any(roles.at_least(role, roles.MEMBER) for role in (user.role, *own.values())):
                return False
            return all(
                project in private and roles.in_project(user.role, private[project], own.get(project)) is not None
                for project in grant.projects
            )

        return [grant for grant in grants if not holds(grant)]

    def _users(self, view: MetaView, callers: Collection[Caller]) -> dict[str, User]:
        """Return proof → its user, of the proofs that still hold."""
        now = time.time()
        keys = {caller.proof for caller in callers if caller.csrf is None}
        sessions = {caller.proof for caller in callers if caller.csrf is not None}
        stored = view.users_of_web_sessions(sessions, now, now - WEB_SESSION_IDLE_S)
        unstored = self._unstored.users(view, sessions - stored.keys(), now)
        return {**view.users_of_keys(keys, now), **stored, **unstored}


class GrantedResponse(StreamingResponse):
    """A stream that ends when its grant does.

    Args:
        whole: a file, which must not look whole when it is not: its connection is cut. Otherwise the stream comes to
            its end.
    """

    def __init__(
        self,
        content: ContentStream,
        authority: Authority,
        grant: Grant,
        *,
        whole: bool,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self.authority, self.grant, self.whole = authority, grant, whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.authority.renewing(self.grant), anyio.CancelScope() as running:
            self.grant.when_ended(running.cancel)
            await super().__call__(scope, receive, send)
        if running.cancelled_caught and not self.whole:
            with anyio.move_on_after(LAST_WORD_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        # An answer that is not finished here is one whose connection the server closes.
