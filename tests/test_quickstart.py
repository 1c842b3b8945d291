"""The quickstart and the README's first script, run as a newcomer would run them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab

ROOT = Path(__file__).parents[1]


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HECTIQLAB_")}
    return clean | {"HECTIQLAB_HOME": str(home)}


def hectiqlab(*arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "pyhectiqlab", *arguments]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def start_quickstart(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pyhectiqlab.demo.quickstart", *arguments]
    return subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_once_trains_checks_and_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        quickstart = start_quickstart(tmp_path, "--once", "--seconds", "1", "--port", str(port))
        said, _ = quickstart.communicate(timeout=90)
    assert quickstart.returncode == 0, said
    assert f"Port {port} is in use" in said
    assert said.index("/login-link?token=") < said.index("Watch it train: http") < said.index("epoch")
    assert "completed, 12,210 points" in said
    url = re.findall(r"Watch it train: (http://127.0.0.1:(\d+))", said)[0]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(url[1])), timeout=1)


def interrupt_at(moment: str, quickstart: subprocess.Popen[str]) -> str:
    """Press Ctrl-C when this is printed. Return everything that was printed."""
    assert quickstart.stdout is not None
    killer = threading.Timer(90, quickstart.kill)
    killer.start()
    said = ""
    for line in quickstart.stdout:
        if moment in line:
            quickstart.send_signal(signal.SIGINT)
        said += line
    killer.cancel()
    return said


def test_ctrl_c_ends_the_lab_and_the_data_stays(tmp_path: Path) -> None:
    with start_quickstart(tmp_path, "--seconds", "0", "--port", "0") as quickstart:
        said = interrupt_at("until Ctrl-C", quickstart)
    assert quickstart.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "lab").is_dir()


def test_ctrl_c_in_the_middle_of_the_training_leaves_a_stopped_run(tmp_path: Path) -> None:
    with start_quickstart(tmp_path, "--seconds", "60", "--port", "0") as quickstart:
        said = interrupt_at("epoch   1/", quickstart)
    assert quickstart.returncode == 0, said
    assert "Traceback" not in said
    with RealLab(tmp_path / "lab", tmp_path):
        run = json.loads(hectiqlab("runs", "--json", env=environment(tmp_path)))[0]
        assert run["state"] == "stopped"
        assert run["points"] >= 45 * 9


def test_the_first_run_of_the_readme_works(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## Your first run")[1]
    script = tmp_path / "first.py"
    script.write_text(section.split("```python\n")[1].split("```")[0])
    env = environment(tmp_path / "home")
    with RealLab(tmp_path / "data", tmp_path / "home"):
        subprocess.run([sys.executable, str(script)], env=env, check=True, cwd=tmp_path, timeout=60)
        run = json.loads(hectiqlab("runs", "playground", "--json", env=env))[0]
        assert (run["name"], run["state"], run["points"]) == ("first-run", "completed", 1_020)


def test_a_training_of_the_sweep_reports_its_config_and_fails_as_it_should(tmp_path: Path) -> None:
    from pyhectiqlab.demo.sweep import planned, start

    with RealLab(tmp_path / "data", tmp_path / "home"):
        env = environment(tmp_path / "home")
        for training in next(iter(planned()))[0], next(t for ts in planned() for t in ts if t.name == "odd-batch"):
            start(replace(training, changes={**training.changes, "epochs": 1}), "sweeps", env).wait(60)
        good, bad = sorted(
            json.loads(hectiqlab("runs", "sweeps", "--json", env=env)), key=lambda run: str(run["state"])
        )
        assert (good["name"], good["state"], good["points"]) == ("sweep-01", "completed", 45 * 7 + 2)
        assert (bad["name"], bad["state"]) == ("odd-batch", "failed")
