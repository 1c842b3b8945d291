"""The captured console: what C libraries and child processes print is seen and recorded, whoever dies."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site, eventually
from .recording import BEGIN, logs, ran, texts
from .test_ends import unique

C = BEGIN + "import ctypes, subprocess\nlibc = ctypes.CDLL(None)\n"
CAPTURED = C + "run.start_recording_logs(capture_console=True)\n"
FORM = pytest.mark.parametrize("method", ["fork", "spawn"])


def on_terminal(site: Site, script: str, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a script whose standard streams are a terminal. Return it, and the other side of the terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    process = subprocess.Popen(command, env=site.env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    site.started.append(process)  # type: ignore[arg-type]
    return process, ours


def read_until(fd: int, word: bytes, timeout: float = 20) -> bytes:
    got = b""
    deadline = time.monotonic() + timeout
    while word not in got:
        assert time.monotonic() < deadline, got
        got += os.read(fd, 4096)
    return got


@FORM
def test_what_c_and_child_processes_print_is_seen_and_recorded_with_its_stream(site: Site, method: str) -> None:
    name = unique("descriptors")
    done = site.run(
        CAPTURED
        + """
print("python", flush=True)
subprocess.run(["echo", "a child"])
subprocess.run("echo to stderr >&2; printf 'half a Ω'; printf ' line\\n'; printf '\\\\r10%%\\\\r20%%\\\\n'", shell=True)
subprocess.run([sys.executable, "-c", "print('of a child in Python')"])
out = subprocess.run(["echo", "its own"], stdout=subprocess.PIPE, text=True).stdout
assert out == "its own\\n"
libc.puts("C Ω".encode())
assert run.flush(20)
""",
        name,
        HECTIQLAB_START_METHOD=method,
    )
    assert done.returncode == 0, done.stderr
    seen = ["python", "a child", "half a Ω line", "", "10%", "20%", "of a child in Python", "C Ω"]
    assert done.stdout.splitlines() == seen
    assert done.stderr == "to stderr\n"
    shown = site.cli("logs", name, "--channel", "stdout").stdout
    assert sorted(shown.splitlines()) == sorted(s for s in seen if s not in ("", "10%"))
    (stderr,) = logs(site, name, "--channel", "stderr")
    assert (stderr["text"], stderr["level"]) == ("to stderr\n", None)
    assert site.ended(name)["state"] == "completed"
    assert not list((site.home / "spool").glob("*/queues/*"))


def test_the_last_words_of_a_crash_in_c_are_seen_and_recorded_before_its_end(site: Site) -> None:
    name = unique("abort")
    script = CAPTURED + "os.write(2, b\"terminate called after throwing an instance of 'E'\\n\"); libc.abort()\n"
    done = site.run(script, name)
    assert done.returncode == -signal.SIGABRT
    words = "terminate called after throwing an instance of 'E'\n"
    assert done.stderr == words
    follower = site.cli("logs", "-f", name)  # ends with the run
    assert words in follower.stdout
    assert site.ended(name)["state"] != "completed"


def test_nothing_is_missing_anywhere_after_the_uploader_was_killed(site: Site) -> None:
    name = unique("killed uploader")
    script = (
        CAPTURED
        + """
subprocess.run("for i in $(seq 300); do echo line $i; done", shell=True)
print("go", flush=True)
sys.stdin.readline()
subprocess.run("for i in $(seq 301 600); do echo line $i; done", shell=True)
"""
    )
    process = site.start(script, name)
    assert process.stdout
    # Not with readline: communicate would not see what it read ahead.
    first = read_until(process.stdout.fileno(), b"go\n").decode()
    (pid,) = eventually(site.uploaders)
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate("\n", timeout=60)
    assert process.returncode == 0, err
    lines = [f"line {i}" for i in range(1, 601)]
    # If it is killed between a write to the terminal and its note, that block is shown again.
    assert list(dict.fromkeys(s for s in (first + out).splitlines() if s != "go")) == lines
    site.ended(name)
    recorded = [s for s in site.cli("logs", name).stdout.splitlines() if s != "go"]
    assert recorded == lines


def test_what_nobody_followed_is_recorded_by_a_sync(site: Site) -> None:
    name = unique("both killed")
    script = CAPTURED + "print('ready', flush=True); sys.stdin.readline(); os.write(1, b'late\\n')\n"
    process = site.start(script + "os.kill(os.getpid(), 9)\n", name)
    assert process.stdout and process.stdout.readline() == "ready\n"
    (pid,) = eventually(site.uploaders)
    os.kill(pid, signal.SIGKILL)
    process.communicate("\n", timeout=30)
    assert site.cli("sync").returncode == 0
    assert "late\n" in texts(site, name)


def test_an_end_that_cannot_wait_for_the_lab_says_that_something_printed_is_left(own_site: Site) -> None:
    site, name = own_site, unique("printed")
    script = CAPTURED + "assert run.flush(20)\nprint('ready', flush=True); sys.stdin.readline()\n"
    script += "os.write(1, b'late\\n')\nprint(run.status().printed_bytes_left, flush=True)\n"
    process = site.start(script, name, HECTIQLAB_EXIT_TIMEOUT="2")
    assert process.stdout and process.stdout.readline() == "ready\n"
    os.kill(site.lab.pid, signal.SIGSTOP)
    try:
        out, err = process.communicate("\n", timeout=30)
    finally:
        os.kill(site.lab.pid, signal.SIGCONT)
    assert sorted(out.splitlines()) == ["5", "late"]
    assert "events and 5 printed bytes are not at the lab yet" in err
    site.ended(name, 60)
    assert "late\n" in texts(site, name)


def test_lines_of_an_unbuffered_python_are_recorded_whole_beside_those_of_its_children(site: Site) -> None:
    name = unique("unbuffered")
    script = """
child = subprocess.Popen("for i in $(seq 300); do echo child $i; done", shell=True)
for i in range(300): print("python", i)
child.wait()
"""
    done = site.run(CAPTURED + script, name, PYTHONUNBUFFERED="1")
    assert done.returncode == 0, done.stderr
    want = [f"child {i}" for i in range(1, 301)] + [f"python {i}" for i in range(300)]
    site.ended(name)
    assert sorted("".join(texts(site, name)).splitlines()) == sorted(want)
    # `print` writes "python", a space, the number and the end of the line apart: a child's line may come between them.
    assert sorted(done.stdout) == sorted("\n".join([*want, ""]))


def test_a_reader_that_stops_reading_stops_neither_the_script_nor_the_recording(site: Site) -> None:
    name = unique("slow reader")
    script = (
        CAPTURED + "for i in range(4000): os.write(1, b'%063d\\n' % i)\nassert run.flush(30); open(sys.argv[2], 'w')\n"
    )
    mark = site.home.parent / "written"
    process = site.start(script, name, str(mark))
    eventually(mark.exists, 30, "end of the script's printing, while nobody reads")
    assert process.stdout
    out, _ = process.communicate(timeout=30)
    want = [f"{i:063d}" for i in range(4000)]
    assert out.splitlines() == want
    assert site.cli("logs", name).stdout.splitlines() == want


def test_a_reader_that_is_gone_harms_nobody(site: Site) -> None:
    name = unique("head")
    script = CAPTURED + "print('ready', file=sys.stderr, flush=True); sys.stdin.readline()\nos.write(1, b'unseen\\n')\n"
    process = site.start(script, name)
    assert process.stdout and process.stderr and process.stderr.readline() == "ready\n"
    process.stdout.close()
    process.stdout = None
    process.communicate("\n", timeout=30)
    assert process.returncode == 0
    site.ended(name)
    assert "unseen\n" in texts(site, name)


def test_on_a_terminal_python_keeps_it_and_c_is_seen_at_once(site: Site) -> None:
    name = unique("terminal")
    script = (
        CAPTURED
        + """
assert sys.stdout.isatty() and os.get_terminal_size(sys.stdout.fileno()) and sys.stdout.name == "<stdout>"
libc.printf(b"by C\\n")
print("got", input("prompt> "))
assert not os.isatty(1)
run.stop_recording_logs()
assert os.isatty(1) and sys.stdout.fileno() == 1
subprocess.run(["echo", "straight"])
"""
    )
    process, ours = on_terminal(site, script, name)
    try:
        seen = b""
        while not (b"by C\r\n" in seen and b"prompt> " in seen):
            seen += os.read(ours, 4096)
        os.write(ours, b"answer\n")
        assert b"got answer" in read_until(ours, b"straight\r\n")
        assert process.wait(30) == 0
    finally:
        os.close(ours)
    recorded = "".join(texts(site, name))
    assert "by C\n" in recorded and "got answer\n" in recorded and "straight" not in recorded


def test_a_terminal_that_hangs_up_ends_no_recording(site: Site) -> None:
    name = unique("hangup")
    script = (
        CAPTURED
        + """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("ready", flush=True)
while os.path.exists(sys.argv[2]): pass
os.write(1, b"after\\n")
"""
    )
    mark = site.home.parent / "connected"
    mark.touch()
    process, ours = on_terminal(site, script, name, str(mark))
    read_until(ours, b"ready\r\n")  # the end of the line may not be there: print may be about to write it
    os.close(ours)
    mark.unlink()
    assert process.wait(30) == 0
    site.ended(name)
    assert "after\n" in texts(site, name)


def test_it_can_be_python_alone_and_stopped_and_started_again(site: Site) -> None:
    name = unique("choice")
    done = ran(
        site,
        name,
        """
import subprocess
def where(): return os.readlink("/proc/self/fd/1")
before = where()
run.start_recording_logs(capture_console="python")
assert where() == before
print("python")
subprocess.run(["echo", "not recorded"])
run.start_recording_logs(capture_console=True)
assert where() != before and sys.stdout.fileno() > 2
subprocess.run(["echo", "recorded"])
run.stop_recording_logs()
assert where() == before and sys.stdout.fileno() == 1
subprocess.run(["echo", "nor this"])
run.start_recording_logs(capture_console=True)
subprocess.run(["echo", "again"])
other = Run(sys.argv[1] + " other")
other.start_recording_logs(capture_console=True)
os.write(1, b"both\\n")
run.close()
assert where() != before
os.write(1, b"the other\\n")
try:
    other.start_recording_logs(capture_console="C")
except ValueError as e:
    print("refused:", e, file=sys.stderr)
""",
    )
    printed = ["python", "not recorded", "recorded", "nor this", "again", "both", "the other"]
    assert sorted(done.stdout.splitlines()) == sorted(printed)
    assert "refused: capture_console is True, False or \"python\", not 'C'" in done.stderr
    recorded = "".join(texts(site, name, "--channel", "stdout")).split()
    assert sorted(recorded) == ["again", "both", "python", "recorded"]
    assert "".join(texts(site, name + " other", "--channel", "stdout")) == "both\nthe other\n"


def test_forked_children_and_those_that_outlive_the_script_are_heard(site: Site) -> None:
    name = unique("children")
    done = ran(
        site,
        name,
        """
import subprocess
run.start_recording_logs(capture_console=True)
if not os.fork():
    print("python of a fork", flush=True)
    os.write(1, b"C of a fork\\n")
    os._exit(0)
os.wait()
exe = f"/proc/{os.getpid()}/exe"
subprocess.Popen(f"while test -e {exe}; do sleep 0.05; done; sleep 0.3; echo late", shell=True)
""",
    )
    assert sorted(done.stdout.splitlines()) == ["C of a fork", "late", "python of a fork"]
    site.ended(name)
    assert sorted(texts(site, name)) == ["C of a fork\n", "python of a fork\n"]  # until the end of the run


def test_a_program_that_takes_the_place_of_the_script_is_heard(site: Site) -> None:
    name = unique("exec")
    done = ran(site, name, "run.start_recording_logs(capture_console=True)\nos.execvp('echo', ['echo', 'instead'])\n")
    assert done.stdout == "instead\n"
    site.ended(name)
    assert texts(site, name) == ["instead\n"]


def test_a_full_disk_gives_the_descriptors_back(site: Site, tmp_path: Path) -> None:
    name = unique("full")
    script: Any = """
run.start_recording_logs(capture_console=True)
run.flush()
from pyhectiqlab.spool import consolefiles
from pyhectiqlab.client import sessions
consolefiles.ConsoleDir(sessions.current().dir.path).shown()[consolefiles.FULL] = 1  # as the uploader does
from pyhectiqlab.client import console
console.CHECK_INTERVAL_S = 0.0  # the next print looks
print("a line")
os.system("echo straight")
assert os.path.samestat(os.fstat(1), os.fstat(sys.stdout.fileno())) and sys.stdout.fileno() == 1
"""
    done = ran(site, name, script)
    assert sorted(done.stdout.splitlines()) == ["a line", "straight"]
    assert "no longer recorded" in done.stderr
