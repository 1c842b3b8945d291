"""`hectiqlab settings`."""

from __future__ import annotations

import os
from typing import Any

import click

from .. import settings
from ..errors import ConfigurationError
from .output import echo_json, json_option, table

_SECRET = frozenset({"api_key", "oidc_client_secret"})
_MASK = "********"


@click.command("settings", short_help="Show every setting and its value.")
@json_option("a JSON list of objects")
def command(as_json: bool) -> None:
    """Show every setting: its variable, its value now and where that is from, its unit, default and meaning.

    Fails, after showing them all, where a variable holds what is not understood.
    """
    rows, wrong = [], []
    for setting in settings.TABLE.values():
        try:
            value = _value(setting.name)
        except ConfigurationError as e:
            value = os.environ[setting.variable]
            wrong.append(str(e))
        rows.append(
            {
                "variable": setting.variable,
                "value": _MASK if value is not None and setting.name in _SECRET else value,
                "from": "environment" if os.environ.get(setting.variable) else "default" if value is not None else None,
                "unit": setting.unit,
                "default": setting.default,
                "meaning": setting.meaning,
            }
        )
    if as_json:
        echo_json(rows)
    else:
        table(tuple(rows[0]), (tuple(_cell(value) for value in row.values()) for row in rows))
    if wrong:
        raise ConfigurationError(" ".join(wrong))


def _value(name: str) -> Any:
    if name == "credentials":
        return settings.credentials_path()
    return settings.get(name)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(int(value)) if isinstance(value, bool) else str(value)
