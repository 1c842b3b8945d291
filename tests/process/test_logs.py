"""Logs: what goes through loggers or is printed reaches the lab, and is shown as a terminal would have."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import Site, eventually
from .recording import BEGIN, logs, ran, texts
from .test_ends import unique


def test_the_tutorial_as_it_is_written(site: Site) -> None:
    name = unique("tutorial")
    done = ran(
        site,
        name,
        """
logger = run.start_recording_logs()
logger.info('test')
logger.stop_recording_logs()
logger.critical('This will not be logged.')
run.start_recording_logs()
logger.info('This will be logged.')

# Check a specify channel. It will log everything that goes through torch.
logger = run.start_recording_logs('torch')

# To log: "Progress ----------"
logger.info("Progress \\r")
for i in range(10):
    logger.info("-\\r")
""",
    )
    shown = site.cli("logs", name)
    assert shown.stdout == "test\nThis will be logged.\nProgress ----------\n", shown.stderr
    assert done.stderr == "test\nThis will not be logged.\nThis will be logged.\nProgress ----------"
    assert site.cli("logs", name, "--channel", "torch").stdout == "Progress ----------\n"


def test_channels_levels_and_times_are_kept_and_children_belong_to_their_parents(site: Site) -> None:
    name = unique("channels")
    ran(
        site,
        name,
        """
quiet = logging.getLogger("lib")
before = quiet.level, list(quiet.handlers), list(logging.getLogger().handlers), logging.getLogger().level
lib = run.start_recording_logs("lib")
assert lib is quiet and run.start_recording_logs(logger_name="lib") is lib
try:
    run.start_recording_logs("lib", logger_name="lib")
except TypeError as e:
    assert "not both" in str(e)
else:
    raise AssertionError
again = run.start_recording_logs("lib")
part = run.start_recording_logs("lib.part")
own = run.start_recording_logs()
assert own is run.start_recording_logs() and own is not lib and own.propagate is False
record = logging.LogRecord("lib.part.deep", logging.WARNING, "f", 1, "deep %s", ("one",), None)
record.created = 1_600_000_000.25
logging.getLogger("lib.part.deep").handle(record)
logging.getLogger("lib.other").info("other")
logging.getLogger("else").error("not asked for")
logging.addLevelName(35, "NOTICE")
lib.log(35, "noticed")
own.debug("debug")
lib.stop_recording_logs()
lib.error("after the stop")
part.error("part goes on")
run.stop_recording_logs("lib.part")
part.error("part is over")
own.info("own goes on")
run.stop_recording_logs()
own.info("all over")
after = quiet.level, list(quiet.handlers), list(logging.getLogger().handlers), logging.getLogger().level
assert after == before, (before, after)
run.stop_recording_logs()
""",
    )
    lines = logs(site, name)
    assert [(log["text"], log["level"], log["channel"]) for log in lines] == [
        ("deep one\n", "WARNING", "lib.part"),
        ("other\n", "INFO", "lib"),
        ("noticed\n", "NOTICE", "lib"),
        ("debug\n", "DEBUG", "default"),
        ("part goes on\n", "ERROR", "lib.part"),
        ("own goes on\n", "INFO", "default"),
    ]
    assert lines[0]["time"] == 1_600_000_000.25
    assert texts(site, name, "--level", "WARNING") == ["deep one\n", "noticed\n", "part goes on\n"]
    stamped = site.cli("logs", name, "--timestamps", "--channel", "lib.part", TZ="UTC").stdout.splitlines()
    assert stamped[0] == "2020-09-13 12:26:40.250  deep one"


def test_nothing_is_recorded_or_shown_twice(site: Site) -> None:
    name = unique("twice")
    done = ran(
        site,
        name,
        """
logging.basicConfig(format="root: %(message)s")
other = Run(sys.argv[1])
for _ in range(2):
    logger = run.start_recording_logs()
    assert other.start_recording_logs() is logger
    lib = run.start_recording_logs("lib")
    other.start_recording_logs("lib")
logger.info("own")
lib.info("of a library")
""",
    )
    assert texts(site, name) == ["own\n", "of a library\n"]
    assert done.stderr == "own\nroot: of a library\n"


def test_tracebacks_long_lines_any_character_and_wrong_arguments_are_kept(site: Site) -> None:
    name = unique("texts")
    done = ran(
        site,
        name,
        """
logger = run.start_recording_logs()
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("it failed")
logger.info("x" * 3_000_000 + "END")
logger.info("Ω \\ud800 \\x00 \\U0001f600")
logger.info("two\\nlines")
logger.info("%d", "no number")
logger.warning({"not": "text"})
""",
    )
    texts_there = texts(site, name)
    assert texts_there[0].startswith("it failed\nTraceback") and texts_there[0].endswith(
        "ZeroDivisionError: division by zero\n"
    )
    lines = "".join(texts_there).split("\n")
    assert "x" * 3_000_000 + "END" in lines
    assert "Ω \\ud800 \x00 \U0001f600" in lines and "'%d' ('no number',)" in lines and "{'not': 'text'}" in lines
    assert "Ω \\ud800  \U0001f600\n" in site.cli("logs", name).stdout
    assert "--- Logging error ---" not in done.stderr


def test_a_record_with_anything_in_it_is_kept_and_holds_up_nothing(site: Site) -> None:
    """Relays of other processes' logs make records of what came over a wire."""
    name = unique("odd")
    done = ran(
        site,
        name,
        """
class Odd:
    def __repr__(self):
        raise RuntimeError("no text")
    __str__ = __repr__
logger = run.start_recording_logs("relay")
run.add_metrics("before", 1.0, 0)
odd = {
    "created": ["2026-11-29T10:00:00", 1796000000000000000, float("nan"), float("inf"), None, [], 10**400],
    "levelno": [float("inf"), 10**30, 20.5],
    "levelname": [None, 7, "L" * 1000, "\\ud800"],
    "name": [None, [], 5, "\\udcff", "n" * 100_000],
    "exc_text": [5, "\\ud800"],
    "msg": [None, Odd(), b"bytes", {"a": 1}],
    "args": [("too", "many"), Odd()],
}
n = 0
for field, values in odd.items():
    for value in values:
        made = {"name": "relay", "msg": f"{field} {n}", "levelno": 20, "levelname": "INFO", field: value}
        logger.handle(logging.makeLogRecord(made))
        n += 1
run.add_metrics("after", 1.0, 0)
assert run.close(20), run.status()
print(n)
""",
    )
    lines = logs(site, name)
    assert len([log for log in lines if log["text"].endswith("\n")]) == int(done.stdout)
    assert len(site.points(name, "before")) == len(site.points(name, "after")) == 1
    assert {"created 0\n", "levelno 8\n", "levelname 10\n", "name 14\n"} <= {log["text"] for log in lines}
    assert [log["level"] for log in lines if log["text"] == "levelno 8\n"] == ["INFO"]
    with site.client() as client:
        assert client.get(f"/runs/{site.find(name)['id']}")["losses"] == {}


def test_every_message_of_threads_signal_handlers_finalizers_and_forked_children_arrives(site: Site) -> None:
    name = unique("anywhere")
    done = ran(
        site,
        name,
        """
import signal, threading, gc
logger = run.start_recording_logs()
handled = 0
def handler(*_):
    global handled
    handled += 1
    logger.info("signal %d", handled)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
class Odd:
    def __del__(self):
        logger.info("finalizer")
def work(k):
    for i in range(200):
        logger.info("thread %d %d", k, i)
threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
for t in threads: t.start()
for i in range(50): Odd()
for t in threads: t.join()
signal.setitimer(signal.ITIMER_REAL, 0)
children = []
for k in range(3):
    pid = os.fork()
    if not pid:
        for i in range(20): logger.info("child %d %d", k, i)
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
class Talkative:
    def __str__(self):
        logger.info("inside")
        return "outside"
logger.info(Talkative())
print(handled)
""",
    )
    texts_there = texts(site, name)
    for k in range(4):
        mine = [t for t in texts_there if t.startswith(f"thread {k} ")]
        assert mine == [f"thread {k} {i}\n" for i in range(200)]
    for k in range(3):
        assert [t for t in texts_there if t.startswith(f"child {k} ")] == [f"child {k} {i}\n" for i in range(20)]
    assert texts_there.count("finalizer\n") == 50
    assert texts_there.index("inside\n") < texts_there.index("outside\n")
    signals = [t for t in texts_there if t.startswith("signal ")]
    # A handler may interrupt a handler: each message comes once, in no certain order.
    assert sorted(signals) == sorted(f"signal {i + 1}\n" for i in range(int(done.stdout)))


def test_what_was_logged_outlives_a_kill(site: Site) -> None:
    name = unique("killed")
    ran(
        site,
        name,
        """
logger = run.start_recording_logs(capture_console=True)
logger.info("logged")
print("printed")
os.kill(os.getpid(), 9)
""",
        status=-signal.SIGKILL,
    )
    site.ended(name)
    assert texts(site, name) == ["logged\n", "printed\n"]


@pytest.mark.parametrize("mode", ["dry", "offline"])
def test_without_a_lab_the_logger_works_and_offline_logs_are_synced(site: Site, mode: str) -> None:
    name = unique(mode)
    script = """
logger = run.start_recording_logs(capture_console=True)
logger.info("logged")
print("printed")
logger.stop_recording_logs()
run.start_recording_logs("torch").info("torch")
run.stop_recording_logs()
"""
    done = ran(site, name, script, HECTIQLAB_MODE=mode)
    assert (done.stdout, done.stderr) == ("printed\n", "logged\ntorch\n")
    if mode == "offline":
        assert site.cli("sync").returncode == 0
        assert texts(site, name) == ["logged\n", "printed\n", "torch\n"]


def test_a_closed_run_records_no_more_and_breaks_nothing(site: Site) -> None:
    name = unique("closed")
    done = ran(
        site,
        name,
        """
logger = run.start_recording_logs(capture_console=True)
lib = run.start_recording_logs("lib")
lib.info("before")
run.close()
lib.info("after")
logger.warning("after")
print("after")
assert not lib.handlers and not logger.handlers
try:
    run.start_recording_logs()
except ValueError as e:
    print("refused:", e)
try:
    Run("other", dry=True).start_recording_logs(5)
except TypeError as e:
    print("refused:", e)
""",
    )
    assert done.stdout.splitlines()[1:] == [
        "refused: this run is closed: create a new Run to log more",
        "refused: a channel is the name of a logger, not int",
    ]
    assert texts(site, name) == ["before\n"]


def test_a_logging_configuration_made_later_does_not_keep_the_logger_silent(site: Site) -> None:
    name = unique("configured")
    ran(
        site,
        name,
        """
import logging.config, logging.handlers, multiprocessing, pickle
logger = run.start_recording_logs()
lib = run.start_recording_logs("lib")
logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}})
assert logger.disabled
run.start_recording_logs().info("on again")
run.start_recording_logs("lib").info("too")
queue = multiprocessing.Queue()
lib.addHandler(logging.handlers.QueueHandler(queue))
lib.info("also into a queue")
record = queue.get(timeout=10)
pickle.dumps(record)
logging.getLogger("elsewhere").handle(record)
lib.parent = logging.getLogger("recorded"); run.start_recording_logs("recorded")
lib.info("once")
""",
    )
    assert texts(site, name) == ["on again\n", "too\n", "also into a queue\n", "once\n"]


def test_following_shows_lines_as_they_come_and_ends_with_the_run(site: Site) -> None:
    name = unique("followed")
    script = """
logger = run.start_recording_logs()
logger.info("first")
run.flush()
print("ready", flush=True)
sys.stdin.readline()
logger.info("last \\r")
logger.info("words\\r")
"""
    process = site.start(BEGIN + script, name)
    assert process.stdin and process.stdout
    assert process.stdout.readline() == "ready\n"
    follower = site.start("import sys; from pyhectiqlab.cli import main; main(['logs', '-f', sys.argv[1]])", name)
    assert follower.stdout
    assert follower.stdout.readline() == "first\n"
    process.communicate("go\n", timeout=30)
    out, err = follower.communicate(timeout=30)
    assert (out, err, follower.returncode) == ("last words\n", "", 0)


def test_ranks_are_told_apart(site: Site) -> None:
    name = unique("ranks")
    script = """
logger = run.start_recording_logs()
logger.info("I am %d \\r", run.rank)
logger.info("of 2")
"""
    first = site.start(
        BEGIN + script + "run.flush(); print(flush=True); sys.stdin.read()", name, RANK="0", WORLD_SIZE="2"
    )
    assert first.stdout and first.stdout.readline()
    ran(site, name, script, RANK="1", WORLD_SIZE="2")
    first.communicate(timeout=30)
    assert sorted(site.cli("logs", name).stdout.splitlines()) == ["[0] I am 0 of 2", "[1] I am 1 of 2"]
    assert site.cli("logs", name, "--rank", "1").stdout == "I am 1 of 2\n"


def test_reading_from_python(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyhectiqlab import read

    name = unique("read")
    ran(site, name, "run.start_recording_logs().warning('careful')\n")
    monkeypatch.setattr(os, "environ", {**os.environ, **site.env})
    (log,) = read.run(name).logs(level="INFO")
    assert (log.text, log.level, log.channel, log.rank, log.attempt) == ("careful\n", "WARNING", "default", 0, 1)
    assert read.run(name).logs(channel="torch") == []
    assert eventually(lambda: read.run(name).state == "completed")
