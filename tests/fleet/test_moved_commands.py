"""Commands of administrators know which lab is meant where one was moved from a folder to engines."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main

from ..labs import ForkedLab
from .move_places import empty_place
from .test_move import fill


def admin(*words: str, config: Path | None = None) -> tuple[int, str]:
    env = {} if config is None else {"HECTIQLAB_CONFIG": str(config)}
    done = CliRunner().invoke(main, ["admin", *words], env=env)
    return done.exit_code, done.output


def test_who_interrupts_a_move_learns_how_it_goes_on(tmp_path: Path) -> None:
    data, config = tmp_path / "lab", tmp_path / "lab.conf"
    with ForkedLab(data, tmp_path / "home"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = f"postgresql://lab@127.0.0.1:{silent.getsockname()[1]}/lab"
        config.write_text(
            f"[lab]\ndatabase = {database}\npoints = clickhouse://lab@127.0.0.1:1/lab\nfiles = folder:/x\n"
        )
        command = [sys.executable, "-m", "pyhectiqlab", "admin", "move", "--data", data, "--to", config]
        move = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        with silent.accept()[0]:  # it waits for an answer now
            move.send_signal(signal.SIGINT)
            _, said = move.communicate(timeout=60)
    assert move.returncode == 130 and "Call this again, and it goes on" in said, said


def test_each_command_works_on_the_lab_that_is_meant_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HECTIQLAB_HOME", str(tmp_path / "home"))
    folder, target = tmp_path / "home/lab", tmp_path / "backups"
    with empty_place(tmp_path) as (_, config):
        with ForkedLab(folder, tmp_path / "home") as lab:
            fill(lab, tmp_path)
        assert admin("backup", str(target))[0] == 0
        assert admin("move", "--to", str(config))[0] == 0

        before = sorted(target.iterdir())
        for words in (("backup", str(target)), ("upgrade",), ("downgrade", "--yes"), ("shrink",)):
            status, output = admin(*words, config=config)
            assert status == 1 and "This is for a lab in a folder: name it with --data" in output, words
        assert sorted(target.iterdir()) == before

        status, output = admin("user", "list", "--data", str(folder))
        assert status == 1 and "This lab was moved to postgresql:" in output
        assert f"`hectiqlab admin move --data {folder} --forget`" in output
        status, output = admin("user", "list", config=config)
        assert status == 0 and "ada" in output

        status, output = admin("status", config=config)
        assert status == 0 and "Backups: by the tools of the engines" in output and "backup of this lab" not in output
        state = json.loads(admin("status", "--json", config=config)[1])
        assert not state["in_folder"] and state["backup"] is None
        (points,) = [its["bytes"] for its in state["disk"]["databases"] if its["name"] == "clickhouse"]
        assert 0 < sum(project["points_bytes"] for project in state["projects"]) <= points

        assert admin("move", "--data", str(folder), "--forget")[0] == 0
        assert admin("status", "--json")[0] == 0
