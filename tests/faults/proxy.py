"""A proxy between clients and the lab, on loopback, that spoils connections as it is told: HTTP aware, also over TLS.

`fault` names what is done to every request from now on, "" for nothing; `hits` counts those that met one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
import struct
import subprocess
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HTML = b"<html><head><title>Sign in</title></head><body>Please accept the terms of this network.</body></html>"
KINDS = (
    "refused",
    "reset_request",
    "reset_reply",
    "lost_reply",
    "stalled",
    "slow_reply",
    "slow_request",
    "too_many",
    "error_500",
    "unavailable",
    "html_413",
    "html_200",
    "html_502",
    "garbage",
    "tls_certificate",
    "tls_handshake",
)
SLOW_BYTES, SLOW_S = 24, 0.05  # about 500 bytes per second


def make_certificate(folder: Path, name: str, address: str) -> Path:
    """Make a self-signed certificate, with its key in the same file. Raises FileNotFoundError if there is
    no openssl.
    """
    made = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={address}"]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + (folder / f"{name}.key").read_bytes())
    return made


class Proxy:
    """Listens on two ports of 127.0.0.1 from construction to `close`: `port`, and `tls_port` where it was given
    certificates (right, wrong).
    """

    def __init__(self, ports: int | Sequence[int], seed: int, certificates: tuple[Path, Path] | None = None) -> None:
        """`ports`: where the labs listen. Each request goes to the next of them that can be reached."""
        self.ports = [ports] if isinstance(ports, int) else list(ports)
        self._turn = 0
        self.fault = ""
        self.hits = 0
        self._rng = random.Random(seed)
        self._healed = asyncio.Event()
        self._tls, self._wrong = (None, None) if certificates is None else map(_context, certificates)
        if self._tls is not None:
            self._tls.sni_callback = self._hello
        # Bound but not listening: these sockets keep the ports for us while connections to them are refused.
        self._held = [_held_port() for _ in range(1 if certificates is None else 2)]
        self.port = self._held[0].getsockname()[1]
        self.tls_port = self._held[-1].getsockname()[1] if certificates is not None else 0
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda loop, context: None)  # connections break: that is the point
        self._loop.run_forever()

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def start(self, kind: str) -> None:
        self._call(self._start(kind))

    def stop(self) -> None:
        self._call(self._stop())

    def close(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for held in self._held:
            held.close()

    async def _listen(self) -> None:
        start = asyncio.start_server
        self._servers = [await start(self._serve, "127.0.0.1", self.port, reuse_port=True)]
        if self._tls is not None:
            tls = await start(self._serve, "127.0.0.1", self.tls_port, reuse_port=True, ssl=self._tls)
            self._servers.append(tls)

    async def _unlisten(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []

    async def _start(self, kind: str) -> None:
        self._healed = asyncio.Event()
        self.fault = kind
        if kind == "refused":
            await self._unlisten()

    async def _stop(self) -> None:
        was, self.fault = self.fault, ""
        self._healed.set()
        if was == "refused":
            self.hits += 1  # a fault that met nobody cannot be counted
            await self._listen()

    async def _close(self) -> None:
        self._healed.set()
        await self._unlisten()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
        for writer in tuple(self._writers):
            writer.transport.abort()
        # Sockets are closed in the next turns of the loop; otherwise they would be collected while still open.
        await asyncio.sleep(0.05)

    def _hello(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        if self.fault == "tls_handshake":
            self.hits += 1
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        if self.fault == "tls_certificate" and self._wrong is not None:
            self.hits += 1
            connection.context = self._wrong
        return None

    # One connection -------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass on one request and its reply. Return whether the connection may go on."""
        head = await reader.readuntil(b"\r\n\r\n")
        kind = self.fault
        if kind.startswith("tls_") and writer.get_extra_info("ssl_object") is None:
            kind = ""
        if kind in ("refused", "tls_certificate", "tls_handshake"):
            return _reset(writer)  # this connection existed before: such a fault strikes only new connections
        self.hits += bool(kind)
        size = _length(head)
        if b"\r\nexpect: 100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
        if kind == "reset_request" and size:
            await reader.readexactly(self._rng.randrange(size))
            return _reset(writer)
        if kind == "slow_request" and size:
            body = await self._slowly_read(reader, size)
        else:
            body = await reader.readexactly(size)
        answer = _answers(self._rng).get(kind)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            return kind != "garbage"
        if kind == "stalled":
            await self._healed.wait()
            return _reset(writer)
        if kind == "reset_request":
            return _reset(writer)
        reply = await self._ask_lab(head, body)
        if kind == "lost_reply" or not reply:
            return _reset(writer)
        if kind == "reset_reply":
            writer.write(reply[: self._rng.randrange(1, len(reply))])
            await writer.drain()
            return _reset(writer)
        if kind == "slow_reply":
            for at in range(0, len(reply), SLOW_BYTES):
                writer.write(reply[at : at + SLOW_BYTES])
                await writer.drain()
                if not self._healed.is_set():
                    await asyncio.sleep(SLOW_S)
        else:
            writer.write(reply)
            await writer.drain()
        return b"\r\nconnection: close" not in reply[: reply.find(b"\r\n\r\n")].lower()

    async def _slowly_read(self, reader: asyncio.StreamReader, size: int) -> bytes:
        body = b""
        while len(body) < size:
            block = await reader.read(min(SLOW_BYTES, size - len(body)))
            if not block:
                raise asyncio.IncompleteReadError(body, size)
            body += block
            if self._healed.is_set():
                return body + await reader.readexactly(size - len(body))
            await asyncio.sleep(SLOW_S)
        return body

    async def _ask_lab(self, head: bytes, body: bytes) -> bytes:
        """Return the lab's whole reply; b"": it gave none."""
        connected = await self._connected()
        if connected is None:
            return b""
        reader, writer = connected
        self._writers.add(writer)
        try:
            writer.write(head + body)
            await writer.drain()
            start = await reader.readuntil(b"\r\n\r\n")
            no_body = head.startswith(b"HEAD ") or b" 204 " in start.split(b"\r\n", 1)[0]
            return start + (b"" if no_body else await reader.readexactly(_length(start)))
        except (OSError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.transport.abort()  # `close` would wait for a lab, which may be stopped, to read the rest

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.ports:
            self._turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.ports[self._turn % len(self.ports)])
        return None


def _held_port() -> socket.socket:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _reset(writer: asyncio.StreamWriter) -> bool:
    """End the connection with RST instead of FIN."""
    with contextlib.suppress(OSError, AttributeError):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _reply(status: str, body: bytes, kind: str = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _answers(rng: random.Random) -> dict[str, bytes]:
    """Return what is answered in the lab's place."""
    busy = json.dumps({"error": {"code": "busy", "message": "Too much at once.", "status": 429}}).encode()
    return {
        "too_many": _reply("429 Too Many Requests", busy, "application/json", "Retry-After: 1"),
        "error_500": _reply("500 Internal Server Error", b"Internal Server Error", "text/plain"),
        "unavailable": _reply("503 Service Unavailable", HTML, "text/html", "Retry-After: 1"),
        "html_413": _reply("413 Request Entity Too Large", HTML, "text/html"),
        "html_200": _reply("200 OK", HTML, "text/html"),
        "html_502": _reply("502 Bad Gateway", HTML, "text/html"),
        "garbage": rng.randbytes(200),
    }
