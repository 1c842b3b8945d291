"""The options `--oidc-…` of `hectiqlab server`, each of which may also come from the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import settings
from ..errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])


class _Word(click.types.StringParamType):
    """A text that an option may have several times. A variable has all of them, separated by `;` or line breaks,
    because names of groups may have spaces.
    """

    name = "text"

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


def _option(name: str, **more: Any) -> Callable[[F], F]:
    return click.option(name, envvar="HECTIQLAB_" + name[2:].replace("-", "_").upper(), show_envvar=False, **more)


_OPTIONS = (
    _option("--oidc-issuer", metavar="URL", default="", help="Log people in at this provider of OpenID Connect."),
    _option("--oidc-client-id", metavar="ID", default="", help="Who the lab is at the provider."),
    _option(
        "--oidc-client-secret-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File with the secret of that client.  [default: $HECTIQLAB_OIDC_CLIENT_SECRET]",
    ),
    _option(
        "--oidc-scopes",
        metavar="WORDS",
        default="openid profile email",
        show_default=True,
        help="What the provider is asked to tell.",
    ),
    _option(
        "--oidc-name-claim",
        metavar="CLAIM",
        default="preferred_username",
        show_default=True,
        help="What a new user is called.",
    ),
    _option("--oidc-groups-claim", metavar="CLAIM", default="groups", show_default=True, help="Somebody's groups."),
    _option(
        "--oidc-role",
        metavar="GROUP=ROLE",
        multiple=True,
        type=_Word(),
        help="What a group may do in the lab: admin, member, viewer or none. Again for each group.",
    ),
    _option(
        "--oidc-project",
        metavar="GROUP=PROJECT:ROLE",
        multiple=True,
        type=_Word(),
        help="What a group may do in a project. Again for each.",
    ),
    _option(
        "--oidc-default-role",
        type=click.Choice(["none", "viewer", "member", "admin"]),
        default="none",
        show_default=True,
        help="Of people in none of those groups.",
    ),
    _option(
        "--oidc-require",
        metavar="CLAIM=VALUE",
        multiple=True,
        type=_Word(),
        help="Let in nobody without it, such as hd=example.org. Again for each claim.",
    ),
    _option("--oidc-no-new-users", is_flag=True, help="Let in only people whom an admin has linked to a user."),
    _option("--oidc-only", is_flag=True, help="Nobody but admins logs in by a password."),
    _option("--oidc-key-days", type=click.IntRange(1, 3650), help="How long keys of these people work, at most."),
    _option(
        "--oidc-session-hours",
        type=click.FloatRange(0.01, 720),
        help="How long their web sessions last, at most.  [default: 30 days]",
    ),
    _option("--oidc-label", metavar="NAME", default="", help="What the login page calls the provider."),
)


def sso_options(command: F) -> F:
    """Add the options to a command, which takes them as `oidc_…`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def understood(given: dict[str, Any]) -> Any:
    """Remove the options from `given`, and return them as SsoOptions; None if there is no provider. Raises
    ConfigurationError.
    """
    own = {name: given.pop(name) for name in list(given) if name.startswith("oidc_")}
    if not own["oidc_issuer"]:
        said = [name for name in ("oidc_client_id", "oidc_role", "oidc_project", "oidc_only") if own[name]]
        if said:
            option = said[0].replace("_", "-")
            raise ConfigurationError(f"--{option} needs --oidc-issuer too: which provider logs people in?")
        return None
    from ..server.sso.options import SsoOptions, group_projects, group_roles, required_claims

    secret_file = own["oidc_client_secret_file"]
    return SsoOptions(
        issuer=own["oidc_issuer"],
        client_id=own["oidc_client_id"],
        client_secret=_secret(secret_file) if secret_file else settings.get("oidc_client_secret") or "",
        scopes=own["oidc_scopes"],
        name_claim=own["oidc_name_claim"],
        groups_claim=own["oidc_groups_claim"],
        roles=group_roles(own["oidc_role"]),
        projects=group_projects(own["oidc_project"]),
        default_role=own["oidc_default_role"],
        required=required_claims(own["oidc_require"]),
        makes_users=not own["oidc_no_new_users"],
        only_sso=own["oidc_only"],
        key_days=own["oidc_key_days"],
        session_hours=own["oidc_session_hours"],
        label=own["oidc_label"],
    )


def _secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(
            f"--oidc-client-secret-file {path} cannot be read ({e}): name a text file with the secret."
        ) from None
    if not secret:
        raise ConfigurationError(f"--oidc-client-secret-file {path} is empty: put the client's secret into it.")
    return secret
