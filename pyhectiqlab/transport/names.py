"""Names of hosts to addresses, within a bound.

The C library's resolver waits half a minute and more for a silent name server, however little time its caller has.
"""

from __future__ import annotations

import os
import socket
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from functools import partial
from typing import Any

from ..base.loops import aside

Addresses = list[tuple[Any, ...]]  # as socket.getaddrinfo gives them
_asked: dict[tuple[int, str, int], Future[Addresses]] = {}  # lookups under way; after a fork there are none


def addresses(host: str, port: int, timeout_s: float) -> Addresses:
    """Return the addresses of a host. Blocks for at most `timeout_s`. Raises socket.gaierror: EAI_AGAIN where no name
    server answered by then.

    A lookup that takes longer goes on in a thread of its own, one for each name, and ends when the resolver gives up.
    """
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # it is a name
    key = os.getpid(), host, port
    mine: Future[Addresses] = Future()
    lookup = _asked.setdefault(key, mine)  # one step: no lock that a fork could leave held
    if lookup is mine:
        try:
            aside("names", partial(_look_up, key, mine))
        except RuntimeError:  # the limit of processes: this thread looks it up, without a bound
            _look_up(key, mine)
    try:
        return lookup.result(timeout_s)
    except LateError:
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answers in time") from None


def _look_up(key: tuple[int, str, int], lookup: Future[Addresses]) -> None:
    _, host, port = key
    try:
        lookup.set_result(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except BaseException as e:
        lookup.set_exception(e)
    finally:
        _asked.pop(key, None)
