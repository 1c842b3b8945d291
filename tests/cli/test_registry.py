"""`hectiqlab models`, `datasets`, `download-mlmodel` and `download-dataset` against a real lab."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyhectiqlab.protocol.registry import DATASETS, MODELS
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.registry_upload import NewVersion, upload_version

from .conftest import Hectiqlab, error_line, output

DATA = os.urandom(100_000)


@pytest.fixture
def environment(environment: dict[str, str], lab: RealLab) -> dict[str, str]:
    return {**environment, "HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}


@pytest.fixture(scope="module")
def project(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a project with versions 1.0.0 and 1.1.0 of `net`, a model and a dataset."""
    top = tmp_path_factory.mktemp("tree")
    (top / "sub").mkdir()
    (top / "sub" / "weights.bin").write_bytes(DATA)
    with LabClient(lab.url, lab.api_key) as client:
        project = str(client.post("/projects", {"name": "registry"})["id"])
        for kind in (MODELS, DATASETS):
            for _ in range(2):
                upload_version(client, project, NewVersion.of(kind, top, "net", None, "short words"))
    return project


@pytest.mark.parametrize("name", ["download-mlmodel", "download_mlmodel", "download-dataset", "download_dataset"])
def test_a_version_is_downloaded(hectiqlab: Hectiqlab, project: str, tmp_path: Path, name: str) -> None:
    place = str(tmp_path / "place")
    latest = output(hectiqlab(name, "-p", project, "-n", "net", "-s", place))
    assert latest == f"{place}/net-1.1.0\n"
    assert (tmp_path / "place" / "net-1.1.0" / "sub" / "weights.bin").read_bytes() == DATA
    assert output(hectiqlab(name, "-p", "registry", "-n", "net", "-v", "1.0.0", "-s", place)) == f"{place}/net-1.0.0\n"
    weights = tmp_path / "place" / "net-1.0.0" / "sub" / "weights.bin"
    weights.write_text("changed")
    arguments = (name, "-n", "net", "-v", "1.0.0", "-s", place)
    assert "overwrite" in error_line(hectiqlab(*arguments, HECTIQLAB_PROJECT=project))
    output(hectiqlab(*arguments, "-o", HECTIQLAB_PROJECT=project))
    assert weights.read_bytes() == DATA


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_lists(hectiqlab: Hectiqlab, project: str, kind: str) -> None:
    (latest,) = json.loads(output(hectiqlab(kind, project, "--json")))
    assert (latest["name"], latest["version"], latest["versions"]) == ("net", "1.1.0", 2)
    shown = output(hectiqlab(kind, "registry"))
    assert "net" in shown and "1.1.0" in shown and "short words" in shown and "1.0.0" not in shown
    printed = json.loads(output(hectiqlab(kind, project, "-n", "net", "--json")))
    assert [v["version"] for v in printed] == ["1.1.0", "1.0.0"]


def test_what_cannot_be_is_said(hectiqlab: Hectiqlab, project: str, tmp_path: Path) -> None:
    place = ("-s", str(tmp_path / "place"))
    assert "no model 'none'" in error_line(hectiqlab("download-mlmodel", "-p", project, "-n", "none", *place))
    assert "1.9.0" in error_line(hectiqlab("download-mlmodel", "-p", project, "-n", "net", "-v", "1.9.0", *place))
    assert "No project" in error_line(hectiqlab("download-dataset", "-p", "none", "-n", "net", *place))
    assert not (tmp_path / "place").exists()
    for arguments in (("-n", "net", "-v", "1.0"), ("-n", "../net"), ()):
        assert hectiqlab("download-mlmodel", "-p", project, *arguments).returncode == 2
    assert hectiqlab("models").returncode == 2


@pytest.mark.parametrize(
    ("command", "download"), [("alias-mlmodel", "download-mlmodel"), ("alias-dataset", "download-dataset")]
)
def test_an_alias_is_set_and_stands_for_a_version(
    hectiqlab: Hectiqlab, project: str, tmp_path: Path, command: str, download: str
) -> None:
    of = ("-p", project, "-n", "net")
    assert output(hectiqlab(command, "production", *of, "-v", "1.0.0")) == "production is net 1.0.0\n"
    assert output(hectiqlab(command, "best", *of)) == "best is net 1.1.0\n"
    place = str(tmp_path)
    assert output(hectiqlab(download, *of, "-v", "production", "-s", place)) == f"{place}/net-1.0.0\n"
    assert output(hectiqlab(command, "production", *of, "-v", "best")) == "production is net 1.1.0\n"
    assert output(hectiqlab(download, *of, "-v", "production", "-s", place)) == f"{place}/net-1.1.0\n"
    listed = output(hectiqlab("models" if command == "alias-mlmodel" else "datasets", project))
    assert "best production" in listed
    for alias in ("best", "production"):
        output(hectiqlab(command, alias, *of, "--remove"))
    assert "no alias" in error_line(hectiqlab(command, "best", *of, "--remove"))
    assert hectiqlab(command, "latest", *of).returncode == 2
