"""How a process sees its own end; and that looking changes nothing about it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.capture.ending import ending_by, exit_status

from .ids import named

WATCH = """
import atexit, json, os, sys
from pyhectiqlab.capture import ending
where = sys.argv[1]
ending.watch_exit_code()
ending.watch_exit_code()
def tell():
    end = ending.this_ending()
    with open(where, "w") as f:
        json.dump([end.state, end.cause, end.exit_code, end.detail], f)
atexit.register(tell)
"""


def run(tmp_path: Path, code: str, *, watched: bool = True) -> tuple[int, str, str, Any]:
    """Run a script and return (exit status, stdout, stderr, what was reported)."""
    report = tmp_path / "report"
    script = tmp_path / "script.py"
    script.write_text((WATCH if watched else "import os, sys\n") + code)
    done = subprocess.run([sys.executable, str(script), str(report)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr, json.loads(report.read_text()) if report.exists() else None


@pytest.mark.parametrize(
    "code, state, cause, exit_code",
    [
        ("pass", "completed", "exit", None),
        ("sys.exit()", "completed", "exit", None),
        ("sys.exit(0)", "completed", "exit", None),
        ("sys.exit(False)", "completed", "exit", None),
        ("sys.exit(3)", "failed", "sys.exit(3)", 3),
        ("sys.exit(256)", "completed", "exit", None),
        ("sys.exit(-1)", "failed", "sys.exit(-1)", 255),
        ("sys.exit('no data')", "failed", "sys.exit('no data')", 1),
        ("sys.exit([])", "failed", "sys.exit([])", 1),
        ("raise ValueError('x\\ny')", "failed", "ValueError: x", 1),
        ("raise KeyboardInterrupt", "stopped", "KeyboardInterrupt", None),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass\nraise OSError('later')", "failed", "OSError: later", 1),
        ("from sys import exit\nexit(4)", "failed", "sys.exit(4)", 4),
    ],
)
def test_the_end_is_seen_and_the_exit_status_and_output_are_the_scripts_own(
    tmp_path: Path, code: str, state: str, cause: str, exit_code: int | None
) -> None:
    status, out, err, report = run(tmp_path, code)
    assert report[:3] == [state, cause, exit_code]
    plain_status, plain_out, plain_err, _ = run(tmp_path, code, watched=False)
    assert (status, out) == (plain_status, plain_out)
    # The traceback may show the frame of the wrapper for sys.exit, which is not printed; otherwise only line numbers
    # differ.
    assert len(err.splitlines()) == len(plain_err.splitlines())


def test_the_traceback_is_told(tmp_path: Path) -> None:
    _, _, err, report = run(tmp_path, "def train():\n    raise ValueError('diverged')\ntrain()")
    assert "in train" in report[3] and "ValueError: diverged" in report[3]
    assert report[3].strip() == err.strip()


def test_a_wrapped_exit_is_called_as_the_original(tmp_path: Path) -> None:
    status, out, _, _ = run(
        tmp_path,
        "try:\n    sys.exit(1, 2)\nexcept TypeError:\n    print('type error')\n"
        "try:\n    sys.exit(status=1)\nexcept TypeError:\n    print('no keyword')\n"
        "print(sys.exit.__doc__ == sys.__dict__['exit'].__doc__ and bool(sys.exit.__doc__))",
    )
    assert (status, out.split("\n")[:3]) == (0, ["type error", "no keyword", "True"])


SIGNALS = """
import faulthandler, os, signal, sys, time
from pathlib import Path
from pyhectiqlab.capture import ending
"""


def run_signal(tmp_path: Path, code: str) -> tuple[int, str]:
    crash = tmp_path / "crash"
    script = tmp_path / "script.py"
    script.write_text(SIGNALS + code)
    done = subprocess.run([sys.executable, str(script), str(crash)], capture_output=True, text=True, timeout=60)
    return done.returncode, crash.read_text() if crash.exists() else ""


def test_sigterm_and_crashes_leave_stacks_and_their_own_status(tmp_path: Path) -> None:
    status, stacks = run_signal(
        tmp_path, "ending.watch_signals(Path(sys.argv[1]))\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)"
    )
    assert status == -signal.SIGTERM and "script.py" in stacks
    status, stacks = run_signal(tmp_path, "ending.watch_signals(Path(sys.argv[1]))\nos.abort()")
    assert status == -signal.SIGABRT and "Fatal Python error" in stacks


def test_what_the_user_has_taken_stays_the_users(tmp_path: Path) -> None:
    status, stacks = run_signal(
        tmp_path,
        "faulthandler.enable()\n"
        "signal.signal(signal.SIGTERM, lambda *a: os._exit(9))\n"
        "ending.watch_signals(Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)",
    )
    assert status == 9 and stacks == ""


def test_a_forked_child_writes_nothing_into_its_parents_file(tmp_path: Path) -> None:
    status, stacks = run_signal(
        tmp_path,
        "ending.watch_signals(Path(sys.argv[1]))\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    ending.unwatch_signals()\n"
        "    ending.unwatch_signals()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
        "_, status = os.waitpid(pid, 0)\n"
        "assert os.WTERMSIG(status) == signal.SIGTERM\n"
        "assert faulthandler.is_enabled()",
    )
    assert status == 0 and stacks == ""


LATER = {
    "a handler of Python's for SIGTERM": (
        "signal.signal(signal.SIGTERM, lambda *a: os._exit(7))",
        "os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(60)",
        7,
    ),
    "SIGTERM ignored": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "os.kill(os.getpid(), signal.SIGTERM)\n    os._exit(7)",
        7,
    ),
    "a handler of a C library's for SIGTERM": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]\n"
        "libc.signal(signal.SIGTERM, ctypes.cast(libc._exit, ctypes.c_void_p).value)",
        "os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(60)",
        int(signal.SIGTERM),  # _exit, called with the number of the signal
    ),
    "faulthandler on": ("faulthandler.enable()", "os._exit(7 if faulthandler.is_enabled() else 8)", 7),
    "faulthandler off": ("faulthandler.disable()", "os._exit(8 if faulthandler.is_enabled() else 7)", 7),
    "faulthandler for SIGTERM": (
        "mine = open(sys.argv[1] + '.mine', 'w')\nfaulthandler.register(signal.SIGTERM, file=mine)",
        "os.kill(os.getpid(), signal.SIGTERM)\n    os._exit(7 if os.path.getsize(mine.name) else 8)",
        7,
    ),
    "a handler of a C library's for SIGSEGV": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]\n"
        "libc.signal(signal.SIGSEGV, ctypes.cast(libc._exit, ctypes.c_void_p).value)",
        "os.kill(os.getpid(), signal.SIGSEGV)\n    time.sleep(60)",
        int(signal.SIGSEGV),
    ),
}


@pytest.mark.parametrize("what", LATER)
def test_what_the_script_sets_later_holds_in_the_processes_that_it_forks(tmp_path: Path, what: str) -> None:
    later, child, expected = LATER[what]
    status, stacks = run_signal(
        tmp_path,
        "ending.watch_signals(Path(sys.argv[1]))\n"
        "os.register_at_fork(after_in_child=ending.unwatch_signals)\n"
        f"{later}\n"
        "for _ in range(2):\n"
        "  pid = os.fork()\n"
        "  if pid == 0:\n"
        f"    {child}\n"
        "  first = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "sys.exit(first)",
    )
    assert status == expected and stacks == ""


@pytest.mark.parametrize(
    "error, state, exit_code",
    [
        (SystemExit(), "completed", 0),
        (SystemExit(0), "completed", 0),
        (SystemExit(5), "failed", 5),
        (SystemExit("x"), "failed", 1),
        (KeyboardInterrupt(), "stopped", None),
        (MemoryError(), "failed", 1),
        (ValueError("a\nb"), "failed", 1),
        (GeneratorExit(), "failed", 1),
    ],
    ids=named,
)
def test_an_exception_that_nobody_caught_makes_the_end(error: BaseException, state: str, exit_code: int | None) -> None:
    end = ending_by(error)
    assert (end.state, end.exit_code) == (state, exit_code)
    assert "\n" not in end.cause and end.cause


@pytest.mark.parametrize("code", [None, 0, 1, 3, 255, 256, -1, -257, True, "x", "", [], 1.0])
def test_an_exit_code_is_what_the_system_makes_of_it(code: Any) -> None:
    pid = os.spawnv(
        os.P_NOWAIT,
        sys.executable,
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.stderr = None; sys.exit({code!r})"],
    )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == exit_status(code)


def test_a_sigterm_stays_one_while_threads_come_and_go(tmp_path: Path) -> None:
    """A look at the stacks of all threads read those of threads that had ended: SIGSEGV, one time in seven."""
    script = """
import sys, threading
from pathlib import Path
from pyhectiqlab.capture import ending
ending.watch_signals(Path(sys.argv[1]))
def deep(n): return deep(n - 1) if n else None
def start():
    while True:
        worker = threading.Thread(target=deep, args=(300,))
        worker.start()
        worker.join()
for _ in range(2): threading.Thread(target=start, daemon=True).start()
print(flush=True)
threading.Event().wait()
"""
    for i in range(20):
        stacks = tmp_path / str(i)
        process = subprocess.Popen([sys.executable, "-c", script, str(stacks)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM
        process.stdout.close()
        assert stacks.read_text()[:5] in ("", "Stack")  # "": got by a thread that Python knew nothing of yet
