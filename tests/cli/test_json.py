"""Every command that lists or reads has --json. docs/reference.md lists what it prints, and the exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient

from ..commands import run_command
from ..labs import ForkedLab
from .test_lab import attach, send

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"

# Commands that start, change, send or bring something. Every other command lists or reads.
CHANGES = set(
    """
    add-profile, remove-profile, keys create, keys revoke, projects archive, projects delete, projects move,
    projects rename, projects restore, projects unarchive, mcp, tag, untag, note, group, archive, unarchive, move,
    delete, restore, views delete, views save, post-artifact, download-mlmodel, download-dataset, alias-mlmodel,
    alias-dataset, sync, quarantine drop, quarantine restore, run, server, login-link, completion, admin backup,
    admin restore, admin upgrade, admin downgrade, admin notify add, admin notify mute, admin notify remove,
    admin notify test, admin notify unmute, admin mail-server, admin shrink, admin move, admin adopt, admin user add,
    admin user invite, admin user role, admin user disable, admin user enable, admin user reset-password,
    admin user add-key, admin user revoke-key, admin user hand-over, admin user delete, admin project member,
    admin project private, admin project public, admin sso link, admin sso unlink, import aim, import csv,
    import folder, import mlflow, import neptune, import tensorboard, import trackio, import wandb, export
    """.replace("\n", " ").split(",")
)  # fmt: skip
CHANGES = {" ".join(name.split()) for name in CHANGES}
# Beside these, which read what is on this machine.
ASKS_NO_LAB = {"profiles", "quarantine", "settings", "status", "verify", "version"}

# How the test calls each command. {data}: the folder of the lab, {backups}: a folder with a snapshot of it.
ARGUMENTS = {
    "projects objective": "vision",
    "metrics": "digits train/loss",
    "logs": "logged",
    "diff": "digits other",
    "watch": "digits --until state=running",
    "sql": "|select id, name from runs order by name",
    "views list": "vision",
    "views show": "vision mine",
    "artifacts": "vision",
    "models": "vision",
    "datasets": "vision",
    "admin backups": "{backups}",
    "admin check": "{snapshot}",
    "admin user keys": "{user} --data {data}",
    **{
        f"admin {name}": "--data {data}"
        for name in ("notify list", "status", "quota", "purge", "retention", "user list", "audit")
    },
    "admin sso list": "--issuer https://login.example.org --data {data}",
}


def commands(group: click.Command = main, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(group, click.Group):
        yield name, group
        return
    if group.invoke_without_command:
        yield name, group
    context = click.Context(group)
    for below in group.list_commands(context):
        command = group.get_command(context, below)
        assert command is not None
        yield from commands(command, f"{name} {below}".strip())


ALL = dict(commands())
READING = sorted(set(ALL) - CHANGES)


def test_every_command_that_lists_or_reads_has_json() -> None:
    assert set(ALL) >= CHANGES, "test_json.py names commands that there are not"
    without = [name for name in READING if "--json" not in [o for p in ALL[name].params for o in p.opts]]
    assert not without, "give them json_option(), of cli/output.py, or name them in CHANGES"


def test_a_wrong_call_of_any_command_ends_with_2() -> None:
    for name in ALL:
        wrong = [] if name == "run" else ["--nonsense"]  # `run` takes a command with its own options, and needs one
        done = CliRunner().invoke(ALL[name], wrong)
        assert done.exit_code == 2 and "Error: " in done.output, name


SCRIPT = """
import sys
from pyhectiqlab import Run
with Run("logged", "vision") as run:
    run.start_recording_logs().info("hello")
    run.add_mlmodel(sys.argv[1], "net")
    run.add_dataset(sys.argv[1], "images")
"""


@dataclass
class Place:
    lab: RealLab
    words: dict[str, str]

    def ask(self, name: str, **env: str) -> Any:
        arguments = ARGUMENTS.get(name, "").format(**self.words)
        words = [arguments[1:]] if arguments.startswith("|") else arguments.split()
        return run_command(*name.split(), *words, "--json", env={**self.lab.env, **env})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("json")
    with ForkedLab(folder / "data", folder / "home") as lab, LabClient(lab.url, lab.api_key) as client:
        user = client.get("/me")["user"]["username"]
        words = {"data": str(folder / "data"), "backups": str(folder / "backups"), "user": user}

        def hectiqlab(*arguments: str, input: str = "") -> str:
            done = run_command(*arguments, env=lab.env, input=input)
            assert done.returncode == 0, done
            return done.stdout

        send(client, attach(client, "digits", "vision"), 0, "train/loss", [0, 1], [0.5, float("nan")])
        send(client, attach(client, "other", "vision"), 0, "valid/loss", [0], [0.5])
        hectiqlab("tag", "best", "digits")
        hectiqlab("views", "save", "vision", "mine", input="{}")
        hectiqlab("projects", "objective", "vision", "train/loss", "min")
        (folder / "file.txt").write_text("text")
        hectiqlab("post-artifact", "vision", str(folder / "file.txt"))
        hectiqlab("admin", "notify", "add", "https://127.0.0.1:9/hook", "--data", words["data"])
        attach(client, "deleted", "vision")
        hectiqlab("delete", "--yes", "deleted")
        for mode in ("online", "offline"):  # so that `verify` and `status` have something to show
            script = [sys.executable, "-c", SCRIPT, str(folder / "file.txt")]
            subprocess.run(script, env={**lab.env, "HECTIQLAB_MODE": mode}, check=True, timeout=100)
        words["snapshot"] = hectiqlab("admin", "backup", words["backups"], "--data", words["data"]).splitlines()[0]
        yield Place(lab, words)


def documented(name: str) -> set[str]:
    """Return the members that docs/reference.md lists for a command."""
    (row,) = re.findall(rf"^\| `{re.escape(name)}` \| (?:list|object|lines) \| (.*) \|$", REFERENCE.read_text(), re.M)
    return set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("name", READING)
def test_json_has_the_members_that_are_documented(place: Place, name: str) -> None:
    done = place.ask(name)
    assert done.returncode == 0, done
    lines = name == "logs"  # one object a line, as they come
    printed = [json.loads(line) for line in done.stdout.splitlines()] if lines else json.loads(done.stdout)
    listed = printed if isinstance(printed, list) else [printed]
    assert listed or name in ("quarantine", "admin sso list")
    for item in listed:
        assert set(item) == documented(name) or name == "sql"


@pytest.mark.parametrize("name", [n for n in READING if n not in ASKS_NO_LAB and not n.startswith("admin ")])
def test_a_lab_that_is_away_is_status_1_and_a_line(place: Place, name: str) -> None:
    done = place.ask(name, HECTIQLAB_URL="http://127.0.0.1:9", HECTIQLAB_API_KEY="none")
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("Error: "), done
    assert done.stderr.count("\n") == 1
