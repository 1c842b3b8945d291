"""`hectiqlab run`: run any program as a run."""

from __future__ import annotations

import os

import click


@click.command(
    "run",
    short_help="Run any program as a run.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--name", metavar="NAME", help="Name of the run; without it one is made up.")
@click.option("-p", "--project", metavar="NAME", help="Project of the run, made if there is none of this name.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Add a tag; may be given several times.")
@click.option(
    "--config-from-args/--no-config-from-args",
    default=True,
    show_default=True,
    help="Take the run's config from the program's own arguments: --lr 0.1, --model=x, key=value.",
)
@click.option("--instead-of", metavar="NAMES", default="", help="Trackers that report here instead, such as wandb")
@click.option("--beside", metavar="NAMES", default="", help="Trackers that go on working and are mirrored here.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def command(
    profile: str | None,
    name: str | None,
    project: str | None,
    tags: tuple[str, ...],
    config_from_args: bool,
    instead_of: str,
    beside: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND and record it as a run: its console, its end, git, packages, system metrics, and its arguments as
    config.

        hectiqlab run --name first --project vision -- torchrun --nproc-per-node 2 train.py --lr 0.1

    The Python processes below it find the run: `Run()` without a name joins it, also in processes that a launcher or a
    shell script starts. The exit status is that of the command; 128 + N after signal N; 127 if there is no such
    program. If the lab cannot be reached, the command runs all the same: what it logs is kept for `hectiqlab sync`.
    """
    from ..launch.launch import Wanted, launch

    if profile is not None:
        os.environ["HECTIQLAB_PROFILE"] = profile
    wanted = Wanted(name, project, tags, config_from_args, _checked(instead_of), _checked(beside, beside=True))
    try:
        status = launch(command, wanted)
    except (TypeError, ValueError) as e:
        raise click.UsageError(f"{str(e)[0].upper()}{str(e)[1:]}") from None
    raise SystemExit(status)


def _checked(trackers: str, *, beside: bool = False) -> str:
    from ..launch.trackers import checked

    try:
        return checked(trackers, beside=beside)
    except ValueError as e:
        raise click.UsageError(str(e)) from None
