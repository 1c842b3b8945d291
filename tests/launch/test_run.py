"""`hectiqlab run`: any program becomes a run, and notices nothing of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..commands import command
from ..process.conftest import eventually
from .conftest import Site


def config_of(site: Site, name: str) -> dict[str, Any]:
    with site.client() as client:
        return client.config(site.find(name)["id"])


def printed(site: Site, name: str, channel: str = "stdout") -> str:
    with site.client() as client:
        rows = client.get(f"/runs/{site.find(name)['id']}/logs", {"limit": 1000})["items"]
    return "".join(row["text"] for row in rows if row["channel"] == channel)


def test_a_program_that_is_not_python_is_a_run_with_its_console_its_config_and_its_end(site: Site) -> None:
    script = "echo out; echo err >&2; exit 3"
    done = site.cli("run", "--name", "shell", "-p", "launched", "--tag", "a", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    run = site.ended("shell")
    assert (run["state"], run["project"]["name"], [t["name"] for t in run["tags"]]) == ("failed", "launched", ["a"])
    assert "exit status 3" in run["state_why"]
    assert (printed(site, "shell"), printed(site, "shell", "stderr")) == ("out\n", "err\n")


def test_arguments_are_the_config_and_secrets_are_hidden(site: Site) -> None:
    arguments = ["--lr", "0.1", "--model=x", "optimizer.beta=0.9", "--api-key", "hush", "--fast"]
    done = site.cli("run", "--name", "arguments", "--", "echo", *arguments)
    assert done.returncode == 0, done.stderr
    assert config_of(site, "arguments") == {
        "lr": 0.1,
        "model": "x",
        "optimizer": {"beta": 0.9},
        "api_key": "***",
        "fast": True,
    }
    assert "hush" not in str(site.find("arguments")["meta"])
    site.cli("run", "--name", "without", "--no-config-from-args", "--", "echo", *arguments)
    assert config_of(site, "without") == {}


TWO_RANKS = """
import os, sys
from pyhectiqlab import Run
run = Run()
run.add_metrics("rank", float(os.environ.get("RANK", 0)), step=1)
print(run.name, flush=True)
"""


def test_python_processes_below_it_join_the_run_as_ranks(site: Site, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TWO_RANKS)
    shell = f"for r in 0 1; do RANK=$r WORLD_SIZE=2 {sys.executable} {script} & done; wait"
    done = site.cli("run", "--name", "joined", "--", "sh", "-c", shell)
    assert (done.returncode, done.stdout) == (0, "joined\njoined\n"), done.stderr
    run = site.ended("joined")
    assert (run["state"], run["attempt"]) == ("completed", 1)
    assert sorted(site.points("joined", "rank")) == [(1, 0.0, 0), (1, 1.0, 1)]


SEVERAL = """
import os, sys
from pyhectiqlab import Run
with Run() as run:
    run.add_metrics(sys.argv[1], float(os.environ.get("RANK", 0)), step=1)
sys.exit(int(sys.argv[2]))
"""


def programs(script: Path, *codes: int) -> str:
    """Start two ranks of a program, and when they have ended two of the next one."""
    script.write_text(SEVERAL)
    one = "for r in 0 1; do RANK=$r WORLD_SIZE=2 {python} {script} {key} {code} & done; wait; "
    text = [one.format(python=sys.executable, script=script, key=f"k{n}", code=c) for n, c in enumerate(codes)]
    return "".join(text)


def test_programs_after_each_other_are_one_attempt_on_every_rank(site: Site, tmp_path: Path) -> None:
    text = programs(tmp_path / "train.py", 0, 0)
    done = site.cli("run", "--name", "after-each-other", "--", "sh", "-c", text)
    assert done.returncode == 0, done.stderr
    run = site.ended("after-each-other")
    assert (run["state"], run["attempt"]) == ("completed", 1)
    for key in ("k0", "k1"):
        assert sorted(site.points("after-each-other", key)) == [(1, 0.0, 0), (1, 1.0, 1)]


AWAY = {"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "x"}


@pytest.mark.parametrize(
    ("mode", "first", "env"), [("offline", "command", {"HECTIQLAB_MODE": "offline"}), ("kept", "programs", AWAY)]
)
def test_without_the_lab_command_and_programs_are_one_run_and_attempt_after_a_sync(
    site: Site, tmp_path: Path, mode: str, first: str, env: dict[str, str]
) -> None:
    name = f"{mode}-{first}"
    text = programs(tmp_path / "train.py", 0, 3)
    script = text + f"{sys.executable} {tmp_path / 'train.py'} last 1"
    done = site.cli("run", "--name", name, "-p", f"new-{name}", "--", "sh", "-c", script, **env)
    assert done.returncode == 1, done.stderr
    sessions = sorted(site.sessions(), key=lambda s: (s / "session.json").stat().st_mtime_ns)
    assert len(sessions) == 6
    wanted = [s.name for s in (sessions if first == "command" else sessions[::-1])]
    where = ["--to", site.lab.url] if mode == "kept" else []
    done = site.cli("sync", *where) if first == "command" else site.cli("sync", *wanted, "--create-project", *where)
    assert done.returncode == 0, done.stdout + done.stderr
    run = site.ended(name)
    assert (run["attempt"], run["state"], run["state_why"]) == (1, "failed", "exit status 1")
    assert {s["attempt"] for s in run["sessions"]} == {1} and len(run["sessions"]) == 6
    assert [s["sets_state"] for s in run["sessions"] if s["rank"] == 0].count(True) == 1
    assert [sorted(site.points(name, key)) for key in ("k0", "k1", "last")] == [
        [(1, 0.0, 0), (1, 1.0, 1)],
        [(1, 0.0, 0), (1, 1.0, 1)],
        [(1, 0.0, 0)],
    ]


def test_python_packages_and_git_are_those_of_the_program(site: Site, tmp_path: Path) -> None:
    script = tmp_path / "repo" / "train.py"
    script.parent.mkdir()
    script.write_text("print('hello')")
    git = ["git", "-C", str(script.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    env = {"OMP_NUM_THREADS": "2", "HF_TOKEN": "hush"}
    assert site.cli("run", "--name", "around", "--", sys.executable, str(script), **env).returncode == 0
    packages = site.find("around")["capture"]["packages"]
    assert packages["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "msgpack" in packages["packages"]
    assert packages["variables"]["OMP_NUM_THREADS"] == "2" and "hush" not in packages["variables"].values()
    assert packages["git"]["dirty"] is False and len(packages["git"]["hash"]) == 40


@pytest.mark.parametrize(("number", "state"), [(signal.SIGKILL, "killed"), (signal.SIGTERM, "stopped")])
def test_a_signal_that_ended_the_program_is_the_cause(site: Site, number: int, state: str) -> None:
    name = f"signal-{number}"
    done = site.cli("run", "--name", name, "--", "sh", "-c", f"kill -{number} $$")
    assert done.returncode == 128 + number
    run = site.ended(name)
    assert run["state"] == state and signal.Signals(number).name in run["state_why"]


def test_signals_are_passed_on(site: Site) -> None:
    script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    words = command("run", "--name", "trapped", "--", "sh", "-c", script)
    with subprocess.Popen(words, env=site.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert (process.stdout.read(), process.wait(30)) == ("got\n", 5)


COUNTING = """
import os, signal, time
counts = {}
def came(number, frame):
    counts[number] = counts.get(number, 0) + 1
    os.write(1, b"%d\\n" % number)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, came)
print("ready", flush=True)
while signal.SIGUSR1 not in counts:
    time.sleep(0.02)
print(counts, flush=True)
"""


@pytest.mark.parametrize("to_group", [True, False])
def test_a_program_gets_a_signal_once_also_where_it_is_sent_to_the_whole_group(site: Site, to_group: bool) -> None:
    words = command("run", "--name", f"counting-{to_group}", "--", sys.executable, "-c", COUNTING)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=site.env, stdout=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for number in (signal.SIGTERM, signal.SIGUSR1):
            (os.killpg if to_group else os.kill)(process.pid, number)
            assert process.stdout.readline() == f"{int(number)}\n"
        assert (process.stdout.read(), process.wait(30)) == (f"{{{15}: 1, {int(signal.SIGUSR1)}: 1}}\n", 0)


def test_without_a_lab_the_program_runs_all_the_same_and_is_kept(site: Site) -> None:
    away = {"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "x"}
    done = site.cli("run", "--name", "kept", "--", "sh", "-c", "echo $HECTIQLAB_RUN $HECTIQLAB_MODE; exit 4", **away)
    assert (done.returncode, done.stdout) == (4, "kept offline\n")
    assert "Dry mode, kept" in done.stderr


def test_a_script_of_wandb_below_it_joins_the_run(site: Site) -> None:
    script = "import wandb; r = wandb.init(project='x', name='y', config={'lr': 1}); r.log({'loss': 0.5}); r.finish()"
    done = site.cli("run", "--name", "tracked", "--instead-of", "wandb", "--", sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    run = site.ended("tracked")
    assert (run["state"], run["meta"]["wandb"], run["attempt"]) == ("completed", {"name": "y", "project": "x"}, 1)
    assert (site.points("tracked", "loss"), config_of(site, "tracked")) == ([(0, 0.5, 0)], {"lr": 1})


def test_a_run_without_a_name_takes_the_one_of_the_script_and_its_project_is_said(site: Site) -> None:
    script = "import wandb; wandb.init(project='elsewhere', name='of the script').log({'loss': 0.5})"
    words = ("run", "--instead-of", "wandb", "--", sys.executable, "-c", script)
    for _ in range(2):  # the second time, another run has the name
        done = site.cli(*words, HECTIQLAB_QUIET="0")
        assert done.returncode == 0 and "hectiqlab run --project elsewhere" in done.stderr, done.stderr
        assert "joins" not in done.stderr
    with site.client() as client:
        runs = [run for run in client.pages("/runs", {}) if run["name"].startswith("of the script")]
    names = sorted(run["name"] for run in runs)
    assert names[0] == "of the script" and re.fullmatch(r"of the script-\d{5}", names[1])
    assert site.ended("of the script")["state"] == "completed"
    assert site.points("of the script", "loss") == [(0, 0.5, 0)]


def test_what_cannot_be_started_is_said_and_makes_no_run(site: Site, tmp_path: Path) -> None:
    done = site.cli("run", "--name", "nothing", "--", "no-such-program")
    assert done.returncode == 127 and "is not a program that can be found" in done.stderr
    plain = tmp_path / "plain"
    plain.write_text("")
    assert site.cli("run", "--", str(plain)).returncode == 126
    done = site.cli("run", "--instead-of", "wandb,comet", "--", "true")
    assert done.returncode == 2 and "comet" in done.stderr


ON_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""


def test_a_terminal_stays_a_terminal_and_ctrl_c_reaches_the_program(site: Site) -> None:
    script = (
        "test -t 0 && test -t 1 && echo terminal; trap 'echo stopped; exit 6' INT; read line; echo got $line; read x"
    )
    words = command("run", "--name", "terminal", "--", "sh", "-c", script)
    script_words = [sys.executable, "-c", ON_A_TERMINAL, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(script_words, env=site.env, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None and process.stdout is not None
        out = b""
        for wanted, keys in ((b"terminal", b"hello\n"), (b"got hello", b"\x03"), (b"stopped", b"")):
            while wanted not in out:
                more = os.read(process.stdout.fileno(), 1024)
                assert more, out
                out += more
            process.stdin.write(keys)
            process.stdin.flush()
        process.stdin.close()
        assert process.wait(30) == 6
    eventually(lambda: "stopped\n" in printed(site, "terminal"))
    assert "\r" not in printed(site, "terminal")
