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
    values: dict[str, Any] = {}
    for option, value in _options_of(path, context.command).items():
        assert option.name is not None
        values[option.name] = option.type.split_envvar_value(value) if option.multiple else value
        try:
            option.type_cast_value(context, values[option.name])
        except click.BadParameter as e:
            raise ConfigurationError(f"{path}: {option.opts[0]}: {e.message}") from None
    context.default_map = {**(context.default_map or {}), **values}


def _options_of(path: Path, server: click.Command) -> dict[click.Parameter, str]:
    """Read a file with options of `hectiqlab server`. Raises ConfigurationError, also for a name that is no option."""
    known = {option: p for p in server.params for option in p.opts}
    values = config_of(path)
    for name in values:
        if f"--{name}" not in known:
            raise ConfigurationError(f"{path}: `hectiqlab server` has no option --{name}.")
    return {known[f"--{name}"]: value for name, value in values.items()}


_OPTIONS = (
    click.option(
        "--config",
        envvar=CONFIG,
        type=click.Path(path_type=Path),
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
    file = _file_of(environment)
    said: dict[str, Any] = {}
    for name in ("database", "database_direct", "database_connections", *NAMES[1:]):
        said[name] = environment.get(f"HECTIQLAB_{name.upper()}") or file.get(name)
    try:
        said["database_connections"] = int(said["database_connections"] or 16)
    except ValueError:
        raise ConfigurationError("HECTIQLAB_DATABASE_CONNECTIONS is a number, such as 16.") from None
    return _addresses(said)


def folder_from_environment(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of data that the file of HECTIQLAB_CONFIG names, if it does. Raises ConfigurationError."""
    data = _file_of(environment).get("data")
    return None if data is None else Path(data)


def _file_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the file of HECTIQLAB_CONFIG says, by the names of the options' parameters."""
    path, context = environment.get(CONFIG), click.get_current_context(silent=True)
    if not path:
        return {}
    if context is not None and isinstance(commands := context.find_root().command, click.Group):
        server = commands.get_command(context.find_root(), "server")
        if server is not None:
            return {str(option.name): value for option, value in _options_of(Path(path), server).items()}
    return {name.replace("-", "_"): value for name, value in config_of(Path(path)).items()}


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
        address = Path(value[1:]).read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is no text"
        raise ConfigurationError(
            f"--{name} {value}: the file cannot be read ({why}): correct the path, or let this user read it."
        ) from None
    if not address:
        raise ConfigurationError(f"--{name} {value}: the file is empty: write the address into it.")
    return address
