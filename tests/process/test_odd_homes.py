"""Odd homes and odd machines: with the lab up, everything arrives.

A home that cannot be written or is not known, a working folder that is gone, a package in a zip file, no shell.

What is mounted, is mounted in a mount namespace of the test's own, with shared memory and temporary storage of its own:
tests run as root, whom permissions do not stop.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pyhectiqlab

from .conftest import Site, by_turns, eventually
from .test_ends import unique

SCRIPT = """
import os, sys
from pyhectiqlab import Run

run = Run(sys.argv[1], project="odd", should_create_project=True)
for step in range(100):
    run.add_metrics("x", step, step)
child = os.fork()
if not child:
    run.add_metrics("child", 1.0, 1)
    os._exit(0)
os.waitpid(child, 0)
with open("/dev/shm/artifact-" + sys.argv[1], "w") as f:
    f.write("hello")
run.add_artifact(f.name)
os.unlink(f.name)
outbox = run._outbox
print(run.mode, run.flush(20), outbox.session.dir.path if hasattr(outbox, "session") else None)
"""
needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0, reason="needs the right to mount"
)
OWN_STORAGE = "mount -t tmpfs none /dev/shm && mount -t tmpfs none /var/tmp"


def machine(site: Site, mounts: str, commands: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands on a machine with these `mounts`; `$PYTHON -c "$SCRIPT"` is the script above."""
    inside = {"PYTHON": sys.executable, "SCRIPT": SCRIPT, "HOME_FOLDER": str(site.home), **env}
    site.home.mkdir(exist_ok=True)
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", f"set -e; {OWN_STORAGE}; {mounts}; {commands}", "sh", *arguments],
        env={**site.env, **inside},
        capture_output=True,
        text=True,
        timeout=120,
    )


def arrived(site: Site, name: str) -> bool:
    return (
        [step for step, _, _ in site.points(name, "x")] == list(range(100))
        and len(site.points(name, "child")) == 1
        and site.find(name)["state"] == "completed"
    )


def ours(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("hectiqlab: ") and "sending what is left" not in line]


READ_ONLY = 'mount -t tmpfs -o ro none "$HOME_FOLDER"'
FULL = (
    'mount -t tmpfs -o size=64k none "$HOME_FOLDER"; dd if=/dev/zero of="$HOME_FOLDER/filled" bs=4k 2>/dev/null || true'
)
NO_TEMPORARY = "mount --bind -o ro /tmp /tmp"
UNWRITABLE = {  # what is mounted, and where the contents of the home are then
    "read-only": (READ_ONLY, "/var/tmp"),
    "full": (FULL, "/var/tmp"),
    "read-only container": (f"{READ_ONLY}; mount -o remount,ro /var/tmp; {NO_TEMPORARY}", "/dev/shm"),
}


@needs_mounts
@pytest.mark.parametrize(("case", "method"), by_turns("read-only", "full", "read-only container"))
def test_all_arrives_from_a_home_that_cannot_be_written(site: Site, case: str, method: str) -> None:
    mounts, where = UNWRITABLE[case]
    name = unique("home")
    commands = '"$PYTHON" -c "$SCRIPT" "$1"; stat -c "%a %u" "$TMPDIR"/hectiqlab-* "$TMPDIR"/hectiqlab-*/home-*'
    done = machine(site, mounts, commands, name, TMPDIR=where, HECTIQLAB_START_METHOD=method)
    assert done.returncode == 0, done.stderr
    mode, flushed, path, *modes = done.stdout.split()
    assert (mode, flushed) == ("online", "True") and path.startswith(f"{where}/hectiqlab-")
    assert modes == ["700", str(os.geteuid())] * 2
    (line,) = ours(done.stderr)
    assert str(site.home) in line and where in line and "lost with this machine" in line and "HECTIQLAB_HOME" in line
    eventually(lambda: arrived(site, name))


@needs_mounts
def test_what_waits_in_the_place_of_a_home_is_shown_and_synced(site: Site) -> None:
    name = unique("waits")
    commands = (
        'HECTIQLAB_MODE=offline "$PYTHON" -c "$SCRIPT" "$1"; "$PYTHON" -m pyhectiqlab status; '
        '"$PYTHON" -m pyhectiqlab sync; "$PYTHON" -m pyhectiqlab status'
    )
    done = machine(site, READ_ONLY, commands, name, TMPDIR="/var/tmp")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"waits +offline +{name}", done.stdout), done.stdout
    assert "0 left" in done.stdout and done.stdout.endswith(
        "Nothing waits on this machine and nothing is being logged.\n"
    )
    assert arrived(site, name)


@needs_mounts
def test_a_folder_of_somebody_else_in_temporary_storage_is_not_used(site: Site) -> None:
    """Nor a link to one: the next place is."""
    name = unique("squatted")
    traps = "mkdir -m 700 /var/tmp/victim; ln -s victim /var/tmp/hectiqlab-$(id -u)"
    commands = f'{traps}; "$PYTHON" -c "$SCRIPT" "$1"; ls -A /var/tmp/victim | wc -l'
    mounts = f"{READ_ONLY}; mount -t tmpfs none /tmp" if not str(site.home).startswith("/tmp") else READ_ONLY
    done = machine(site, mounts, commands, name, TMPDIR="/var/tmp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "0" and "/var/tmp" not in done.stdout
    eventually(lambda: arrived(site, name))


NOBODY = 12345  # no entry in the passwd file


@needs_mounts
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_user_without_a_home_and_a_name(site: Site, method: str) -> None:
    name = unique("nobody")
    become = f"unshare -U --map-user={NOBODY} --map-group={NOBODY} env -u HOME"
    done = machine(
        site,
        ":",
        f'exec {become} "$PYTHON" -c "$SCRIPT" "$1"',
        name,
        TMPDIR="/var/tmp",
        HECTIQLAB_HOME="",
        HECTIQLAB_CREDENTIALS="",
        HECTIQLAB_URL=site.lab.url,
        HECTIQLAB_API_KEY=site.lab.api_key + "\n",
        HECTIQLAB_START_METHOD=method,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"online True /var/tmp/hectiqlab-{NOBODY}/home-none/spool/"), (
        done.stdout + done.stderr
    )
    eventually(lambda: arrived(site, name))


def plain(site: Site, script: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env={**site.env, **env}, cwd=cwd, capture_output=True, text=True, timeout=90)


@pytest.mark.parametrize(
    ("home", "method"), by_turns("lab-home", "./a/../lab-home", "lab-home\n", "~/lab-home", "~/lab-home\n")
)
def test_a_home_may_be_relative_and_end_in_a_line_break(site: Site, tmp_path: Path, home: str, method: str) -> None:
    """And the script may go elsewhere, before its run and behind it."""
    name = unique("relative")
    for folder in ("lab-home", "a", "b"):
        (tmp_path / folder).mkdir(mode=0o700)
    shutil.copy(site.lab.credentials, tmp_path / "lab-home" / "credentials")
    script = f"import os, pyhectiqlab\nos.chdir({str(tmp_path / 'a')!r})\n{SCRIPT}\nos.chdir({str(tmp_path / 'b')!r})\n"
    env = {"HECTIQLAB_HOME": home, "HECTIQLAB_CREDENTIALS": "", "HOME": str(tmp_path), "HECTIQLAB_START_METHOD": method}
    done = plain(site, script, name, cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"online True {tmp_path}/lab-home/spool/") or "/a/../lab-home/spool/" in done.stdout
    assert ours(done.stderr) == []
    eventually(lambda: arrived(site, name))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_working_folder_that_is_gone(site: Site, tmp_path: Path, method: str) -> None:
    name = unique("no_folder")
    (tmp_path / "gone").mkdir()
    script = f"import os\nos.rmdir({str(tmp_path / 'gone')!r})\n{SCRIPT}"
    done = plain(site, script, name, cwd=tmp_path / "gone", HECTIQLAB_START_METHOD=method)
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_package_in_a_zip_file(site: Site, tmp_path: Path, method: str) -> None:
    name = unique("zip")
    package = Path(pyhectiqlab.__file__).parent
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as packed:
        for path in package.rglob("*.py"):
            if "node_modules" not in path.parts:
                packed.write(path, path.relative_to(package.parent))
    first = "import sys\nsys.path.insert(0, 'app.zip')\nimport pyhectiqlab\nassert 'app.zip' in pyhectiqlab.__file__\n"
    script = first + SCRIPT.replace("run = Run", "os.chdir('/')\nrun = Run")
    done = plain(site, script, name, cwd=tmp_path, HECTIQLAB_START_METHOD=method)
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/true", "/nowhere/python3"])
def test_an_application_that_embeds_python(site: Site, tmp_path: Path, executable: str | None) -> None:
    """Whose sys.executable is empty, or the application."""
    name = unique("embedded")
    script = f"import sys\nsys.executable = {executable!r}\n{SCRIPT}"
    done = plain(site, script, name, cwd=tmp_path, HECTIQLAB_START_METHOD="spawn")
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_frozen_application_is_not_started_again(site: Site, tmp_path: Path, method: str) -> None:
    name, app, log = unique("frozen"), tmp_path / "python-app", tmp_path / "log"
    app.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    app.chmod(0o755)
    script = f"import sys\nsys.frozen, sys.executable = True, {str(app)!r}\n{SCRIPT}"
    done = plain(site, script, name, cwd=tmp_path, HECTIQLAB_START_METHOD=method)
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))
    assert not log.exists()


def test_an_interpreter_that_needs_pythonhome(site: Site, tmp_path: Path) -> None:
    """One that was moved: without PYTHONHOME it finds no library."""
    name = unique("moved")
    (tmp_path / "bin").mkdir()
    moved = tmp_path / "bin" / "python3"
    shutil.copy(os.path.realpath(sys.executable), moved)
    script = f"import sys\nsys.path[:0] = {[p for p in sys.path if p]!r}\n{SCRIPT}"
    env = {**site.env, "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}", "HECTIQLAB_START_METHOD": "spawn"}
    done = subprocess.run([str(moved), "-c", script, name], env=env, capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))


@needs_mounts
def test_an_image_without_a_shell(site: Site) -> None:
    name = unique("no_shell")
    hidden = "mkdir -p /dev/shm/none; real=$(readlink -f /bin/sh)"
    start = 'exec "$PYTHON" -c "$SCRIPT" "$1"'
    script = (
        "import ctypes, os\nreal = os.path.realpath('/bin/sh')\n"
        "import subprocess\nsubprocess.run(['mount', '--bind', '/dev/null', real], check=True)\n"
        "import pyhectiqlab.uploader.start as start\nstart._SHELL = '/nowhere/sh'\n" + SCRIPT
    )
    done = machine(site, hidden, start, name, SCRIPT=script, HECTIQLAB_START_METHOD="spawn")
    assert (done.returncode, done.stdout[:11], ours(done.stderr)) == (0, "online True", []), done.stderr
    eventually(lambda: arrived(site, name))


LIMITED = """
import resource, sys
limit, size = getattr(resource, sys.argv[2]), int(sys.argv[3])
resource.setrlimit(limit, (size, size))
from pyhectiqlab import Run
run = Run(sys.argv[1])
for step in range(100_000):
    run.add_metrics("x", step, step)
print(run.close(60), sum(run.status().losses.values()), run.status().acked)
"""


LIMITS = {"RLIMIT_FSIZE": 3_000_000, "RLIMIT_AS": 400 << 20, "RLIMIT_NOFILE": 24}


@pytest.mark.parametrize(("limit", "method"), by_turns(*LIMITS))
def test_narrow_limits_lose_nothing(site: Site, tmp_path: Path, limit: str, method: str) -> None:
    name = unique("limited")
    done = plain(site, LIMITED, name, limit, str(LIMITS[limit]), cwd=tmp_path, HECTIQLAB_START_METHOD=method)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["True", "0"]), done.stderr
    assert len(site.points(name, "x")) == 100_000


LIMITED_AND_ALONE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
from pyhectiqlab import Run
run = Run(sys.argv[1])
print("begun", flush=True)
sys.stdin.readline()
for step in range(100_000):
    run.add_metrics("x", step, step)
print("logged", flush=True)
sys.stdin.readline()
print(run.close(60), sum(run.status().losses.values()))
"""


def test_what_finds_no_room_is_said_at_the_end(site: Site) -> None:
    """Files of 64 KiB hold no ring, and little of what would lie beside it. The uploader stands still while the script
    logs: it could take all of it otherwise.
    """
    script = site.start(LIMITED_AND_ALONE, unique("tiny"))
    assert script.stdin is not None and script.stdout is not None and script.stdout.readline() == "begun\n"
    (uploader,) = eventually(site.uploaders, what="an uploader")
    os.kill(uploader, signal.SIGSTOP)
    script.stdin.write("\n")
    script.stdin.flush()
    assert script.stdout.readline() == "logged\n"
    os.kill(uploader, signal.SIGCONT)
    output, errors = script.communicate("\n", timeout=90)
    assert script.returncode == 0, errors
    closed, lost = output.split()
    assert closed == "True" and int(lost) > 0 and "are lost" in errors and "ulimit -f" in errors


@needs_mounts
@pytest.mark.parametrize(("folder", "method"), by_turns("/proc", "/dev"))
def test_a_machine_without_proc_or_devices(site: Site, folder: str, method: str) -> None:
    """Its descriptors cannot be listed, or it has no /dev/null and no shared memory."""
    name = unique("bare")
    script = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
for step in range(100):
    run.add_metrics("x", step, step)
print(run.mode, run.close(30))
"""
    done = machine(
        site,
        f"mount -t tmpfs none {folder}",
        '"$PYTHON" -c "$SCRIPT" "$1"',
        name,
        SCRIPT=script,
        HECTIQLAB_START_METHOD=method,
    )
    assert (done.returncode, done.stdout) == (0, "online True\n"), done.stderr
    assert len(site.points(name, "x")) == 100
