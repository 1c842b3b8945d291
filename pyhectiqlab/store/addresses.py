"""Addresses: where the data of several labs are, as people name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..errors import ConfigurationError

CONNECTIONS = 16  # of one lab, for reading; it has up to seven more


@dataclass(frozen=True)
class Addresses:
    """Where the data of several labs are.

    Attributes:
        database: postgresql://USER@HOST/NAME. direct: the same database past a pooler; "": there is none. points,
        files: addresses of stores. What comes before the colon names an entry of POINT_STORES, or of BLOB_STORES. There
        may be several addresses of ClickHouse in `points`, with blanks between them: a shard each. connections: how
        many connections to the database each lab may have for reading.
    """

    database: str
    points: str
    files: str
    direct: str = ""
    connections: int = CONNECTIONS

    def __str__(self) -> str:
        """Return where the data are, without passwords."""
        return ", ".join(shown(address) for address in (self.database, self.points, self.files))


def shown(address: str) -> str:
    """Return an address without its password, and without what follows its path; likewise of several of ClickHouse."""
    if address.startswith("clickhouse") and len(several := address.split()) > 1:
        return " ".join(map(shown, several))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return address.split("?", 1)[0]
    return url.set(query={}).render_as_string(hide_password=True)


def folder_of(at: Addresses) -> Path:
    """Return the folder that the address of files names. Raises ConfigurationError."""
    folder = Path(at.files.partition(":")[2].removeprefix("//"))
    if not folder.is_absolute():
        raise ConfigurationError(f"--files {at.files}: give a whole path, such as folder:/srv/lab.")
    return folder


def clickhouses_of(at: Addresses) -> list[tuple[str, str]]:
    """Return the address of each ClickHouse, and the name of its cluster (`?cluster=NAME`); "": there is none."""
    places = []
    for address in at.points.split():
        where = urlsplit(address)
        options = dict(parse_qsl(where.query))
        cluster = options.pop("cluster", "")
        places.append((where._replace(query=urlencode(options)).geturl(), cluster))
    return places


def lacking(where: str, what: str, place: str) -> str:
    """Return the message for an engine that has nothing of a lab whose database names points or files. `what`: points
    or files.
    """
    return (
        f"{where} lacks the {what} of this lab, which PostgreSQL knows of: name {place} that has them, or restore it"
        f" from a backup; or, if they are gone for good, call `hectiqlab admin adopt --without-{what}`."
    )


def other_generation(what: str, place: str) -> str:
    """Return the message for data that are of another generation of the lab than its database."""
    return (
        f"{what} of another generation of this lab, which was restored or copied: name {place} of its own; or stop the "
        "other one, and call `hectiqlab admin adopt`, if these are to belong together."
    )
