"""Names of hosts to addresses, within a bound: the resolver of the C library waits half a minute and more for a name
server that is silent, whatever time its caller has.
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
_asked: dict[tuple[int, str, int], Future[Addresses]] = {}  # what a thread waits for now; after a fork there is none


def addresses(host: str, port: int, timeout_s: float) -> Addresses:
    """Blocks for at most `timeout_s`. Raises socket.gaierror: EAI_AGAIN where no name server answered by then.

    A lookup that takes longer goes on in a thread of its own, one for each name, and ends when the resolver gives up.
    """
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # it is a name
    key = os.getpid(), host, port
    mine: Future[Addresses] = Future()
    found = _asked.setdefault(key, mine)  # one step: no lock that a fork could leave held
    if found is mine:
        try:
            aside("names", partial(_look_up, key, mine))
        except RuntimeError:  # the limit of processes: better by this thread, for as long as it takes, than not at all
            _look_up(key, mine)
    try:
        return found.result(timeout_s)
    except LateError:
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answers in time") from None


def _look_up(key: tuple[int, str, int], found: Future[Addresses]) -> None:
    _, host, port = key
    try:
        found.set_result(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except BaseException as e:
        found.set_exception(e)
    finally:
        _asked.pop(key, None)
