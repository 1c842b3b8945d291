"""Every public method of `Run` may be called in every mode, and returns what it returns in an online run."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab import Run
from pyhectiqlab.transport.http import LabClient

from .conftest import Site
from .test_ends import unique

# The calls of each verb, with arguments that it can take. The test below fails if a verb is missing here: give it a
# line.
CALLS: dict[str, str] = {
    "add_metrics": "'loss', 0.5, step=1",
    "set_metrics_cache_settings": "aggr='none'",
    "add_config": "{'lr': 0.1}",
    "add_meta": "'key', 'value'",
    "set_note": "'a note'",
    "set_paper": "'# A paper'",
    "add_tag": "'tag'",
    "set_group": "'a group'",
    "rename": "sys.argv[1] + '-2'",
    "pending": "",
    "running": "",
    "training": "",
    "completed": "",
    "failed": "",
    "stopped": "",
    "add_artifact": "folder / 'weights.bin', wait_response=True",
    "add_artifacts": "folder / 'weights.bin', step=1",
    "add_shared_artifact": "folder / 'weights.bin'",
    "list_shared_artifact": "",
    "add_directory_as_zip_artifact": "folder",
    "add_tf_model_as_artifact": "Model(), 'model.h5'",
    "add_current_notebook": "",
    "add_figure": "Figure(), 'figure', step=1",
    "add_image": "[[0.0, 1.0]], 'image'",
    "add_table": "[['cat', 0.9]], 'table', columns=['label', 'score']",
    "add_histogram": "[1.0, 2.0], 'histogram'",
    "add_text": "'words', 'text'",
    "add_package_versions": "globals()",
    "add_package_repo_state": "'voxnet'",
    "start_recording_logs": "'channel'",
    "stop_recording_logs": "",
    "add_mlmodel": "folder, name='every-verb', version='1.0.0', short_description='a net', push_dir=True",
    "add_dataset": "folder, 'every-verb', '1.0.0'",
    "download_mlmodel": "name='every-verb', version='1.0.0', save_path=folder.parent",
    "download_dataset": "'every-verb', save_path=folder.parent / 'data'",
    "add_mlmodel_usage": "'every-verb'",
    "add_dataset_usage": "'every-verb', '1.0.0'",
    "set_mlmodel_alias": "'every-verb', 'best'",
    "set_dataset_alias": "'every-verb', 'best', '1.0.0'",
    "add_mlmodel_usage_from_dirpath": "returned['download_mlmodel']",
    "add_dataset_usage_from_dirpath": "returned['download_dataset']",
    "flush": "10",
    "status": "",
    "close": "10",
}

SCRIPT = """
import json, sys
from pathlib import Path
from matplotlib.figure import Figure
from pyhectiqlab import Run

class Model:
    def save_weights(self, path):
        Path(path).write_text("weights")

run = Run(sys.argv[1], project="every-verb", should_create_project=True, dry=sys.argv[3] == "dry")
folder, returned = Path(sys.argv[2]), {}
sys.path.insert(0, str(folder.parent))
"""
SCRIPT += "".join(f"returned[{name!r}] = run.{name}({arguments})\n" for name, arguments in CALLS.items())
SCRIPT += "types = {name: type(value).__name__ for name, value in returned.items()}\n"
SCRIPT += "print(json.dumps([run.mode, types, [str(run), repr(run), run._repr_html_()]]))\n"


def public_methods() -> list[str]:
    """Return the public methods of a run, not those of the class alone, such as `Run.existing`."""
    names = (name for name, _ in inspect.getmembers(Run, inspect.isfunction) if not name.startswith("_"))
    return [name for name in names if inspect.isfunction(inspect.getattr_static(Run, name))]


def test_every_public_method_is_called_here() -> None:
    assert set(CALLS) == set(public_methods())


def tree(top: Path) -> Path:
    """Make a folder with a file, and beside it a package in a repository."""
    for file in (top / "net" / "weights.bin", top / "voxnet" / "__init__.py"):
        file.parent.mkdir()
        file.touch()
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), ("add", "voxnet"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *command], cwd=top, check=True)
    return top / "net"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tree(tmp_path / "tree")


def called(site: Site, name: str, folder: Path, mode: str, **env: str) -> tuple[dict[str, str], list[str]]:
    """Call every verb of a run in that mode. Return (type of what each returned, what was said)."""
    done = site.run(SCRIPT, name, str(folder), mode, **env)
    assert done.returncode == 0, done.stderr
    its_mode, types, _ = json.loads(done.stdout.splitlines()[-1])
    assert its_mode == mode
    return types, [line for line in done.stderr.splitlines() if line.startswith("hectiqlab:")]


@pytest.fixture(scope="module")
def online(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what each method returns if everything is as it should be."""
    folder = tree(tmp_path_factory.mktemp("online"))
    types, _ = called(Site(lab, tmp_path_factory.mktemp("home")), unique("online"), folder, "online")
    return types


NOBODY = {"HECTIQLAB_URL": "http://127.0.0.1:1", "HECTIQLAB_API_KEY": "key"}


@pytest.mark.parametrize(
    ("mode", "env"),
    [
        ("dry", {}),
        ("dry", NOBODY),
        ("dry", {**NOBODY, "HECTIQLAB_KEEP_DRY": "0"}),
        ("offline", {"HECTIQLAB_MODE": "offline"}),
        ("offline", {"HECTIQLAB_MODE": "offline", **NOBODY}),
    ],
    ids=["dry", "dry-no-lab", "dropped-no-lab", "offline", "offline-no-lab"],
)
def test_every_verb_returns_the_same_kind_and_says_a_line_once(
    site: Site, online: dict[str, str], folder: Path, mode: str, env: dict[str, str]
) -> None:
    types, said = called(site, unique("run"), folder, mode, **env)
    assert types == online
    assert len(said) == len(set(said)), said


def test_every_verb_of_somebody_elses_run_returns_the_same_kind(
    site: Site, online: dict[str, str], folder: Path
) -> None:
    name, bob = unique("theirs"), unique("bob")
    start = "import sys; from pyhectiqlab import Run; Run(sys.argv[1], project='every-verb')"
    assert site.run(start, name).returncode == 0
    with site.client() as client:
        client.post("/users", {"username": bob, "password": "correct horse 7"})
    with LabClient(site.lab.url, auth=(bob, "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    env = {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": key}
    types, said = called(site, name, folder, "read-only", **env)
    assert types == online
    assert len(said) == len(set(said)), said


def test_a_download_that_cannot_be_had_is_an_error_online_and_a_line_elsewhere(site: Site, tmp_path: Path) -> None:
    script = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
for _ in range(2):
    print(run.download_mlmodel("no-such", save_path=sys.argv[2]))
print(run.download_dataset("no-such", "2.0.0", sys.argv[2]))
"""
    online = site.run(script, unique("run"), str(tmp_path))
    assert online.returncode == 1 and "NotFoundError" in online.stderr
    dry = site.run(script, unique("run"), str(tmp_path), HECTIQLAB_MODE="dry")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.split() == [f"{tmp_path}/no-such-latest"] * 2 + [f"{tmp_path}/no-such-2.0.0"]
    assert dry.stderr.count("is not downloaded in dry mode") == 2, dry.stderr
    assert not (tmp_path / "no-such-latest").exists()
