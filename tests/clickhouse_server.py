"""A stand-in for ClickHouse's server, over the engine of `chdb`.

It speaks enough of ClickHouse's HTTP interface for clickhouse-connect. `chdb` is ClickHouse itself, embedded in this
process.

    python -m tests.clickhouse_server FOLDER PORT [USER:PASSWORD:SETTINGS …]

The engine, its tables on disk and its merges are real; this door is ours: one node, no clusters, no TLS, no quotas.
A user's SETTINGS (`readonly=1`) hold for each of its queries. It ends with its stdin. ClickHouse's own server cannot be
had from PyPI; where one is installed, tests/clickhouse.py starts that instead.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

# Settings of the interface, not of the engine.
_OF_HTTP = {
    "query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "compress",
    "decompress", "user", "password", "role", "quota_key", "wait_end_of_query", "buffer_size",
    "enable_http_compression",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "client_protocol_version",
    "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_INSERT = re.compile(rb"^\s*(INSERT\s+INTO\s.+?)\s+FORMAT\s+(\w+)[ \t]*\n", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_SETTINGS = re.compile(r"\s+SETTINGS\s+([\w\s=,.'\"]+)$", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
BACKUPS = "backups"  # a folder in that of the data; BACKUP may write there
_STATUS = {60: 404, 81: 404, 164: 403, 497: 403, 516: 403}  # others: 500

Settings = tuple[tuple[str, str], ...]


class Engine:
    """Connections to the embedded engine. Each serves one query at a time, and is kept for others of its settings."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}?backups.allowed_path={folder}/{BACKUPS}/"
        self._first = chdb.connect(self._folder)  # this keeps the engine open
        self._idle: dict[tuple[str, Settings], list[Any]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def connection(self, database: str, settings: Settings) -> Any:
        kind = (database, settings)
        with self._lock:
            kept = self._idle.setdefault(kind, [])
            connection = kept.pop() if kept else None
        if connection is None:
            with self._lock:
                connection = chdb.connect(self._folder)
            try:
                connection.query(f"USE `{database}`", "Null")
                for name, value in settings:
                    connection.query(f"SET {name} = '{value}'", "Null")
            except BaseException:
                connection.close()
                raise
        try:
            yield connection
        finally:
            with self._lock:
                kept.append(connection)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    engine: Engine
    users: dict[str, tuple[str, Settings]]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            user = self._user(asked)
            settings = {k: v for k, v in asked.items() if k not in _OF_HTTP and not k.startswith("param_")}
            statement = asked.get("query", "").encode()
            statement = statement + (b"\n" if statement and body else b"") + body
            of_user = self.users[user][1]
            # The user's settings come last: after readonly = 1 nothing else can be changed.
            kind = (*sorted(settings.items()), *of_user)
            with self.engine.connection(asked.get("database") or "default", kind) as connection:
                self._answer(200, _run(connection, statement, asked.get("default_format", "TabSeparated")))
        except BrokenPipeError:
            raise
        except Exception as e:
            match = _CODE.search(str(e))
            code = int(match.group(1)) if match else 1002
            self._answer(_STATUS.get(code, 500), f"{e}\n".encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def _user(self, asked: dict[str, str]) -> str:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        name, password = asked.get("user", "default"), asked.get("password", "")
        if kind == "Basic":
            name, _, password = base64.b64decode(value).decode().partition(":")
        if name not in self.users or self.users[name][0] != password:
            raise RuntimeError(
                f"Code: 516. DB::Exception: {name}: Authentication failed: password is incorrect, or there is no user"
                " with such name. (AUTHENTICATION_FAILED)"
            )
        return name

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Timezone": "UTC", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _run(connection: Any, statement: bytes, form: str) -> bytes:
    insert = _INSERT.match(statement)
    if insert is None:
        text = statement.decode()
        if named := _FORMAT.search(text):
            text, form = text[: named.start()], named.group(1)
        return bytes(connection.query(text, form).bytes())
    # The embedded engine takes rows only from a file.
    with tempfile.NamedTemporaryFile(suffix=".rows") as file:
        file.write(statement[insert.end() :])
        file.flush()
        text, settings = insert.group(1).decode(), ""
        if named := _SETTINGS.search(text):
            text, settings = text[: named.start()], f" SETTINGS {named.group(1)}"
        connection.query(f"{text} FROM INFILE '{file.name}'{settings} FORMAT {insert.group(2).decode()}", "Null")
    return b""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(folder: str, port: str, *users: str) -> None:
    Handler.engine = Engine(Path(folder))
    Handler.users = {"default": ("", ())}
    for line in users:
        name, password, settings = line.split(":")
        pairs = (tuple(pair.split("=")) for pair in settings.split(",") if pair)
        Handler.users[name] = password, tuple((pair[0], pair[1]) for pair in pairs)
    server = Server(("127.0.0.1", int(port)), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    server.serve_forever()


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
