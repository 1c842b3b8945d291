"""`hectiqlab completion`: let the shell's Tab key complete commands, profiles, projects and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from ..base.loops import aside

TIMEOUT_S = 1.0  # a person waits at the prompt: if the lab does not answer in time, nothing is completed
NAMES_MAX = 100

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print what lets the shell complete commands and names.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes the commands, options, profiles, projects and runs of hectiqlab.

    \b
    bash:  eval "$(hectiqlab completion bash)"      in ~/.bashrc (bash 4.4 or newer)
    zsh:   eval "$(hectiqlab completion zsh)"       in ~/.zshrc
    fish:  hectiqlab completion fish | source       in ~/.config/fish/config.fish

    Names of projects and runs come from the lab, which may take a second at most.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = ctx.find_root().command
    # source() of bash would first run bash, to warn of an old one: the help says so, and the script is plain text.
    complete = made(root, {}, "hectiqlab", "_HECTIQLAB_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())


def profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    def names() -> Iterable[str]:
        from ..profile import load_profiles

        return load_profiles()

    return _names_that_begin(names, incomplete)


def projects(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _of_lab(ctx, "/projects", {"limit": 1000}, incomplete)


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the newest runs whose names begin with `incomplete`."""
    return _of_lab(ctx, "/runs", {"q": incomplete, "limit": 200}, incomplete)


def _of_lab(ctx: click.Context, path: str, params: dict[str, Any], incomplete: str) -> list[str]:
    def names() -> Iterable[str]:
        from ..profile import resolve
        from ..transport.bounds import Bounds
        from ..transport.connecting import client_of

        chosen = resolve(ctx.find_root().params.get("profile"))
        with client_of(chosen, Bounds(connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S)) as lab:
            return [item["name"] for item in lab.get(path, params)["items"]]

    return _names_that_begin(names, incomplete)


def _names_that_begin(names: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    """Return the names that begin with `incomplete` and that a shell takes as one plain word. Where they do not come in
    time, return none and print nothing: the terminal shows the line that is being typed.
    """
    shown: list[str] = []

    def ask() -> None:
        try:
            shown.extend(dict.fromkeys(n for n in names() if n.startswith(incomplete) and _is_plain(n)))
        except Exception:  # no lab, no profile: the Tab key then completes nothing, and must not print a traceback
            shown.clear()

    aside("completion", ask).join(TIMEOUT_S)
    return shown[:NAMES_MAX]


def _is_plain(name: str) -> bool:
    return name.isprintable() and not set(name) & set(" \t\"'`$\\&|;<>()*?[]{}!#~,:")
