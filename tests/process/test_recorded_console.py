"""What is printed, and the exception that ends a run, are recorded once; a script or notebook shows them as ever."""

from __future__ import annotations

from typing import Any

import pytest

from ..notebooks import new_notebook, run_notebook
from .conftest import Site
from .recording import ran, texts
from .test_ends import unique


@pytest.mark.parametrize("console", [False, True])
def test_the_traceback_that_ends_a_run_is_recorded_once(site: Site, console: bool) -> None:
    site.forks = False  # the function that shows an exception is at the top of the stack, unless the script was forked
    name = unique("raises")
    script = f"run.start_recording_logs(capture_console={console})\ndef broken(): raise OSError('a reason')\nbroken()\n"
    done = ran(site, name, script, status=1)
    assert done.stderr.count("OSError: a reason") == 1
    shown = site.cli("logs", name).stdout
    assert shown.count("Traceback") == shown.count("OSError: a reason") == 1 and "in broken" in shown
    assert site.cli("logs", name, "--level", "CRITICAL").stdout == shown
    name = unique("raises in with")
    script = f"with run:\n  run.start_recording_logs(capture_console={console})\n  raise OSError('a reason')\n"
    ran(site, name, script, status=1)
    assert site.cli("logs", name, "--level", "CRITICAL").stdout.count("OSError: a reason") == 1


@pytest.mark.parametrize(
    "hook, shown",
    [
        ("", True),
        ("sys.excepthook = lambda kind, error, at: print('It went wrong:', error, file=sys.stderr)", True),
        ("class Hook:\n  def __call__(self, *details): sys.stderr.write('It went wrong: a reason\\n')\n"
         "sys.excepthook = Hook()", True),
        ("sys.excepthook = lambda *details: None", False),
    ],
)  # fmt: skip
def test_whatever_shows_the_exception_that_ends_a_run_it_is_critical_and_what_exit_hooks_print_is_not(
    site: Site, hook: str, shown: bool
) -> None:
    site.forks = False  # as above
    name = unique("excepthook")
    script = (
        "import atexit\nrun.start_recording_logs(capture_console=True)\n"
        f"atexit.register(lambda: print('last words', file=sys.stderr))\n{hook}\n"
        "try: 1 / 0\nexcept ZeroDivisionError: print('caught', file=sys.stderr)\n"
        "raise OSError('a reason')\n"
    )
    done = ran(site, name, script, status=1)
    assert ("a reason" in done.stderr) == shown
    critical = site.cli("logs", name, "--level", "CRITICAL").stdout
    assert critical.count("a reason") == site.cli("logs", name).stdout.count("a reason") == 1
    assert "last words" not in critical and "caught" not in critical
    assert "last words" in site.cli("logs", name).stdout


def test_the_console_is_recorded_and_stays_what_it_was(site: Site) -> None:
    name = unique("console")
    done = ran(
        site,
        name,
        """
import contextlib, io
early = logging.StreamHandler()  # took sys.stderr before
plain = logging.getLogger("plain"); plain.addHandler(early)
out, writes = sys.stdout, sys.stdout.write
logger = run.start_recording_logs(capture_console=True)
run.start_recording_logs(capture_console=True)
assert sys.stdout is out and sys.stdout.fileno() > 2 and sys.stdout.encoding and not sys.stdout.isatty()
print("one", 1)
sys.stdout.writelines(["two\\n", "three\\n"])
print("half", end="", flush=True)
print(" done")
plain.warning("by a handler")
logger.info("logged")
with contextlib.redirect_stdout(io.StringIO()) as elsewhere:
    print("not on the console")
assert elsewhere.getvalue() == "not on the console\\n"
for i in range(3): print(f"\\r{i * 50}%", end="", file=sys.stderr)
print(file=sys.stderr)
sys.stdout.flush()  # or the child would print it, too
if not os.fork():
    print("a child", flush=True)
    os._exit(0)
os.wait()
print("held", end="")
run.stop_recording_logs()
print(" back")
assert sys.stdout.write == writes, sys.stdout.write
run.start_recording_logs(capture_console=True)
ours = sys.stdout.write
sys.stdout.write = lambda text: ours(text.upper())
run.stop_recording_logs()
print("theirs")
""",
    )
    want = "one 1\ntwo\nthree\nhalf done\na child\nheld back\nTHEIRS\n"
    assert done.stdout == want
    assert done.stderr == "by a handler\nlogged\n\n0%\n50%\n100%\n"  # text mode reads \\r as \\n
    recorded = ["one 1\n", "two\n", "three\n", "half", " done\n", "held", "a child\n"]
    assert sorted(texts(site, name, "--channel", "stdout")) == sorted(recorded)
    assert texts(site, name, "--channel", "default") == ["logged\n"]
    assert site.cli("logs", name, "--channel", "stderr").stdout == "by a handler\n100%\n"


@pytest.mark.parametrize("console", [True, "python"])
def test_bytes_written_below_the_text_are_recorded_once_and_in_order(site: Site, console: Any) -> None:
    name = unique("bytes")
    done = ran(
        site,
        name,
        f"""
before = sys.stdout.buffer.write, sys.stdout.buffer.raw.write, sys.stderr.buffer.flush
logger = run.start_recording_logs(capture_console={console!r})
run.start_recording_logs(capture_console={console!r})
out = sys.stdout.buffer
print("text")
out.write(b"bytes\\n")
print("more text")
out.writelines([b"lines\\n", bytearray(b"of bytes\\n")])
out.write("é".encode()[:1]); out.write("é".encode()[1:] + b"\\n")
sys.stdout.flush()
out.raw.write(b"raw\\n")
print("x" * 20_000, flush=True)
out.write(b"y" * 20_000 + b"\\n")
out.flush()
sys.stderr.buffer.write(memoryview(b"to stderr\\n"))
sys.stderr.buffer.flush()
logger.info("logged")
out.write(b"half")
run.stop_recording_logs()
out.write(b" of it\\n")
assert before == (out.write, out.raw.write, sys.stderr.buffer.flush)
""",
    )
    texts_there = texts(site, name)
    lines = ["text", "bytes", "more text", "lines", "of bytes", "é", "raw", "x" * 20_000, "y" * 20_000]
    assert "".join(texts_there) == "\n".join([*lines, "to stderr", "logged", "half"])
    assert sorted(done.stdout.split("\n")) == sorted([*lines, "half of it", ""])


def test_a_notebook_records_what_its_cells_print_and_shows_it_as_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("notebook")
    for variable, value in site.env.items():
        monkeypatch.setenv(variable, value)
    cell = f"""
import sys
from pyhectiqlab import Run
run = Run({name!r})
logger = run.start_recording_logs(capture_console=True)
print("printed")
print("to stderr", file=sys.stderr)
logger.info("logged")
assert run.flush(30)
"""
    cells = [cell, cell, "run.stop_recording_logs(); print('over')"]
    shown = [{o["name"]: o["text"] for o in outputs} for outputs in run_notebook(new_notebook(*cells))]
    assert shown[:2] == [{"stdout": "printed\n", "stderr": "to stderr\nlogged\n"}] * 2
    assert texts(site, name) == ["printed\n", "to stderr\n", "logged\n"] * 2


def test_what_a_cell_raises_is_recorded_with_the_console_of_a_notebook(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("raising")
    for variable, value in site.env.items():
        monkeypatch.setenv(variable, value)
    begin = f"from pyhectiqlab import Run\nrun = Run({name!r})\nrun.start_recording_logs(capture_console=True)"
    cells = [begin + "\nprint('before')\n1 / 0", "run.stop_recording_logs(); run.flush(30); 1 / 0"]
    run_notebook(new_notebook(*cells), allow_errors=True)
    before, raised = texts(site, name)
    assert before == "before\n"
    assert raised.startswith("Traceback") and raised.endswith("ZeroDivisionError: division by zero\n")
    assert "IPython/core" not in raised, "only frames of the cell"
