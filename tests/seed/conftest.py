"""A user with a password at a real lab, who followed the document from its first line: they logged in."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..process.conftest import eventually

USER, PASSWORD = "ada", "correct horse battery"

# The names that the document presupposes.
NAMES = """
from pathlib import Path

class Model:
    def __call__(self, **parameters):
        self.parameters = parameters
    def save_weights(self, path):
        Path(path).write_bytes(b"weights of the model")

model, filename = Model(), "model.weights.h5"
path_to_artifact, dirpath = "./data/test.png", "./results"
"""


@dataclass
class User:
    """A person on a machine: a home folder, a working directory, nothing set but what the test says."""

    lab: RealLab
    home: Path
    place: Path
    project: dict[str, Any]

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_") and k != "CI"}
        commands = str(Path(sys.executable).parent)
        # Tests count points, and system metrics of a slow machine would join them. They also look at what is said.
        quiet = {"HECTIQLAB_SYSTEM_METRICS": "0", "HECTIQLAB_QUIET": "1"}
        return {**kept, **quiet, "HOME": str(self.home), "PATH": f"{commands}{os.pathsep}{kept.get('PATH', '')}"}

    def python(self, *parts: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the parts as one script, in a process of its own, in the project of the test."""
        script = self.place / "script.py"
        script.write_text("\n".join(parts))
        return self._run([sys.executable, script.name], {"HECTIQLAB_PROJECT": self.project["id"], **env})

    def shell(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run(["bash", "-c", line], env)

    def _run(self, command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        variables = {**self.env, **env}
        return subprocess.run(command, cwd=self.place, env=variables, capture_output=True, text=True, timeout=90)

    # What the lab has -------------------------------------------------------------------------------------------

    def ask(self, path: str, **query: Any) -> Any:
        with LabClient(self.lab.url, self.lab.api_key) as client:
            return client.get(path, query)

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        with LabClient(self.lab.url, self.lab.api_key) as client:
            return list(client.pages(path, query))

    def content(self, artifact: dict[str, Any]) -> bytes:
        with (
            LabClient(self.lab.url, self.lab.api_key) as client,
            client.opened(f"/artifacts/{artifact['uuid']}/content", {}) as body,
        ):
            data = b""
            while part := body.read(1 << 20):
                data += part
        return data

    def runs(self) -> list[dict[str, Any]]:
        return self.pages("/runs", project=self.project["id"])

    def run(self) -> dict[str, Any]:
        """Return the only run of the test's project when it has ended."""

        def ended() -> dict[str, Any] | None:
            (run,) = self.runs()
            answer: dict[str, Any] = self.ask(f"/runs/{run['id']}")
            return answer if answer["state"] not in ("pending", "running", "training") else None

        answer: dict[str, Any] = eventually(ended, what="the end of the run")
        return answer


def terminal(env: dict[str, str], place: Path, line: str, answers: dict[str, str]) -> str:
    """Return what a terminal shows of a shell command until it ends. Each question is answered once, when it
    is asked.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    process = subprocess.Popen(["bash", "-c", line], env=env, cwd=place, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    waiting, shown, seen = dict(answers), "", 0
    try:
        while part := os.read(ours, 4096):
            shown += part.decode(errors="replace")
            for question, answer in list(waiting.items()):
                place_of = shown.find(question, seen)
                if place_of >= 0 and shown.rstrip(" ").endswith(":"):  # the prompt is whole, so it reads now
                    seen = place_of + len(question)
                    del waiting[question]
                    os.write(ours, f"{answer}\n".encode())
    except OSError:  # EIO: nobody has the other end open any more
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0 and not waiting, shown
    return shown


def log_in(lab: RealLab, home: Path, line: str) -> str:
    """Type what `hectiqlab add-profile` asks for. Return what the terminal showed."""
    home.mkdir(exist_ok=True)
    answers = {"Address of the lab": lab.url, "User name": USER, "Password": PASSWORD, "Name of the profile": ""}
    return terminal(User(lab, home, home, {}).env, home, line, answers)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "password").write_text(PASSWORD)
    command = [sys.executable, "-m", "pyhectiqlab", "server", "--set-password", "--user", USER]
    command += ["--data", str(folder / "data"), "--password-file", str(folder / "password")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with ForkedLab(folder / "data", folder / "home") as lab:
        yield lab


@pytest.fixture(scope="session")
def home(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the home of somebody who has logged in."""
    home = tmp_path_factory.mktemp("user")
    log_in(lab, home, "hectiqlab add-profile")
    return home


@pytest.fixture
def user(lab: RealLab, home: Path, tmp_path: Path) -> User:
    files = {
        "data/test.png": "an image",
        "results/deep/a.txt": "a result",
        "path/to/model/weights.bin": "weights",
        "path/to/model/vocabulary/words.txt": "words",
        "path/to/dataset/images/1.txt": "an image of the set",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with LabClient(lab.url, lab.api_key) as client:
        project = client.post("/projects", {"name": f"seed-{os.urandom(4).hex()}"})
    shutil.copytree(home, own := tmp_path / "home")  # the credentials; the spool is the test's own
    return User(lab, own, tmp_path, project)


@pytest.fixture
def voxnet(user: User) -> str:
    """Make a package in a git repository beside the user's script. Return its commit."""
    folder = user.place / "voxnet"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("remote", "add", "origin", "https://example.org/team/voxnet.git")
    return git("rev-parse", "HEAD")
