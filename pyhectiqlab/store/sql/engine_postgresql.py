"""PostgreSQL as the database of a MetaStore, through psycopg: how each connection and each transaction is set up.

A view is one REPEATABLE READ, READ ONLY transaction: a snapshot. A writing transaction sees what others committed
meanwhile (READ COMMITTED), and excludes them by locks (`dialect.py`, CONTRACT.md). All settings of a transaction come
with its BEGIN, in the same round trip. Nothing is kept in the session, and no statements are prepared, so PgBouncer may
use another connection for each transaction.
"""

from __future__ import annotations

import select
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError

from ...base.installing import install_advice
from ...errors import ConfigurationError

VERSION_MIN = 14
FIRST_SCHEMA = "hectiqlab_first_schema"  # execution option of an engine: where names of tables are looked for first
READ_TIMEOUT_S = 60  # for a statement that reads
LOCK_TIMEOUT_S = 30  # how long a statement waits for another transaction to end
IDLE_TIMEOUT_S = 300  # of a writer between two statements: then its locks are released, even if it hangs

BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '{READ_TIMEOUT_S}s'"
BEGIN_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    f" SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT_S}s'"
)

# Unless the URL says otherwise.
_PARAMETERS = {
    "application_name": "hectiqlab",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    # A server that vanished is noticed within a minute.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}


def for_writing(url: URL, **pool: Any) -> Engine:
    return _engine(url, _begin_writing, pool)


def for_reading(url: URL, **pool: Any) -> Engine:
    return _engine(url, _begin_reading, pool)


def _engine(url: URL, begin: Any, pool: dict[str, Any]) -> Engine:
    """Make an engine. Raises ConfigurationError where the driver is not installed."""
    parameters = {name: value for name, value in _PARAMETERS.items() if name not in url.query}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={**parameters, "prepare_threshold": None, "autocommit": True},  # we say BEGIN ourselves
            use_native_hstore=False,
            **pool,
        )
    except ImportError:
        raise _no_driver() from None
    event.listen(engine, "connect", _check_encoding)
    event.listen(engine, "begin", begin)
    event.listen(engine, "checkout", _refuse_dead)
    return engine


def connect_directly(url: URL, **parameters: str) -> Any:
    """Return a connection of psycopg's own, outside of any pool, on which each statement is a transaction. Raises
    ConfigurationError where the driver is not installed, and psycopg's errors.
    """
    try:
        import psycopg
    except ImportError:
        raise _no_driver() from None
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    more = {name: value for name, value in {**_PARAMETERS, **parameters}.items() if name not in url.query}
    return psycopg.connect(plain, autocommit=True, prepare_threshold=None, **more)  # type: ignore[arg-type]


def _no_driver() -> ConfigurationError:
    return ConfigurationError(f"The driver of PostgreSQL is not installed: {install_advice('postgres')}.")


def check_version(number: int, where: str) -> None:
    """Raise ConfigurationError where a server is too old for a lab. `number`: as PostgreSQL counts, such as 150018."""
    if number < VERSION_MIN * 10_000:
        raise ConfigurationError(
            f"{where} is version {number // 10_000}, which is too old: upgrade it to {VERSION_MIN} or newer."
        )


def _check_encoding(connection: Any, _record: Any) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise ConfigurationError(f"The database is in {encoding}: create one with ENCODING 'UTF8'.")


def _begin_reading(conn: Connection) -> None:
    conn.exec_driver_sql(BEGIN_READING + _search_path(conn), execution_options={"no_parameters": True})


def _begin_writing(conn: Connection) -> None:
    conn.exec_driver_sql(BEGIN_WRITING + _search_path(conn), execution_options={"no_parameters": True})


def _search_path(conn: Connection) -> str:
    """Return the statement by which this transaction looks for tables in a schema first; "": none is needed."""
    schema = conn.get_execution_options().get(FIRST_SCHEMA)
    if schema is None:
        return ""
    return f"; SELECT set_config('search_path', '{schema}, ' || current_setting('search_path'), true)"


def _refuse_dead(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have a connection of the pool replaced, and all that are as old, if the server has ended it meanwhile. Then
    something waits on its socket, where nothing else may come. The look costs some µs and no round trip.
    """
    if connection.closed:
        raise InvalidatePoolError
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise InvalidatePoolError
