"""`hectiqlab artifacts` and `post-artifact` against a real lab."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.file_upload import register, upload_file

from ..commands import command
from .conftest import Hectiqlab, error_line, output

DATA = os.urandom(100_000)


@pytest.fixture
def environment(environment: dict[str, str], lab: RealLab) -> dict[str, str]:
    return {**environment, "HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}


@pytest.fixture
def project(lab: RealLab) -> dict[str, Any]:
    with LabClient(lab.url, lab.api_key) as client:
        made: dict[str, Any] = client.post("/projects", {"name": f"p{os.urandom(4).hex()}"})
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("form", ["positional", "options", "underscore", "mixed"])
def test_a_file_is_posted_in_every_form_and_comes_back(
    hectiqlab: Hectiqlab, project: dict[str, Any], file: Path, tmp_path: Path, form: str
) -> None:
    ref = project["id"] if form != "mixed" else project["name"]
    arguments = {
        "positional": ("post-artifact", ref, str(file)),
        "underscore": ("post_artifact", ref, str(file)),
        "options": ("post-artifact", "-p", ref, "-f", str(file)),
        "mixed": ("post-artifact", "-p", ref, str(file)),
    }[form]
    assert output(hectiqlab(*arguments)).startswith("weights.bin version 1, 100 kB, ")
    assert "weights.bin" in output(hectiqlab("artifacts", ref))
    assert "weights.bin" in output(hectiqlab("artifacts", "-p", ref))
    (item,) = json.loads(output(hectiqlab("artifacts", ref, "--json")))
    assert (item["name"], item["version"], item["bytes"], item["run"]) == ("weights.bin", 1, len(DATA), None)
    place = tmp_path / "place"
    place.mkdir()
    downloaded = output(hectiqlab("artifacts", ref, "--download", "weights.bin", "-o", str(place)))
    assert downloaded == f"{place}/weights.bin\n"
    assert (place / "weights.bin").read_bytes() == DATA


def test_another_file_is_not_replaced_unless_asked(
    hectiqlab: Hectiqlab, project: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    output(hectiqlab("post-artifact", project["id"], str(file)))
    mine = tmp_path / "mine"
    mine.write_text("mine")
    arguments = ("artifacts", project["id"], "--download", "weights.bin", "-o", str(mine))
    assert "overwrite" in error_line(hectiqlab(*arguments)) and mine.read_text() == "mine"
    output(hectiqlab(*arguments, "--overwrite"))
    assert mine.read_bytes() == DATA


def test_versions_are_listed_when_asked(hectiqlab: Hectiqlab, project: dict[str, Any], file: Path) -> None:
    for text in ("one", "two"):
        file.write_text(text)
        artifact = json.loads(output(hectiqlab("post-artifact", project["id"], str(file), "--name", "n.txt", "--json")))
    assert artifact["version"] == 2 and artifact["name"] == "n.txt"
    assert len(json.loads(output(hectiqlab("artifacts", project["id"], "--json")))) == 1
    assert len(json.loads(output(hectiqlab("artifacts", project["id"], "--versions", "--json")))) == 2


def test_those_of_a_run_are_found_by_its_name_and_the_highest_step_is_the_newest(
    hectiqlab: Hectiqlab, lab: RealLab, tmp_path: Path
) -> None:
    name = f"run {os.urandom(4).hex()}"
    with LabClient(lab.url, lab.api_key) as client:
        request = {"name": name, "session": os.urandom(8).hex()}
        run = client.attach(request, timeout_s=10)["run"]["id"]
        for step in (1, 20, 3):
            (tmp_path / "s").write_text(str(step))
            sent = upload_file(client, tmp_path / "s")
            register(client, {"name": "s.txt", "digest": sent.digest, "bytes": sent.bytes, "step": step}, run=run)
    listed = output(hectiqlab("artifacts", "--run", name)).splitlines()
    assert [line.split()[2] for line in listed[1:]] == ["1", "3", "20"]
    out = tmp_path / "out"
    output(hectiqlab("artifacts", "--run", run, "-d", "s.txt", "-o", str(out)))
    assert out.read_text() == "20"
    output(hectiqlab("artifacts", "--run", run, "-d", "s.txt", "--step", "3", "-o", str(out), "--overwrite"))
    assert out.read_text() == "3"
    assert "step 9" in error_line(hectiqlab("artifacts", "--run", run, "-d", "s.txt", "--step", "9"))


def test_mistakes_are_told_in_a_line(hectiqlab: Hectiqlab, project: dict[str, Any], file: Path, tmp_path: Path) -> None:
    assert "hectiqlab projects" in error_line(hectiqlab("artifacts", "no-such-project"))
    assert "hectiqlab projects" in error_line(hectiqlab("post-artifact", "no-such-project", str(file)))
    assert "No artifact" in error_line(hectiqlab("artifacts", project["id"], "-d", "nothing"))
    for arguments, words in (
        (("artifacts",), "Name a PROJECT"),
        (("artifacts", "a", "-p", "b"), "once"),
        (("artifacts", "a", "--run", "b"), "not both"),
        (("post-artifact", project["id"]), "a project and a file"),
        (("post-artifact", project["id"], str(tmp_path / "nothing")), "does not exist"),
        (("post-artifact", project["id"], str(tmp_path)), "folder"),
        (("post-artifact", project["id"], str(file), "--name", "a/b"), "no /"),
    ):
        done = hectiqlab(*arguments)
        assert done.returncode == 2 and words in done.stderr, done


def in_terminal(arguments: tuple[str, ...], environment: dict[str, str], place: Path, question: bytes = b"") -> bytes:
    """Return what a terminal of 100 columns showed until the command ended; answers 1 to `question`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        command(*arguments), env=environment, cwd=place, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, answered = b"", False
    try:
        while part := os.read(ours, 4096):
            shown += part
            if question and question in shown and not answered:
                os.write(ours, b"1\n")
                answered = True
    except OSError:  # EIO: nobody has the other end open any more
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0, shown
    return shown


def test_a_terminal_is_offered_a_download_and_shown_a_bar(
    environment: dict[str, str], project: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert b"100%" in in_terminal(("post-artifact", project["id"], str(file)), environment, place)
    assert b"100%" in in_terminal(("artifacts", project["id"]), environment, place, b"Download which")
    assert (place / "weights.bin").read_bytes() == DATA
