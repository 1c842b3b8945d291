"""The options that say where the data of several labs are.

Each of them may also come from the environment or from one file for all of them. A secret may come from a file of its
own.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..store.fleet import Addresses

F = TypeVar("F", bound=Callable[..., Any])

SECTION = "lab"
CONFIG = "HECTIQLAB_CONFIG"
NAMES = ("database", "points", "files")


def config_of(path: Path) -> dict[str, str]:
    """Read a file with lines `name = value` below [lab], where the names are those of options. Raises
    ConfigurationError.
    """
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    try:
        with path.open() as f:
            parser.read_file(f)
        return dict(parser.items(SECTION))
    except OSError as e:
        raise ConfigurationError(f"{path} cannot be read ({e.strerror}): name another file with --config.") from None
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} is not understood: write a line [{SECTION}], and below it lines such as port = 8080, named as the "
            "options of `hectiqlab server`."
        ) from None


def _configure(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    known = {option: p for p in context.command.params for option in p.opts}
    values: dict[str, Any] = {}
    for name, value in config_of(path).items():
        option = known.get(f"--{name}")
        if option is None or option.name is None:
            raise ConfigurationError(f"{path}: `hectiqlab server` has no option --{name}.")
        values[option.name] = value.split() if option.multiple else value
    context.default_map = {**(context.default_map or {}), **values}


_OPTIONS = (
    click.option(
        "--config",
        envvar=CONFIG,
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_configure,
        help="File with options, as lines `name = value` below [lab]. Options and variables outdo it.",
    ),
    click.option(
        "--database",
        envvar="HECTIQLAB_DATABASE",
        metavar="URL",
        help="Several labs: PostgreSQL, postgresql://USER@HOST/NAME. @FILE, here and below: what that file says.",
    ),
    click.option(
        "--database-direct",
        envvar="HECTIQLAB_DATABASE_DIRECT",
        metavar="URL",
        help="The same database past PgBouncer, if --database leads to that.",
    ),
    click.option(
        "--database-connections",
        envvar="HECTIQLAB_DATABASE_CONNECTIONS",
        type=click.IntRange(2, 200),
        default=16,
        show_default=True,
        help="Connections that read, at most, of each lab; it has up to seven more.",
    ),
    click.option(
        "--points",
        envvar="HECTIQLAB_POINTS",
        metavar="URL",
        help="Several labs: ClickHouse for points, clickhouse://USER@HOST:8123/DATABASE, or clickhouses:// with TLS; "
        "several with blanks between them: each has some of the runs (docs/points-in-clickhouse.md).",
    ),
    click.option(
        "--files",
        envvar="HECTIQLAB_FILES",
        metavar="URL",
        help="Several labs: where files are kept. s3://BUCKET/PREFIX?endpoint=URL is a bucket (docs/files-in-s3.md), "
        "folder:/PATH a folder that all labs see.",
    ),
)


def fleet_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def understood(options: dict[str, Any]) -> Addresses | None:
    """Remove these options from those of a command, and return where the data are; None: in a folder. Raises
    ConfigurationError.
    """
    taken = {name: options.pop(name) for name in ("database", "database_direct", "database_connections", *NAMES[1:])}
    return _addresses(taken)


def from_environment(environment: Mapping[str, str] = os.environ) -> Addresses | None:
    """Return where the data are, according to variables and the file of HECTIQLAB_CONFIG; None: in a folder. Raises
    ConfigurationError.
    """
    path = environment.get(CONFIG)
    file = config_of(Path(path)) if path else {}
    said: dict[str, Any] = {}
    for name in ("database", "database_direct", "database_connections", *NAMES[1:]):
        said[name] = environment.get(f"HECTIQLAB_{name.upper()}") or file.get(name.replace("_", "-"))
    try:
        said["database_connections"] = int(said["database_connections"] or 16)
    except ValueError:
        raise ConfigurationError("HECTIQLAB_DATABASE_CONNECTIONS is a number, such as 16.") from None
    return _addresses(said)


def _addresses(said: Mapping[str, Any]) -> Addresses | None:
    given = {name: _read(name, said[name]) for name in NAMES}
    if not any(given.values()):
        return None
    missing = [f"--{name}" for name in NAMES if not given[name]]
    if missing:
        raise ConfigurationError(f"--database, --points and --files go together: {' and '.join(missing)} missing.")
    from ..store.fleet import Addresses

    direct = _read("database-direct", said["database_direct"])
    return Addresses(**given, direct=direct, connections=said["database_connections"])


def _read(name: str, value: str | None) -> str:
    """Return an address; read it from a file if one is given."""
    if value is None or not value.startswith("@"):
        return (value or "").strip()
    try:
        return Path(value[1:]).read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(f"--{name} {value}: the file cannot be read ({e}).") from None
