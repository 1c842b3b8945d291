"""Quickstart: starts a lab of your own, trains the demo in it and leaves the lab running. See scripts/quickstart."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pyhectiqlab import settings
from pyhectiqlab.base.texts import counted

PORT = 8080
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
DEMO_END_TIMEOUT_S = 30.0


class QuickstartError(Exception):
    """What went wrong, in one line, and what to do."""


def say(text: str = "") -> None:
    print(text, flush=True)


def free_port(host: str, wanted: int) -> int:
    """Return `wanted` if nobody listens there, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
            except OSError:
                continue
            port_free: int = s.getsockname()[1]
            return port_free
    raise QuickstartError(f"No port can be opened on {host}: try --port with another number.")


class Lab:
    """A `hectiqlab server` of ours, in a process group of its own so that Ctrl-C reaches us first."""

    def __init__(self, port: int, log: Path, ready_file: Path) -> None:
        self.log = log
        self.ready_file = ready_file
        command = [
            sys.executable,
            "-m",
            "pyhectiqlab",
            "server",
            "--port",
            str(port),
            "--ready-file",
            str(ready_file),
        ]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until_ready(self) -> dict[str, Any]:
        """Return what the lab says of itself: url, login_link. Blocks for at most READY_TIMEOUT_S."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.ready_file.exists():
                ready: dict[str, Any] = json.loads(self.ready_file.read_text())
                return ready
            if self.process.poll() is not None:
                why = self.said("Error")
                if "in use by the lab" in why:
                    why += " Or train in it: .venv/bin/python -m pyhectiqlab.demo"
                raise QuickstartError(f"The lab did not start: {why}")
            time.sleep(0.05)
        raise QuickstartError(f"The lab was not ready after {READY_TIMEOUT_S:.0f} s: {self.said()}")

    def said(self, beginning: str = "") -> str:
        """Return the last line that the lab printed, of those with this beginning where there are any."""
        lines = self.log.read_text(errors="replace").split("\n")
        lines = [line for line in lines if line.startswith(beginning)] or [line for line in lines if line]
        return lines[-1].removeprefix("Error: ") if lines else f"it said nothing, exit status {self.process.poll()}."

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def environment(profile: str) -> dict[str, str]:
    """Return an environment in which the demo talks to this lab, whatever else the user has set up."""
    env = dict(os.environ)
    for name in ("HECTIQLAB_URL", "HECTIQLAB_API_KEY", "HECTIQLAB_MODE", "HECTIQLAB_PROJECT"):
        env.pop(name, None)
    return env | {"HECTIQLAB_PROFILE": profile, "HECTIQLAB_QUIET": "1", "PYTHONUNBUFFERED": "1"}


def train(name: str, seconds: float, env: dict[str, str]) -> None:
    """Run the demo. In a process group of its own, so that after Ctrl-C it gets one signal, ours, and time to end."""
    command = [sys.executable, "-m", "pyhectiqlab.demo", "--name", name, "--seconds", str(seconds)]
    demo = subprocess.Popen(command, env=env, start_new_session=True)
    try:
        status = demo.wait()
    except BaseException:
        demo.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            demo.wait(DEMO_END_TIMEOUT_S)  # it tells the lab how it ended; the lab is stopped after that
        raise
    if status:
        raise QuickstartError(f"The training ended with exit status {status}; its message stands above.")


def check_run(name: str, env: dict[str, str]) -> None:
    """Ask the lab, as anyone could: is the run completed, and are its points there?"""
    command = [sys.executable, "-m", "pyhectiqlab", "runs", "--json"]
    answer = subprocess.run(command, env=env, stdout=subprocess.PIPE, timeout=60)
    if answer.returncode:
        raise QuickstartError("`hectiqlab runs` failed; its message stands above.")
    runs = [r for r in json.loads(answer.stdout) if r["name"] == name]
    if not runs:
        raise QuickstartError(f"The lab has no run named {name}.")
    points = counted(runs[0]["points"], "point")
    if runs[0]["state"] != "completed" or not runs[0]["points"]:
        raise QuickstartError(f"The run {name} is {runs[0]['state']} with {points}, not completed.")
    say(f"The lab has the run {name}: completed, {points}. Its page: {runs[0]['url']}")


def stop_on_signal(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def quickstart(port: int, seconds: float, once: bool) -> None:
    host = "127.0.0.1"
    chosen = free_port(host, port)
    if port and chosen != port:
        say(f"Port {port} is in use: taking {chosen}.")

    with tempfile.TemporaryDirectory(prefix="hectiqlab-quickstart-") as folder:
        lab = Lab(chosen, Path(folder) / "lab.log", Path(folder) / "ready.json")
        try:
            ready = lab.wait_until_ready()
            if ready["profile"] is None:
                raise QuickstartError(f"Scripts on this machine would not find the lab: {lab.said('No profile')}")
            env = environment(ready["profile"])
            say()
            say("  Your lab is running. Open this link to watch (it logs you in, once):")
            say()
            say(f"      {ready['login_link']}")
            say()
            name = time.strftime("digits-mlp-%Y%m%d-%H%M%S")
            train(name, seconds, env)
            check_run(name, env)
            if once:
                return
            say()
            say(f"  The lab stays at {ready['url']} until Ctrl-C. Its data is in {settings.home() / 'lab'}:")
            again = "hectiqlab server" + (f" --port {port}" if port != PORT else "")
            say(f"  `{again}` shows it again. Your own script: README.md, Your first run.")
            if lab.process.wait():
                raise QuickstartError(f"The lab stopped: {lab.said()}")
        finally:
            lab.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the training, for machines")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--seconds", type=float, default=None, help="how long the training takes (90; with --once 15)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_on_signal)
    signal.signal(signal.SIGHUP, stop_on_signal)
    try:
        quickstart(args.port, args.seconds if args.seconds is not None else (15.0 if args.once else 90.0), args.once)
    except QuickstartError as e:
        sys.exit(str(e))
    except KeyboardInterrupt:
        say()
        say("Stopped.")
        sys.exit(130 if args.once else 0)


if __name__ == "__main__":
    main()
