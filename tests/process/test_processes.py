"""Any process may log: children forked and spawned, pools, threads, signal handlers, notebooks, ranks.

All arrives, and the parent's run stays its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import Site, eventually
from .test_ends import unique

HEAD = """
import multiprocessing, os, sys, threading, time
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("parent", 0.0, 0)
"""


def steps(site: Site, name: str, key: str) -> list[int]:
    return [step for step, _, _ in site.points(name, key)]


def test_a_forked_child_logs_to_the_same_run_and_its_end_does_not_end_it(site: Site) -> None:
    name = unique("fork")
    script = (
        HEAD
        + """
child = os.fork()
if not child:
    for step in range(1000):
        run.add_metrics("child", step, step)
    sys.exit(3)
os.waitpid(child, 0)
run.training()
print(run.flush(20), flush=True)
sys.stdin.read()
"""
    )
    process = site.start(script, name)
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "True\n"
    eventually(lambda: len(steps(site, name, "child")) == 1000)
    assert steps(site, name, "child") == list(range(1000))
    assert site.state(name) == "training"
    process.communicate(timeout=20)
    assert site.ended(name)["state"] == "completed"


def test_a_child_that_cannot_write_to_the_spool_when_it_first_logs_loses_nothing(site: Site) -> None:
    """A disk that is read-only at that moment. Its queue is in memory, and it announces itself there."""
    name = unique("read_only_fork")
    script = (
        """
import errno
import os
import sys
from pathlib import Path

read_only, open_, replace, placed = [], os.open, os.replace, []

def hostile(path, flags, *more, **named):
    if read_only and flags & os.O_CREAT and os.fspath(path).startswith(os.environ["HECTIQLAB_HOME"]):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))
    return open_(path, flags, *more, **named)

def noted(source, target):  # the uploader takes an announcement away as soon as it sees it
    placed.append(os.fspath(target))
    replace(source, target)

os.open, os.replace = hostile, noted
"""
        + HEAD
        + """
child = os.fork()
if not child:
    read_only.append(True)
    for step in range(1000):
        run.add_metrics("child", step, step)
    queue = Path(next(iter(run._outbox.session.outboxes))._mapping.path)
    beside = [path for path in placed if path.startswith(f"{queue.parent}/") and path.endswith(f"-{queue.stem}.json")]
    print(len(beside), queue.parent, flush=True)
    sys.exit(0)
os.waitpid(child, 0)
print(run.flush(20), flush=True)
sys.stdin.read()
"""
    )
    process = site.start(script, name)
    assert process.stdout is not None
    beside, folder = process.stdout.readline().split()
    assert beside == "1" and process.stdout.readline() == "True\n"
    eventually(lambda: len(steps(site, name, "child")) == 1000)
    assert steps(site, name, "child") == list(range(1000))
    (session,) = site.sessions()
    eventually(lambda: not list(Path(folder).glob(f"{session.name}-*")))
    assert process.communicate(timeout=20)[1] == ""
    assert site.ended(name)["state"] == "completed"


def test_forks_of_forks_and_sixteen_children_that_log_at_once_all_arrive(site: Site) -> None:
    name = unique("many")
    script = (
        HEAD
        + """
children = []
for i in range(8):
    child = os.fork()
    if not child:
        grandchild = os.fork()
        for step in range(200):
            run.add_metrics(f"c{i}{'g' if not grandchild else ''}", step, step)
        if grandchild:
            os.waitpid(grandchild, 0)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
run.add_metrics("parent", 1.0, 1)
"""
    )
    assert site.run(script, name).returncode == 0
    run = site.ended(name)
    assert run["state"] == "completed"
    assert run["points"] == 16 * 200 + 2
    for i in range(8):
        assert steps(site, name, f"c{i}") == steps(site, name, f"c{i}g") == list(range(200))


def test_a_spawned_worker_gets_the_run_by_pickle_and_logs_to_it(site: Site, tmp_path: Path) -> None:
    name = unique("spawn")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, sys
        from pyhectiqlab import Run

        def work(run, key):
            for step in range(100):
                run.add_metrics(key, step, step)
            return run.rank, run.id

        if __name__ == "__main__":
            run = Run(sys.argv[1])
            context = multiprocessing.get_context(sys.argv[2])
            with context.Pool(2) as pool:
                answers = pool.starmap(work, [(run, "w0"), (run, "w1"), (run, "w2")])
            assert answers == [(0, run.id)] * 3, answers
            worker = context.Process(target=work, args=(run, "w3"))
            worker.start()
            worker.join()
            run.training()
            print(run.flush(20), flush=True)
            sys.stdin.read()
        """)
    )
    for method in ("spawn", "forkserver", "fork"):
        run_name = f"{name}-{method}"
        process = subprocess.Popen(
            [sys.executable, str(script), run_name, method],
            env=site.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        site.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        for key in ("w0", "w1", "w2", "w3"):
            eventually(
                lambda key=key, run_name=run_name: steps(site, run_name, key) == list(range(100)), what=site.logs()
            )
        # Pools that were terminated and workers that ended have not ended the run.
        assert site.state(run_name) == "training"
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert site.ended(run_name)["state"] == "completed"


def test_a_daemonic_pool_worker_may_create_a_run_of_its_own(site: Site) -> None:
    name = unique("daemonic")
    script = """
import multiprocessing, sys
from pyhectiqlab import Run
def work(i):
    run = Run(f"{sys.argv[1]}-{i}")
    for step in range(100):
        run.add_metrics("loss", step, step)
    return run.close()
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, range(3)) == [True] * 3
"""
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    for i in range(3):
        assert steps(site, f"{name}-{i}", "loss") == list(range(100))
        assert site.ended(f"{name}-{i}")["state"] == "completed"


def test_threads_signal_handlers_and_finalizers_may_log(site: Site) -> None:
    name = unique("threads")
    script = (
        HEAD
        + """
import signal
import itertools
counter = itertools.count()
def handler(number, frame):
    n = next(counter)  # another signal may interrupt this handler: it has the next number
    run.add_metrics("handler", n, n)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
class Finalized:
    def __init__(self, i):
        self.i = i
    def __del__(self):
        run.add_metrics("finalized", self.i, self.i)
def work(key):
    for step in range(5000):
        run.add_metrics(key, step, step)
        if step % 50 == 0:
            Finalized(step)
threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
for t in threads: t.start()
work("main")
for t in threads: t.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(next(counter))
"""
    )
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    assert site.ended(name)["state"] == "completed"
    for key in ("main", "t0", "t1", "t2", "t3"):
        assert steps(site, name, key) == list(range(5000))
    assert sorted(steps(site, name, "handler")) == list(range(int(done.stdout)))
    assert len(steps(site, name, "finalized")) == 500


def test_a_destructor_may_close_its_run_while_python_is_being_taken_down(site: Site) -> None:
    name = unique("destroyed")
    script = (
        HEAD
        + """
class Trainer:
    def __del__(self):
        run.add_metrics("last", 1.0, 2)
        run.flush()
        run.close()
        print("closed")
trainer = Trainer()
run.add_metrics("loss", 0.5, 1)
"""
    )
    done = site.run(script, name)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "closed", "")
    assert site.ended(name)["state"] == "completed"
    assert (steps(site, name, "loss"), steps(site, name, "last")) == ([1], [2])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_both_start_methods_work_and_leave_no_child_to_wait_for(site: Site, method: str) -> None:
    name = unique(method)
    script = (
        HEAD
        + """
assert run.flush(20)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""
    )
    done = site.run(script, name, HECTIQLAB_START_METHOD=method)
    assert done.stdout == "no child\n", done.stderr
    assert site.ended(name)["state"] == "completed"


def test_a_script_from_standard_input_without_main_guard_whose_folder_has_a_token_py(
    site: Site, tmp_path: Path
) -> None:
    name = unique("stdin")
    (tmp_path / "token.py").write_text("raise SystemExit('the wrong token')")
    (tmp_path / "msgpack.py").write_text("raise SystemExit('the wrong msgpack')")
    script = f"import sys; sys.path.remove('')\nfrom pyhectiqlab import Run\nrun = Run('{name}')\n"
    script += "run.add_metrics('a', 1, 1)\nassert run.flush(20)\n"
    env = {**site.env, "HECTIQLAB_START_METHOD": "spawn"}
    done = subprocess.run(
        [sys.executable, "-"], input=script, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert site.ended(name)["state"] == "completed"


def test_ranks_share_one_run_and_only_the_first_to_create_it_ends_it(site: Site) -> None:
    name = unique("ranks")
    script = (
        HEAD
        + """
for step in range(100):
    run.add_metrics("loss", run.rank, step)
assert run.flush(20)
print(run.id, run.attempt, flush=True)
sys.stdin.read()
"""
    )
    processes = [site.start(script, name, RANK=str(r), WORLD_SIZE="4") for r in range(4)]
    said = {p.stdout.readline() for p in processes if p.stdout}
    assert len(said) == 1 and said.pop().endswith(" 1\n")
    points = site.points(name, "loss")
    assert sorted({rank for _, _, rank in points}) == [0, 1, 2, 3]
    for rank in range(4):
        assert [step for step, _, r in points if r == rank] == list(range(100))
    assert site.find(name)["ranks"] == 4
    for process in processes:
        process.communicate(timeout=20)
    assert site.ended(name)["state"] == "completed"


def test_a_second_life_of_a_run_is_a_new_attempt(site: Site) -> None:
    name = unique("attempts")
    script = HEAD + "print(run.attempt)"
    assert site.run(script, name).stdout == "1\n"
    site.ended(name)
    assert site.run(script, name).stdout == "2\n"
    assert site.ended(name)["attempt"] == 2


def test_opening_a_run_that_is_open_adds_no_process_and_no_queue(site: Site) -> None:
    name = unique("cell")
    script = (
        HEAD
        + """
before = run.status().uploader_pid if run.flush(20) else None
for _ in range(5):
    run = Run(sys.argv[1])
    run.add_metrics("parent", 1.0, 1)
assert run.flush(20)
assert run.status().uploader_pid == before, (run.status(), before)
print(len(os.listdir(os.path.join(os.environ["HECTIQLAB_HOME"], "spool"))))
"""
    )
    done = site.run(script, name)
    assert done.stdout == "1\n", done.stderr
    run = site.ended(name)
    assert (run["writers"], run["points"], run["attempt"]) == (1, 6, 1)


def test_a_killed_child_of_the_trainer_loses_nothing_and_does_not_end_the_run(site: Site) -> None:
    name = unique("killedchild")
    script = (
        HEAD
        + """
r, w = os.pipe()
child = os.fork()
if not child:
    for step in range(1000):
        run.add_metrics("child", step, step)
    os.write(w, b"x")
    time.sleep(60)
os.read(r, 1)
os.kill(child, 9)
os.waitpid(child, 0)
assert run.flush(20)
print("ok", flush=True)
sys.stdin.read()
"""
    )
    process = site.start(script, name)
    assert process.stdout is not None
    assert process.stdout.readline() == "ok\n"
    eventually(lambda: steps(site, name, "child") == list(range(1000)))
    assert site.state(name) == "running"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert site.ended(name)["state"] == "stopped"


def test_the_uploader_holds_none_of_the_trainers_files(site: Site, tmp_path: Path) -> None:
    name = unique("files")
    held = tmp_path / "held"
    script = (
        HEAD
        + f"""
f = open({str(held)!r}, "w")
os.set_inheritable(f.fileno(), True)
run2 = Run(sys.argv[1] + "-2")
assert run2.flush(20) and run.flush(20)
print(run.status().uploader_pid, flush=True)
sys.stdin.read()
"""
    )
    process = site.start(script, name, HECTIQLAB_START_METHOD="fork")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    names = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert str(held) not in names
    process.communicate()
