"""hectiqlab admin: the commands for the person who runs a lab, on its data folder."""

from __future__ import annotations

import click

from .lazy import LazyGroup

_COMMANDS = {
    "backup": "backup:backup",
    "backups": "backup:list_backups",
    "restore": "backup:restore",
    "check": "backup:check",
    "upgrade": "upgrade:upgrade",
    "downgrade": "upgrade:downgrade",
    "notify": "notify:notify",
    "mail-server": "notify:mail_server",
    "status": "lab_status:status",
    "quota": "quota:quota",
    "purge": "purge:purge",
    "retention": "retention:retention",
    "shrink": "shrink:shrink",
    "move": "move:move",
    "adopt": "adopt:adopt",
    "user": "users:user",
    "project": "users:project",
    "audit": "users:audit",
    "sso": "sso:sso",
}


@click.group(name="admin", cls=LazyGroup, commands_in=_COMMANDS)
def command() -> None:
    """Look after a lab by its data folder, on the machine that it runs on; or several labs by their engines, which the
    variables of `hectiqlab server` or the file of HECTIQLAB_CONFIG name.
    """
