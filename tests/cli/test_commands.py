"""What every command does, and the commands that need no lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab import settings
from pyhectiqlab._version import __version__
from pyhectiqlab.cli import _COMMANDS, main
from pyhectiqlab.store.upgrading import CURRENT

from ..commands import command
from .conftest import Hectiqlab, error_line, output


def test_version_is_printed_alone(hectiqlab: Hectiqlab) -> None:
    assert output(hectiqlab("version")) == output(hectiqlab("--version")) == f"{__version__}\n"


def test_the_version_is_told_with_what_it_needs(hectiqlab: Hectiqlab) -> None:
    lines = output(hectiqlab("version", "-v")).splitlines()
    assert lines[0] == __version__
    assert f"Schemas: {CURRENT.meta} of lab.db, {CURRENT.points} of points.db" in lines
    assert any(line.startswith("To upgrade: ") and "[server]'" in line for line in lines)


def test_a_version_is_that_of_a_release_or_of_what_comes_next() -> None:
    """And of the tag of this commit, where it has one."""
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0)?", __version__)
    command = ["git", "describe", "--exact-match", "--tags", "--match", "v*"]
    tag = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert tag.returncode != 0 or tag.stdout.strip() == f"v{__version__}"


def test_version_loads_none_of_the_slow_modules() -> None:
    code = (
        "import sys\nfrom pyhectiqlab.cli import main\ntry: main(['version'])\nexcept SystemExit: pass\n"
        "print([m for m in ('requests', 'numpy', 'fastapi', 'pyhectiqlab.read') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_help_has_a_line_for_every_command() -> None:
    shown = _help()
    for name in _COMMANDS:
        line = next(line for line in shown.splitlines() if line.startswith(f"  {name} "))
        assert len(line.split()) > 2, line
        assert "Usage: hectiqlab " + name in _help(name)


def _help(*names: str) -> str:
    """Return the help of a command, made in this process: only its text matters."""
    done = CliRunner().invoke(main, [*names, "--help"], prog_name="hectiqlab")
    assert done.exit_code == 0
    return done.output


def test_names_with_underscores_are_taken_too(hectiqlab: Hectiqlab) -> None:
    assert "--password-stdin" in output(hectiqlab("add_profile", "--help"))


@pytest.mark.parametrize("args", [["nonsense"], ["metrics"], ["runs", "--state", "happy"], ["runs", "--limit", "0"]])
def test_a_wrong_call_exits_with_2_and_the_usage(hectiqlab: Hectiqlab, args: list[str]) -> None:
    done = hectiqlab(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")


def test_without_a_lab_the_error_is_one_line_with_a_next_step(hectiqlab: Hectiqlab) -> None:
    for args in (["projects"], ["runs", "--json"], ["metrics", "r", "k"]):
        assert "hectiqlab add-profile" in error_line(hectiqlab(*args))


def test_a_lab_that_is_down_is_told_without_the_key(hectiqlab: Hectiqlab) -> None:
    done = hectiqlab("projects", HECTIQLAB_URL="http://127.0.0.1:9", HECTIQLAB_API_KEY="the-key")
    assert "nothing listens there" in error_line(done) and "the-key" not in done.stderr


def test_a_corrupt_credentials_file_is_told_with_its_line(hectiqlab: Hectiqlab, home: Path) -> None:
    home.mkdir()
    (home / "credentials").write_text("[local]\nurl = \n")
    os.chmod(home / "credentials", 0o600)
    assert "line 2" in error_line(hectiqlab("profiles"))
    assert "line 2" in error_line(hectiqlab("runs"))


def credentials(home: Path, *names: str) -> None:
    home.mkdir(exist_ok=True)
    text = "".join(f'[{n}]\nurl = "http://{n}"\nusername = "ann"\nsecret_api_key = "key-{n}"\n' for n in names)
    (home / "credentials").write_text(text)
    os.chmod(home / "credentials", 0o600)


def test_profiles_marks_the_one_in_use_and_hides_keys(hectiqlab: Hectiqlab, home: Path) -> None:
    credentials(home, "a", "default")
    shown = output(hectiqlab("profiles"))
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [["a", "http://a"], ["*", "default"]]
    printed = json.loads(output(hectiqlab("--profile", "a", "profiles", "--json")))
    assert [(p["name"], p["active"]) for p in printed] == [("a", True), ("default", False)]
    assert "key-" not in shown + json.dumps(printed)


def test_profiles_says_when_none_can_be_chosen(hectiqlab: Hectiqlab, home: Path) -> None:
    assert json.loads(output(hectiqlab("profiles", "--json"))) == []
    credentials(home, "a", "b")
    done = hectiqlab("profiles")
    assert done.returncode == 0 and "HECTIQLAB_PROFILE" in done.stderr and "*" not in done.stdout
    assert "it has a, b" in error_line(hectiqlab("--profile", "c", "projects"))


def test_a_profile_is_removed(hectiqlab: Hectiqlab, home: Path) -> None:
    credentials(home, "a", "b")
    assert "'a'" in output(hectiqlab("remove-profile", "a"))
    assert [p["name"] for p in json.loads(output(hectiqlab("profiles", "--json")))] == ["b"]
    assert "it has b" in error_line(hectiqlab("remove-profile", "a"))


def test_add_profile_without_a_terminal_says_what_to_give(hectiqlab: Hectiqlab) -> None:
    done = hectiqlab("add-profile", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2 and "--password-stdin" in done.stderr


def test_add_profile_needs_a_lab_before_a_password(hectiqlab: Hectiqlab) -> None:
    given = ["add-profile", "--username", "ann", "--password-stdin", "--url"]
    assert "nothing listens" in error_line(hectiqlab(*given, "http://127.0.0.1:9", input="secret\n"))
    assert "not the address" in error_line(hectiqlab(*given, "lab", input="secret\n"))


def test_settings_shows_value_and_source_of_each(hectiqlab: Hectiqlab, home: Path) -> None:
    shown = output(hectiqlab("settings", HECTIQLAB_EXIT_TIMEOUT="3", HECTIQLAB_API_KEY="the-key"))
    for setting in settings.TABLE.values():
        assert setting.variable in shown and setting.meaning in shown
    rows = {
        row["variable"]: row
        for row in json.loads(
            output(hectiqlab("settings", "--json", HECTIQLAB_EXIT_TIMEOUT="3", HECTIQLAB_API_KEY="the-key"))
        )
    }
    assert (rows["HECTIQLAB_EXIT_TIMEOUT"]["value"], rows["HECTIQLAB_EXIT_TIMEOUT"]["from"]) == (3.0, "environment")
    assert (rows["HECTIQLAB_MODE"]["value"], rows["HECTIQLAB_MODE"]["from"]) == ("online", "default")
    assert rows["HECTIQLAB_CREDENTIALS"]["value"] == str(home / "credentials")
    assert "the-key" not in shown + json.dumps(rows)


def test_settings_shows_all_and_fails_where_one_is_wrong(hectiqlab: Hectiqlab) -> None:
    done = hectiqlab("settings", HECTIQLAB_MODE="onlin")
    assert done.returncode == 1 and "onlin" in done.stdout and "HECTIQLAB_KEEP_DRY" in done.stdout
    assert done.stderr.startswith("Error: HECTIQLAB_MODE='onlin'") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_gets_no_complaint(environment: dict[str, str], unbuffered: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        command("settings"),
        env={**environment, "PYTHONUNBUFFERED": unbuffered},
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_ctrl_c_exits_with_130(environment: dict[str, str]) -> None:
    from tests.transport.scripted import read_request, scripted

    def answer_never(connection: object, server: object) -> None:
        read_request(connection, server)  # type: ignore[arg-type]
        for _ in range(3):  # Python rarely drops a Ctrl-C that comes while a finalizer runs; people press it again
            running.send_signal(signal.SIGINT)
            if server.stopping.wait(10):  # type: ignore[attr-defined]
                return

    with scripted(answer_never) as server:
        running = subprocess.Popen(
            command("projects"),
            env={**environment, "HECTIQLAB_URL": server.url, "HECTIQLAB_API_KEY": "k"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_terminal_that_lacks_the_letters_is_no_error(hectiqlab: Hectiqlab, home: Path) -> None:
    credentials(home, "a")
    (home / "credentials").write_text((home / "credentials").read_text().replace("ann", "Ωnn\\u001b[31m"))
    shown = output(hectiqlab("profiles", PYTHONIOENCODING="latin-1"))
    assert "\\u03a9nn?[31m" in shown


def test_with_nothing_left_here_sync_and_status_say_so(hectiqlab: Hectiqlab) -> None:
    assert "Nothing waits" in output(hectiqlab("status"))
    assert json.loads(output(hectiqlab("status", "--json"))) == []
    assert output(hectiqlab("sync")) == "Sent 0 events; 0 left.\n"
    assert "hectiqlab status" in error_line(hectiqlab("sync", "nosuch"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
def test_a_full_disk_under_the_output_is_told(environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("settings"), env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device.\n")


def test_a_closed_stdout_is_no_error(environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "-", *command("settings")], env=environment, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
