"""The door to ClickHouse: statements and rows of numbers over its HTTP interface, and its errors as ours.

Only numbers go through here in bulk, column by column (native.py), so nothing is converted. Every statement of ours
names its rows by integers, so none has a text to quote.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from ...base.installing import install_advice
from ...errors import ConfigurationError, EngineAwayError, StoreError
from ..engine_counts import EngineCounts
from . import native

VERSION_MIN = (24, 8)  # older servers may not know our settings; 26.9 was tried
FORM = "clickhouse://USER:PASSWORD@HOST:8123/DATABASE"
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 60
LONG_TIMEOUT_S = 3600  # time-out of the statements that tidy
AGAIN_S = 1.0  # after a failure to connect, calls fail at once for so long

_SETTINGS: Mapping[str, Any] = {
    "async_insert": 0,  # an insert is answered when its rows are there
    "max_query_size": 64 << 20,  # lists of series
    "max_ast_elements": 10_000_000,
    "max_expanded_ast_elements": 10_000_000,
    "insert_deduplicate": 0,  # replicated tables would drop an insert of equal content, which may be meant
}
_DENIED = {164: "is allowed to read only", 497: "lacks the rights", 516: "is refused: wrong user or password"}
_NO_DATABASE, _NO_TABLE = 81, 60
_FULL = {243: "its disk is full", 241: "it has not enough memory", 252: "it has too many parts to merge"}

# The driver writes a warning to the log for each error that it then raises, and so does what it connects by.
for _name in ("clickhouse_connect", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# What an error of the driver says about why nobody answered, and how we say it.
_WHY_AWAY = (
    (r"\[Errno -?\d+\] ([^\"'()\[\]]+)", r"\1"),
    (r"WRONG_VERSION_NUMBER|record layer failure", "what listens there does not speak TLS"),
    (r"CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
    (r"timed out|[Tt]imeout", "no answer in time"),
    (r"HTTP status (\d+)", r"something else answers there, with status \1"),
    (r"Connection aborted|RemoteDisconnected|IncompleteRead", "the connection broke"),
)


class Address:
    """Where a ClickHouse is. Raises ConfigurationError where the text is not an address of one."""

    def __init__(self, text: str) -> None:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ConfigurationError(f"The address of ClickHouse is not a URL: write {FORM}.") from None
        database = parts.path.strip("/")
        if parts.scheme not in {"clickhouse", "clickhouses"} or not parts.hostname or "/" in database:
            raise ConfigurationError(
                f"The address of ClickHouse is not a URL of it: write {FORM}, or clickhouses://… (TLS)."
            )
        self.secure = parts.scheme == "clickhouses"
        self.host, self.port = parts.hostname, port or (8443 if self.secure else 8123)
        self.user, self.password = unquote(parts.username or "default"), unquote(parts.password or "")
        self.database = unquote(database) or "default"

    def __str__(self) -> str:
        """Without the password."""
        return f"clickhouse{'s' * self.secure}://{self.user}@{self.host}:{self.port}/{self.database}"


class ClickHouse:
    """One database. Connects when it is first used, and again after a failure. Safe for several threads.

    Args:
        wait_s: how long an answer is waited for, unless a call says otherwise.
    """

    def __init__(self, address: str, wait_s: int = ANSWER_TIMEOUT_S) -> None:
        self.address, self._wait_s = Address(address), wait_s
        self._clients: dict[int, Any] = {}  # by time-out in seconds
        self._lock = threading.Lock()
        self._failed: tuple[float, str] = (float("-inf"), "")
        self._closed = False
        self.counts = EngineCounts()

    def do(self, statement: str, wait_s: int | None = None) -> None:
        """Run a statement. Blocks until it is done, at most `wait_s`. Raises StoreError."""
        wait_s = wait_s or self._wait_s
        self._call("command", statement, settings={"max_execution_time": wait_s}, wait_s=wait_s)

    def text(self, query: str) -> str:
        """Return one value as text. Raises StoreError."""
        return str(self._call("command", query))

    def rows(self, query: str, kind: np.dtype[Any]) -> NDArray[Any]:
        """Return the rows of a query, whose columns are of exactly these types. Raises StoreError."""
        return native.as_rows(self.columns(query, kind), kind)

    def columns(self, query: str, kind: np.dtype[Any]) -> dict[str, NDArray[Any]]:
        """The same, as an array for each column: so much is read faster."""
        data = self._call("raw_query", query, fmt="Native")
        try:
            return native.unpack(data, kind)
        except ValueError as e:
            raise StoreError(f"ClickHouse at {self.address} gave an answer that cannot be read: {e}.") from None

    def insert(self, table: str, columns: Mapping[str, NDArray[Any]]) -> None:
        """Insert columns of the table, of one length each. They are there, and durable, on return. Raises StoreError;
        then they may be there, or not, or be inserted later.
        """
        # A random token: ClickHouse recognises by it only this very request, if something on the way repeats it.
        once = {"insert_deduplicate": 1, "insert_deduplication_token": uuid.uuid4().hex}
        self._call("raw_insert", table, list(columns), native.pack(columns), settings=once, fmt="Native")

    def insert_texts(self, table: str, rows: list[list[Any]], columns: list[str]) -> None:
        """The same for a few rows of texts and integers. (The driver's own insert imports pandas where it is there.)"""
        lines = "\n".join(json.dumps(row) for row in rows)
        self._call("raw_insert", table, columns, lines, fmt="JSONCompactEachRow")

    def close(self) -> None:
        """Safe twice. Later calls raise StoreError."""
        with self._lock:
            self._closed = True
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _call(self, name: str, *arguments: Any, wait_s: int | None = None, **options: Any) -> Any:
        with self.counts.call():
            client = self._connected(wait_s or self._wait_s)
            from clickhouse_connect.driver.exceptions import Error

            try:
                return getattr(client, name)(*arguments, **options)
            except Error as e:
                raise as_store_error(self.address, e) from e

    def _connected(self, wait_s: int) -> Any:
        with self._lock:
            if self._closed:
                raise StoreError("this store is closed: open another one.")
            if wait_s not in self._clients:
                since, why = self._failed
                if time.monotonic() - since < AGAIN_S:  # otherwise a hundred requests would each wait to connect
                    raise EngineAwayError(why)
                try:
                    self._clients[wait_s] = _connect(self.address, wait_s)
                except EngineAwayError as e:
                    self._failed = time.monotonic(), str(e)
                    raise
            return self._clients[wait_s]


def _connect(address: Address, wait_s: int) -> Any:
    try:
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import Error
    except ImportError:
        advice = install_advice("fleet")
        raise ConfigurationError(f"The driver of ClickHouse is not installed: {advice}.") from None
    try:
        client = clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            database=address.database,
            secure=address.secure,
            compress=False,
            connect_timeout=CONNECT_TIMEOUT_S,
            send_receive_timeout=wait_s,
            autogenerate_session_id=False,  # queries of several threads at once
            client_name="hectiqlab",
            query_limit=0,
            dedicated_pool=True,
        )
    except Error as e:
        raise as_store_error(address, e) from e
    try:
        version = tuple(int(part) for part in str(client.server_version).split(".")[:2])
        if version < VERSION_MIN:
            wanted = ".".join(map(str, VERSION_MIN))
            raise StoreError(
                f"ClickHouse at {address} is version {client.server_version}, which is too old: upgrade it to {wanted}"
                " or newer."
            )
        for setting, value in _SETTINGS.items():
            client.set_client_setting(setting, value)
    except Exception as e:
        client.close()
        if isinstance(e, Error):
            raise as_store_error(address, e) from e
        raise
    return client


def as_store_error(address: Address, error: Any) -> StoreError:
    """Say in one line what failed, and what to do."""
    code = getattr(error, "code", None)
    said = " ".join(str(error).split())
    _, marker, detail = said.partition("DB::Exception: ")
    detail = (detail if marker else said).partition(" (for url")[0].rstrip(".")[:300]
    if code is None and "is readonly" in said:  # the driver noticed by itself
        code = 164
    if code in _DENIED:
        return StoreError(
            f"ClickHouse at {address}: user {address.user!r} {_DENIED[code]}. It needs SELECT, INSERT, CREATE, ALTER"
            f" and DROP on the database {address.database!r}."
        )
    if code == _NO_DATABASE:
        return StoreError(f"ClickHouse at {address} has no database {address.database!r}: CREATE DATABASE it there.")
    if code == _NO_TABLE:
        return StoreError(f"ClickHouse at {address} lacks a table of the lab: {detail}. Restore it from a backup.")
    if code in _FULL:
        return StoreError(f"ClickHouse at {address} takes no points: {_FULL[code]}.")
    if code is None:
        why = _why_away(said) or detail[:100]
        return EngineAwayError(f"ClickHouse at {address} cannot be reached ({why}): start it, or correct the address.")
    return StoreError(f"ClickHouse at {address} failed: {detail}.")


def _why_away(said: str) -> str:
    """Return in a few words why nobody answered; "": the error does not say."""
    for pattern, words in _WHY_AWAY:
        if match := re.search(pattern, said):
            return match.expand(words).strip().rstrip(".")
    return ""
