"""Connections: how many there may be and who gives way, and how long a request may take to arrive.

uvicorn has a time-out for connections between two requests and none for a request that does not arrive, and httptools
takes a head of any length. So here are a protocol that counts what is not body, and a registry that looks at all
connections once a second. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Callable
from itertools import islice
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ... import settings
from .proxies import Trusted, address_in, place_of
from .replies import error_body

CONNECTION = "hectiqlab.connection"  # the Protocol, in a request's scope
_CANDIDATES = 64  # connections that are compared when one has to give way
_OVERHEAD = 8  # bytes beside the body that are allowed for each byte of it: chunks may be of one byte
_PIECES, _PIECE_BYTES = 4096, 64  # a body may come in _PIECES pieces, and one more for each _PIECE_BYTES bytes
_YOUNG_S = 1.0  # a younger connection does not give way to one of its address, or each would push out the one before
_TURNED_AWAY_S = 2.0  # a connection that was turned away is closed after so long, or its client would be back at once …
_TURNED_AWAY_MAX = 256  # … and so many may wait to be closed
_CLOSING_S = 5.0  # the other side has so long to read the last answer


class _TooLarge(Exception):
    pass


class Protocol(HttpToolsProtocol):
    """One connection. `of(connections)` makes the class that uvicorn is given.

    A head of more than LAB_HEAD_BYTES_MAX is answered with 431. What is counted is all that is not body: so a trailer
    without end is found too, and so are the sizes of chunks.
    """

    connections_of_lab: ClassVar[Connections]

    @classmethod
    def of(cls, connections: Connections) -> type[Protocol]:
        return type("LabProtocol", (cls,), {"connections_of_lab": connections})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self.address = place_of(self.peer)
        self._reading = "head"  # | body | "": the request has arrived, or none has begun
        self._since = self._heard = self.connections_of_lab.clock()
        self._no_body, self._body = 0, 0  # bytes of the request under way
        self._pieces = 0  # how many pieces its body came in
        self._fresh = True  # nothing of the bytes at hand belongs to a request before
        self._unread = 0  # bytes of answers that the other side has not taken
        self._gone_at: float | None = None  # when it was asked to go
        self.connections_of_lab.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_lab.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._gone_at is not None:
            return
        self._heard = self.connections_of_lab.clock()
        self._fresh = self._reading in {"", "head"} and self._no_body == 0
        if not self._reading:
            self._reading, self._since = "head", self._heard
        self._no_body += len(data)
        super().data_received(data)
        if self._no_body > settings.LAB_HEAD_BYTES_MAX + _OVERHEAD * self._body and self._reading:
            self.refuse(431, "The head of the request is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._fresh:  # this request begins in the same bytes in which another one ended
            self._no_body, self._since = 0, self._heard
        self._fresh, self._body, self._pieces, self._reading = False, 0, 0, "head"

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > settings.LAB_HEADERS_MAX:
            raise _TooLarge  # uvicorn answers 400

    def on_headers_complete(self) -> None:
        self._reading, self._since = "body", self._heard
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_headers_complete()
        if len(self.pipeline) > settings.LAB_PIPELINED_MAX:
            raise _TooLarge

    def on_body(self, body: bytes) -> None:
        self._no_body -= len(body)
        self._body += len(body)
        self._pieces += 1
        if self._pieces > _PIECES + self._body // _PIECE_BYTES:  # each costs as much as many bytes do
            self.refuse(400, "The body comes in too small chunks.")
            raise _TooLarge  # the rest of what has come is not parsed
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        if self._gone_at is None:
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._reading, self._no_body, self._body = "", 0, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._since = self.connections_of_lab.clock()
        self.connections_of_lab.served(self)

    def proved(self) -> None:
        """Note that somebody whom the lab knows asks over it."""
        self.connections_of_lab.proved(self)

    @property
    def age_s(self) -> float:
        """Return the seconds since its request began to arrive, or since its last answer."""
        return self.connections_of_lab.clock() - self._since

    @property
    def gives_way(self) -> bool:
        """Return whether no work of the lab is lost with it: no request is here, or it has not arrived yet."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return self._gone_at is None and (self._reading == "body" or not answering)

    def look(self, now: float) -> None:
        """End what takes too long."""
        if self._gone_at is not None:
            if now - self._gone_at > _CLOSING_S:
                self.transport.abort()
        elif self._reading == "head":
            if now - self._since > settings.LAB_HEAD_S:
                self.refuse(408, "The request did not arrive in time.")
        elif self._reading == "body":
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:  # it is the lab that takes its time
                self._since += now - self._heard
                self._heard = now
            paid_s = settings.LAB_BODY_S + self._body / settings.LAB_BODY_BYTES_PER_S_MIN
            if now - self._heard > settings.LAB_BODY_SILENT_S or now - self._since > paid_s:
                self.refuse(408, "The body did not arrive in time.")
        else:
            unread = self.transport.get_write_buffer_size()
            if not unread or unread < self._unread:
                self._heard = now
            elif now - self._heard > settings.LAB_ANSWER_SILENT_S and unread == self._unread:
                self.transport.abort()
            self._unread = unread

    def refuse(self, status: int, message: str) -> None:
        """Answer with that, unless an answer has begun, and close."""
        self._gone_at = self.connections_of_lab.clock()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            reason = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
            code = reason.lower().replace(" ", "_")
            body = json.dumps(error_body(status, code, message))
            head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\nconnection: close\r\n"
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        self._forget()
        self.transport.close()

    def drop(self) -> None:
        """Close it, so that others have room."""
        self._gone_at = self.connections_of_lab.clock()
        self._forget()
        self.transport.abort()

    def turn_away(self) -> None:
        """Refuse it, as there is no room. Nothing that it sends is read."""
        self._gone_at = self.connections_of_lab.clock()
        self.transport.pause_reading()

    def _forget(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class Connections:
    """All connections of a lab.

    When there are as many as there may be, or as many of one address, the newest comes in and another gives way: first
    one over which nobody has proved who they are, of the address that has most, the oldest first; else the one that was
    idle for longest. Where none can, the newest is turned away.

    Args:
        most: how many there may be.
        proxies: addresses and networks by commas, or "*", whose connections are many people's.
    """

    def __init__(self, most: int, proxies: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.clock = most, clock
        self.most_of_address = max(1, int(most * settings.LAB_CONNECTIONS_SHARE))
        self._proxies = Trusted.parsed(proxies)
        # Each in order of their arrival, or their last answer.
        self._strange: dict[Protocol, None] = {}  # over which nobody has proved yet who they are
        self._known: dict[Protocol, None] = {}
        self._of: dict[str, dict[Protocol, None]] = {}  # by address
        self._strange_of: dict[str, dict[Protocol, None]] = {}
        self._turned_away: dict[Protocol, float] = {}  # → when

    def __len__(self) -> int:
        return len(self._strange) + len(self._known)

    def arrived(self, new: Protocol) -> None:
        its, strangers = self._of.get(new.address, {}), self._strange_of.get(new.address, {})
        full = len(its) >= self.most_of_address
        if (full or len(strangers) >= settings.LAB_CONNECTIONS_OF_STRANGERS) and not self._is_proxy(new.peer):
            among = its if full else strangers
            self._make_room(new, list(islice((c for c in among if c.gives_way and c.age_s > _YOUNG_S), 1)))
        elif len(self) >= self.most:
            self._make_room(new, _candidates(self._strange) or _candidates(self._known))
        if new.gives_way:
            self._strange[new] = None
            self._of.setdefault(new.address, {})[new] = None
            self._strange_of.setdefault(new.address, {})[new] = None

    def proved(self, connection: Protocol) -> None:
        """Note that somebody whom the lab knows asks over a connection."""
        if connection in self._strange:
            del self._strange[connection]
            _remove(self._strange_of, connection)
            self._known[connection] = None

    def _make_room(self, new: Protocol, candidates: list[Protocol]) -> None:
        one = max(candidates, key=lambda c: len(self._of[c.address]), default=new)  # the first of equals
        if one is new and len(self._turned_away) < min(_TURNED_AWAY_MAX, self.most // 8):
            new.turn_away()
            self._turned_away[new] = self.clock()
        else:
            self.left(one)
            one.drop()

    def served(self, connection: Protocol) -> None:
        """Note that an answer over a connection is complete."""
        its, strangers = self._of.get(connection.address, {}), self._strange_of.get(connection.address, {})
        for among in (self._strange, self._known, its, strangers):
            if connection in among:
                among[connection] = among.pop(connection)  # behind the others

    def left(self, connection: Protocol) -> None:
        self._strange.pop(connection, None)
        self._known.pop(connection, None)
        self._turned_away.pop(connection, None)
        _remove(self._of, connection)
        _remove(self._strange_of, connection)

    def look(self) -> None:
        """Look at all connections. Called once a second."""
        now = self.clock()
        for connection in [*self._strange, *self._known]:
            connection.look(now)
        for connection, at in list(self._turned_away.items()):
            if now - at > _TURNED_AWAY_S:
                connection.drop()

    def _is_proxy(self, peer: str) -> bool:
        address = address_in(peer)
        return self._proxies.whoever or address is None or address in self._proxies


def _candidates(among: dict[Protocol, None]) -> list[Protocol]:
    return list(islice((connection for connection in among if connection.gives_way), _CANDIDATES))


def _remove(of: dict[str, dict[Protocol, None]], connection: Protocol) -> None:
    its = of.get(connection.address)
    if its is not None:
        its.pop(connection, None)
        if not its:
            del of[connection.address]


def most_connections() -> int:
    """Return how many connections the descriptors of this process allow, after raising their limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.LAB_CONNECTIONS_MAX + settings.LAB_DESCRIPTORS_KEPT
    if soft < wanted and soft < hard:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(16, min(settings.LAB_CONNECTIONS_MAX, soft - settings.LAB_DESCRIPTORS_KEPT))
