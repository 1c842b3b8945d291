"""Log a command in through a page of the lab: show a code, wait until somebody confirms it, and get an API key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ..errors import (
    AuthenticationError,
    ConfigurationError,
    LabUnavailableError,
    LabUnreachableError,
    NotFoundError,
    PermissionDeniedError,
)
from .output import clean

if TYPE_CHECKING:
    from ..transport import LabClient

_INTERVAL_MIN_S, _INTERVAL_MAX_S = 0.5, 30.0


def log_in(lab: LabClient, key_name: str) -> tuple[str, dict[str, str]]:
    """Return (user name, the new key's `id` and `key`). Block until somebody confirms the code in a browser."""
    from ..transport.answers import not_a_lab

    try:
        begun = lab.post("/command-logins", {"name": key_name})
    except NotFoundError:
        raise ConfigurationError(
            f"The lab at {lab.url} is too old for a login in the browser: upgrade it, or log in with --username."
        ) from None
    wanted: dict[str, Any] = {
        "code": str,
        "secret": str,
        "url": str,
        "interval": (int, float),
        "expires_in": (int, float),
    }
    if not all(isinstance(begun.get(name), kind) for name, kind in wanted.items()):
        raise not_a_lab(lab.url, "its answer to a login has another shape")
    click.echo(
        f"Open this address in a browser, log in there, and confirm the code {clean(begun['code'])}:\n\n"
        f"    {clean(begun['url'])}\n\nWaiting; Ctrl-C ends it.",
        err=True,
    )
    pause = min(_INTERVAL_MAX_S, max(_INTERVAL_MIN_S, begun["interval"]))
    until = time.monotonic() + begun["expires_in"]
    while time.monotonic() < until:
        time.sleep(pause)
        try:
            state = lab.post("/command-logins/key", {"secret": begun["secret"]})
        except (LabUnreachableError, LabUnavailableError):
            continue  # the lab may be back in a moment
        except NotFoundError:
            break
        except PermissionDeniedError as e:
            raise AuthenticationError(str(e), status=403) from None
        key: Any = state.get("key")
        if state.get("state") == "granted":
            if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in ("id", "key")):
                raise not_a_lab(lab.url, "its answer to a login has another shape")
            return str(state.get("username")), {name: key[name] for name in ("id", "key")}
    raise AuthenticationError("Nobody confirmed the code in time: run the command again.", status=404)
