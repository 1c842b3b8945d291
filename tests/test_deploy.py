"""What docs/deploy has, for real as far as that is possible without a network, podman and systemd.

The steps of the Containerfile, the exposure of the units, the versions that a lab is installed with.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .server.api import wait_until

REPO = Path(__file__).parents[1]
DEPLOY = REPO / "docs/deploy"
EXPOSURE_MAX = 3.0
NO_EXEC_MEMORY = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


# The units


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", ["hectiqlab.service", "hectiqlab-backup.service"])
def test_the_units_take_away_what_is_not_needed(unit: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(DEPLOY / unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done
    assert float(level[1]) < EXPOSURE_MAX, done.stdout


# The image


class Ignored:
    """The patterns of .dockerignore: the last one that fits decides; one that fits a folder fits all in it."""

    def __init__(self) -> None:
        lines = (REPO / ".dockerignore").read_text().splitlines()
        self.patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: PurePosixPath) -> bool:
        ignored = False
        for pattern in self.patterns:
            wanted = pattern.removeprefix("!")
            places = [path, *path.parents]
            if any(self._fits(str(place), wanted) for place in places):
                ignored = not pattern.startswith("!")
        return ignored

    @staticmethod
    def _fits(path: str, pattern: str) -> bool:
        if pattern.startswith("**/"):
            return fnmatchcase(path.rpartition("/")[2], pattern[3:])
        return fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")


def context() -> Iterator[PurePosixPath]:
    """Return what is sent to a build."""
    ignored = Ignored()
    kept = {pattern[1:] for pattern in ignored.patterns if pattern.startswith("!")}
    for place, folders, names in os.walk(REPO):
        here = PurePosixPath(Path(place).relative_to(REPO))
        folders[:] = [
            name for name in folders if not ignored(here / name) or any(k.startswith(f"{here / name}/") for k in kept)
        ]
        yield from (here / name for name in names if not ignored(here / name))


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, the rest) of the last stage of the Containerfile."""
    text = (DEPLOY / "Containerfile").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    last = max(i for i, line in enumerate(lines) if line.startswith("FROM "))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines[last:]]


def test_a_build_is_sent_what_it_needs_and_nothing_that_is_secret_or_large() -> None:
    sent = set(map(str, context()))
    tracked = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True).stdout.split("\n")
    needed = {name for name in tracked if name.startswith("pyhectiqlab/")}
    needed |= {"setup.cfg", "pyproject.toml", "README.md", "MANIFEST.in", "LICENSE", "docs/deploy/constraints.txt"}
    assert needed <= sent | {""}
    assert not [name for name in sent if re.search(r"(^|/)(\.git|\.venv|node_modules|tests)/|\.db$|credentials$", name)]
    assert sum((REPO / name).lstat().st_size for name in sent) < 20_000_000


@pytest.mark.skipif(not (REPO / "pyhectiqlab/server/static/index.html").exists(), reason="needs scripts/build-web")
def test_the_steps_of_the_image_make_a_lab_that_is_healthy_and_stops(tmp_path: Path) -> None:
    """Like `podman build` would run them, with this Python for the base image, and the packages that are installed. It
    runs without new privileges, and without memory that is written and executed, as the unit has it.
    """
    steps = instructions()
    given = dict(steps)
    src, root = tmp_path / "src", tmp_path / "root"
    for name in context():
        (src / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPO / name, src / name, follow_symlinks=False)
    assert ("COPY", "--from=web /src/pyhectiqlab/server/static /src/pyhectiqlab/server/static") in steps
    shutil.copytree(REPO / "pyhectiqlab/server/static", src / "pyhectiqlab/server/static")

    install = re.search(r"pip install --no-cache-dir (-c \S+) '(\S+)'", given["RUN"])
    assert install is not None and install[1] == "-c /src/docs/deploy/constraints.txt" and install[2] == "/src[server]"
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed", "--prefix", str(root)]
    constraints = ["-c", str(src / "docs/deploy/constraints.txt")]
    pip = [sys.executable, "-m", "pip", "install", "-q", *offline, *constraints, f"{src}[server]"]
    subprocess.run(pip, check=True, timeout=110)
    (site,) = root.glob("lib*/python*/site-packages")

    env = {**os.environ, "PYTHONPATH": str(site)}
    env |= {name: value.replace("/data", str(tmp_path)) for name, value in [given["ENV"].split("=")]}
    entry = [
        sys.executable,
        "-c",
        NO_EXEC_MEMORY,
        sys.executable,
        str(root / "bin" / json.loads(given["ENTRYPOINT"])[0]),
    ]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        entry = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", *entry]
    arguments = [word.replace("/data", str(tmp_path / "data")) for word in json.loads(given["CMD"])]
    where = arguments[arguments.index("--data") : arguments.index("--data") + 2]
    (tmp_path / "password").write_text("a password of nobody\n")
    refused = subprocess.run([*entry, *arguments, "--port", "0"], env=env, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "needs a password" in refused.stderr
    set_password = [*entry, "server", *where, "--password-file", str(tmp_path / "password")]
    subprocess.run(set_password, env=env, check=True, capture_output=True, timeout=60)

    ready = tmp_path / "ready"
    lab = subprocess.Popen([*entry, *arguments, "--port", "0", "--ready-file", str(ready)], env=env, cwd=tmp_path)
    try:
        wait_until(lambda: ready.exists() or lab.poll() is not None, 60)
        port = json.loads(ready.read_text())["url"].rpartition(":")[2]
        check = json.loads(given["HEALTHCHECK"].partition("CMD ")[2].replace("8080", port))
        assert given["EXPOSE"] == "8080" and check[0] == "python"
        assert subprocess.run([sys.executable, *check[1:]], timeout=30).returncode == 0
        lab.send_signal(getattr(signal, given["STOPSIGNAL"]))
        assert lab.wait(30) == 0
        assert subprocess.run([sys.executable, *check[1:]], capture_output=True, timeout=30).returncode != 0
    finally:
        lab.kill()
        lab.wait()


# Versions


def pins() -> dict[str, str]:
    lines = (DEPLOY / "constraints.txt").read_text().splitlines()
    rows = [line.split("==") for line in lines if line and not line.startswith("#")]
    return dict(rows)  # type: ignore[arg-type]


def asked_for() -> list[Requirement]:
    """Return the extras that setup.cfg has for a lab, alone or one of several."""
    config = configparser.ConfigParser()
    config.read(REPO / "setup.cfg")
    extras = config["options.extras_require"]
    lists = config["options"]["install_requires"], extras["server"], extras["fleet"]
    lines = (line.strip() for text in lists for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_each_package_of_a_lab_is_locked_to_a_version_that_fits() -> None:
    locked = pins()
    needed: set[str] = set()

    def walk(requirement: Requirement, extra: str = "") -> None:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            return
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{name} has no version in docs/deploy/constraints.txt"
        assert requirement.specifier.contains(locked[name]), f"{name} {locked[name]} does not fit {requirement}"
        if name in needed and not requirement.extras:
            return
        needed.add(name)
        for line in importlib.metadata.distribution(name).requires or []:
            for its in requirement.extras or {""}:
                walk(Requirement(line), its)

    for requirement in asked_for():
        walk(requirement)
    needed.add("backports-zstd")  # of ClickHouse's client, before Python 3.14
    if sys.version_info >= (3, 11):
        assert locked.keys() <= needed, "nothing is locked that a lab does not have"
