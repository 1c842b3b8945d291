"""The Tab key: the scripts that shells load, and what is completed, within a second even where no lab answers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient

from ..labs import ForkedLab
from .conftest import Hectiqlab, output


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as real:
        with LabClient(real.url, real.api_key) as client:
            for name in ("vision", "vision-2", "two words", "speech"):
                client.post("/projects", {"name": name})
        yield real


def completed(hectiqlab: Hectiqlab, *words: str, **variables: str) -> list[str]:
    """Return what bash is told for the last of the words."""
    line = " ".join(("hectiqlab", *words))
    done = hectiqlab(_HECTIQLAB_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words)), **variables)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [answer.partition(",")[2] for answer in done.stdout.splitlines() if answer]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_that_the_shell_takes(hectiqlab: Hectiqlab, shell: str) -> None:
    script = output(hectiqlab("completion", shell))
    assert "_HECTIQLAB_COMPLETE" in script and "hectiqlab" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_commands_and_options_are_completed(hectiqlab: Hectiqlab) -> None:
    assert completed(hectiqlab, "post") == ["post-artifact"]
    assert "--json" in completed(hectiqlab, "runs", "--")
    assert completed(hectiqlab, "completion", "z") == ["zsh"]
    assert hectiqlab("completion", "tcsh").returncode == 2


def test_projects_are_completed_where_a_shell_takes_them_as_one_word(hectiqlab: Hectiqlab, lab: RealLab) -> None:
    variables = {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}
    assert sorted(completed(hectiqlab, "runs", "vis", **variables)) == ["vision", "vision-2"]
    assert sorted(completed(hectiqlab, "models", "", **variables)) == ["speech", "vision", "vision-2"]
    assert completed(hectiqlab, "download-mlmodel", "-p", "sp", **variables) == ["speech"]


def test_profiles_are_completed(hectiqlab: Hectiqlab, lab: RealLab) -> None:
    assert completed(hectiqlab, "--profile", "lo", HECTIQLAB_CREDENTIALS=str(lab.credentials)) == ["local"]


def test_a_lab_that_does_not_answer_costs_a_second_and_no_word(hectiqlab: Hectiqlab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        assert completed(hectiqlab, "logs", "a", HECTIQLAB_URL=url, HECTIQLAB_API_KEY="key") == []
        assert time.monotonic() - start < 10  # includes the start of the interpreter on a busy machine
    assert completed(hectiqlab, "logs", "a") == []  # there is no profile at all
