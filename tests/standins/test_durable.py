"""Data that stand-ins received survives: scripts that never finish a run, and processes that are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import NotFoundError

from ..commands import command
from ..process.conftest import eventually
from .conftest import HOOK, Site, instead

LOGGED = """
import os, signal, sys, wandb
from pathlib import Path
name, size, folder = sys.argv[1:]
run = wandb.init(project="standins", name=name)
for kind in ("model", "dataset"):
    artifact = wandb.Artifact(f"{name}-{kind}", type=kind, description="d" * 5000, metadata={"k": 1})
    for number in range(3):
        path = Path(folder, f"{number}.bin")
        path.write_bytes(bytes([number]) * int(size))
        artifact.add_file(str(path), name=f"below/{number}.bin")
        path.unlink()
    run.log_artifact(artifact, aliases=["epoch_3", "latest"])
"""


def version(site: Site, kind: str, name: str) -> dict[str, Any]:
    """Return the version of a model or dataset with this alias, and its contents, when the lab has it."""
    with site.client() as client:

        def there() -> dict[str, Any] | None:
            try:
                answer: dict[str, Any] = client.get(f"/projects/standins/{kind}/{name}/versions/epoch_3")
            except NotFoundError:
                return None
            return answer

        one: dict[str, Any] = eventually(there, what=f"version of {name}")
        assert len(list(client.pages(f"/projects/standins/{kind}/{name}/versions", {}))) == 1
    return one


def check_versions(site: Site, name: str, size: int = 900_000) -> None:
    for kind in ("model", "dataset"):
        registered = version(site, f"{kind}s", f"{name}-{kind}")
        assert (registered["version"], registered["aliases"], registered["bytes"]) == ("1.0.0", ["epoch_3"], size)
        assert [f["path"] for f in registered["contents"]] == [f"below/{n}.bin" for n in range(3)]


def died(site: Site, ending: str, *arguments: str, **env: str) -> None:
    """Run LOGGED to a violent end."""
    variables = {**site.env, "PYTHONPATH": HOOK, "HECTIQLAB_INSTEAD_OF": "wandb", **env}
    words = [sys.executable, "-c", LOGGED + textwrap.dedent(ending), *arguments]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_models_and_datasets_survive_a_script_that_never_finishes_its_run(site: Site, tmp_path: Path) -> None:
    """W&B's log_artifact of a model, without finish(): it is in the lab when the script has ended."""
    end = "artifact.wait(); print('version', artifact.version)"
    output = instead(site, "wandb", LOGGED + end, "unfinished", "300000", str(tmp_path))
    assert "version 1.0.0" in output
    check_versions(site, "unfinished")
    assert site.ended("unfinished")["state"] == "completed"


def test_models_and_datasets_survive_a_kill_of_script_and_uploader(site: Site, tmp_path: Path) -> None:
    """log_artifact of a model, then a kill of script and uploader: the model still gets to the lab."""
    died(site, "os.kill(os.getpid(), signal.SIGKILL)", "killed", "300000", str(tmp_path))
    check_versions(site, "killed")
    both = """
    while not (uploader := run.status().uploader_pid):  # it says so once it has begun
        pass
    os.kill(uploader, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    died(site, both, "both-killed", "300000", str(tmp_path))
    done = site.cli("sync")
    assert done.returncode == 0, done.stderr
    check_versions(site, "both-killed")
    assert [path for s in site.sessions() for path in (s / "files").glob("*.data")] == []


def test_models_and_datasets_of_an_offline_run_come_by_sync(site: Site, tmp_path: Path) -> None:
    """WANDB_MODE=offline: `hectiqlab sync` makes its models and datasets versions of the registry, each once,
    also after a sync that was killed.
    """
    instead(site, "wandb", LOGGED + "run.finish()", "offline", "300000", str(tmp_path), WANDB_MODE="offline")
    env = {**site.env, "HECTIQLAB_CRASH_AT": f"files.registered:1:{tmp_path / 'crashed'}"}
    killed = subprocess.run(command("sync"), env=env, capture_output=True, text=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL and "2 files" in killed.stderr, killed.stderr
    done = site.cli("sync")
    assert done.returncode == 0 and "2 files" in done.stderr, done.stderr
    check_versions(site, "offline")


def test_a_model_for_which_the_spool_has_no_room_is_sent_by_the_call(site: Site, tmp_path: Path) -> None:
    """log_artifact of a model that is larger than HECTIQLAB_SPOOL_MAX_BYTES: the call waits for the lab."""
    end = """
    assert (run.status().files_left, artifact.version) == (0, "1.0.0")
    os.kill(os.getpid(), signal.SIGKILL)
    """
    died(site, end, "large", "400000", str(tmp_path), HECTIQLAB_SPOOL_MAX_BYTES="1MiB")
    check_versions(site, "large", 1_200_000)


@pytest.mark.skipif(
    os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev, reason="needs two file systems"
)
def test_large_temporary_files_are_kept_on_another_file_system(site: Site) -> None:
    """Artifacts, files that were saved or left in run.dir, MLflow's log_text and log_model: also if /tmp is on
    another disk.
    """
    script = """
    import os, wandb, mlflow
    big = "x" * (9 << 20)
    run = wandb.init(project="standins", name="elsewhere")
    path = os.path.join(run.dir, "saved.txt")
    with open(path, "w") as f:
        f.write(big)
    run.save(path)
    os.mkdir(os.path.join(run.dir, "below"))
    with open(os.path.join(run.dir, "below", "left.txt"), "w") as f:
        f.write(big)
    artifact = wandb.Artifact("results", type="evaluation")
    with artifact.new_file("large.txt") as f:
        f.write(big)
    run.log_artifact(artifact)
    del artifact
    run.log({"page": wandb.Html(big)})
    run.finish()
    with mlflow.start_run(run_name="elsewhere-too"):
        mlflow.log_text(big, "text.txt")
        mlflow.sklearn.log_model(big, "model")
    """
    folder = tempfile.mkdtemp(dir="/dev/shm", prefix="hectiqlab-test-")
    try:
        instead(site, "wandb,mlflow", script, HECTIQLAB_MODE="offline", TMPDIR=folder)
        assert [p for p in Path(folder).iterdir() if p.name.startswith("hectiqlab")] == []
    finally:
        shutil.rmtree(folder)
    done = site.cli("sync")
    assert done.returncode == 0, done.stdout + done.stderr
    kept, versions = {}, list[int]()
    with site.client() as client:
        for name in ("elsewhere", "elsewhere-too"):
            for item in client.pages(f"/runs/{site.find(name)['id']}/artifacts", {}):
                kept[item["name"]] = item["bytes"] >> 20
                versions.append(item["version"])
    names = ("saved.txt", "below%2Fleft.txt", "results%2Flarge.txt", "page.html", "text.txt", "model%2Fmodel.pkl")
    assert kept == dict.fromkeys(names, 9) and set(versions) == {1}
