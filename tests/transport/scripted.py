"""A real listening socket that does to each connection what a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Script = Callable[[socket.socket, "ScriptedServer"], None]


class ScriptedServer:
    """Accepts connections and hands each to `script` in a thread of its own; `stopping` ends those that wait."""

    def __init__(self, script: Script) -> None:
        self.stopping = threading.Event()
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            self._script(connection, self)

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):  # accept() does not notice that its socket was closed
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket, server: ScriptedServer) -> bytes:
    """Return one whole request; b"": the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    server.requests.append(head + b"\r\n\r\n" + body)
    return server.requests[-1]


def http(status: str, body: bytes = b"", content_type: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def lab_error(status: str, code: str, message: str, **headers: str) -> bytes:
    error = {"error": {"code": code, "message": message, "status": int(status.split()[0])}}
    return http(status, json.dumps(error).encode(), **headers)


def answering(*answers: bytes) -> Script:
    """Read requests and answer them in turn; repeat the last answer."""
    left = list(answers)

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        while read_request(connection, server):
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return script


def as_json(value: Any) -> bytes:
    return http("200 OK", json.dumps(value).encode())
