"""The command `hectiqlab`: one module per noun, each a few lines over the public API.

A module is loaded when its command is called, so that `hectiqlab version` does not wait for the others.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from .._version import __version__
from ..base.fds import fill_standard
from ..errors import LabError
from .completion import profiles
from .lab_packages import packages_missing
from .lazy import LazyGroup

__all__ = ["main"]

_COMMANDS = {  # name → module:attribute, in the order of the help
    "add-profile": "profiles:add_profile",
    "profiles": "profiles:profiles",
    "remove-profile": "profiles:remove_profile",
    "keys": "keys:command",
    "projects": "projects:command",
    "runs": "runs:command",
    "metrics": "metrics:command",
    "logs": "logs:command",
    "diff": "diff:command",
    "watch": "watch:command",
    "sql": "sql:command",
    "mcp": "mcp:command",
    "tag": "edits:tag",
    "untag": "edits:untag",
    "note": "edits:note",
    "group": "edits:group",
    "archive": "edits:archive",
    "unarchive": "edits:unarchive",
    "move": "edits:move",
    "delete": "delete:delete",
    "restore": "delete:restore",
    "views": "views:command",
    "artifacts": "artifacts:command",
    "post-artifact": "artifacts:post",
    "models": "registry:models",
    "datasets": "registry:datasets",
    "download-mlmodel": "registry:download_mlmodel",
    "download-dataset": "registry:download_dataset",
    "alias-mlmodel": "registry:alias_mlmodel",
    "alias-dataset": "registry:alias_dataset",
    "status": "status:command",
    "sync": "sync:command",
    "verify": "verify:command",
    "quarantine": "quarantine:command",
    "run": "run:command",
    "export": "export:command",
    "import": "import_:command",
    "server": "server:command",
    "login-link": "users:login_link",
    "admin": "admin:command",
    "settings": "settings:command",
    "completion": "completion:command",
    "version": "version:command",
}
EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


class _Commands(LazyGroup):
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and exit: with 0, with 1 after an error and a line about it, 2 for a wrong call, 130 after
        Ctrl-C.
        """
        fill_standard()  # or a lab's database could get the number of a closed stdout, and be printed into
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a name in Greek is not a reason to fail on a Latin-1 terminal
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.ClickException as e:
            e.show()
            code = e.exit_code
        except LabError as e:
            click.echo(f"Error: {e}", err=True)
            code = EXIT_ERROR
        except (click.Abort, KeyboardInterrupt) as e:  # Abort is also raised at the end of the input at a prompt
            causes = (e, e.__cause__, e.__context__)
            code = EXIT_INTERRUPTED if any(isinstance(c, KeyboardInterrupt) for c in causes) else EXIT_ERROR
        except ModuleNotFoundError as e:
            missing = packages_missing(e.name or "")
            if not missing:
                raise
            click.echo(f"Error: {missing}", err=True)
            code = EXIT_ERROR
        except OSError as e:  # a full disk under the output; a pipe that nobody reads, `hectiqlab runs | head`
            _give_up_stdout()
            if not isinstance(e, BrokenPipeError):
                of = f"{e.filename}: " if e.filename else ""
                click.echo(f"Error: {of}{e.strerror or e}.", err=True)
            code = EXIT_ERROR
        sys.exit(code if isinstance(code, int) else 0)


def _give_up_stdout() -> None:
    """Point stdout at nothing: what is left in its buffer would make the interpreter fail once more at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


@click.group(
    cls=_Commands,
    commands_in=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-p", "misplaced", hidden=True)
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=profiles,
    help="Profile of the credentials file to use (HECTIQLAB_PROFILE).",
)
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def main(ctx: click.Context, misplaced: str | None, profile: str | None) -> None:
    """Track experiments in a lab of your own.

    Start one with `hectiqlab server`, or log in to one with `hectiqlab add-profile`. Read back what a script logged
    with `projects`, `runs`, `metrics` and `logs`; `status` and `sync` show and send what is still on this machine.

    Results go to stdout, everything else to stderr. The exit status is 0; 1 if something failed, with a line that says
    what; 2 for a wrong call; 130 after Ctrl-C.
    """
    if misplaced is not None:
        raise click.UsageError(f"-p names a project, after a command. To name a profile: --profile {misplaced}.")
    ctx.obj = profile
