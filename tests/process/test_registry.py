"""Models and datasets: what a script uploads comes back whole, or not at all, from every mode."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.protocol.registry import MANIFEST
from pyhectiqlab.transport import LabClient

from .conftest import Site, eventually
from .test_ends import unique

START = """
import json, os, sys
from pathlib import Path
from pyhectiqlab import Run
run = Run(sys.argv[1], project="registry", should_create_project=True)
name, folder = sys.argv[2], Path(sys.argv[3])
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "README.md").write_text("# A net\n")
    (top / "weights.bin").write_bytes(os.urandom(300_000))
    (top / "sub" / "deep" / "é.txt").write_text("text")
    (top / "sub" / "empty").touch()
    (top / "link.bin").symlink_to("weights.bin")
    return top


def content(folder: Path) -> dict[str, bytes]:
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {path: data for path, data in files.items() if path != MANIFEST}


def versions(site: Site, name: str, kind: str = "models") -> list[dict[str, Any]]:
    with site.client() as client:
        return list(client.pages(f"/projects/registry/{kind}/{name}/versions"))


def ok(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_a_directory_goes_up_and_comes_back(site: Site, tree: Path, tmp_path: Path) -> None:
    name, run = unique("net"), unique("run")
    out = ok(site.run(START + """
made = run.add_mlmodel(folder, name=name, version="1.0.0", short_description="A net")
again = run.add_mlmodel(str(folder), name=name, version="1.0.0")      # the same files: the same version
file = run.add_mlmodel(folder / "weights.bin", name)
print(json.dumps([made, again, file]))
print(run.download_mlmodel(name=name, version="1.0.0", save_path=folder.parent / "a" / "b"))
print(run.download_mlmodel(name, save_path=folder.parent / "a"))
""", run, name, str(tree)))  # fmt: skip
    made, again, file = json.loads(out.splitlines()[0])
    assert (made["version"], made["files"], made["short_description"], made["description"]) == (
        "1.0.0", 5, "A net", "# A net\n",
    )  # fmt: skip
    assert again["uuid"] == made["uuid"] and (file["version"], file["files"]) == ("1.1.0", 1)
    first, latest = map(Path, out.splitlines()[1:])
    assert (first, latest) == (tmp_path / "a" / "b" / f"{name}-1.0.0", tmp_path / "a" / f"{name}-1.1.0")
    assert content(first) == content(tree)
    assert content(latest) == {"weights.bin": content(tree)["weights.bin"]}
    with site.client() as client:
        registry = client.get(f"/runs/{site.find(run)['id']}/registry")
    assert [v["version"] for v in registry["made"]] == ["1.1.0", "1.0.0"]
    assert sorted(v["version"] for v in registry["used"]) == ["1.0.0", "1.1.0"]


def test_a_download_that_is_there_is_used_and_another_thing_is_not_replaced(
    site: Site, tree: Path, tmp_path: Path
) -> None:
    name = unique("data")
    out = ok(site.run(START + """
run.add_dataset(folder, name, "2.0.0")
where = Path(run.download_dataset(name=name, save_path=folder.parent))
kept = (where / "weights.bin").stat().st_ino
run.download_dataset(name, "2.0.0", folder.parent)
assert (where / "weights.bin").stat().st_ino == kept
(where / "weights.bin").write_text("changed")
try:
    run.download_dataset(name, "2.0.0", folder.parent)
except FileExistsError as e:
    print("overwrite" in str(e), (where / "weights.bin").read_text())
(where / "extra").touch()
run.download_dataset(name, save_path=folder.parent, overwrite=True)
print(where)
""", unique("run"), name, str(tree)))  # fmt: skip
    said, where = out.splitlines()
    assert said == "True changed" and content(Path(where)) == content(tree)
    assert not list(tmp_path.glob(".*"))  # nothing temporary is left


def test_an_interrupted_download_goes_on_and_never_looks_whole(own_site: Site, tmp_path: Path) -> None:
    site, tree, name = own_site, tmp_path / "tree", "big"
    tree.mkdir()
    for i in range(20):
        (tree / f"{i:02}").write_bytes(os.urandom(1_000_000))
    ok(site.run(START + "run.add_dataset(folder, name)", "up", name, str(tree)))
    part, target = tmp_path / f".{name}-1.0.0.part", tmp_path / f"{name}-1.0.0"
    script = START + "print(run.download_dataset(name, save_path=folder.parent))"
    process = site.start(script, "down", name, str(tree))
    eventually(lambda: (part / "04").exists(), what="a few files")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not target.exists()
    (part / "00").write_bytes((tree / "00").read_bytes()[:1000])  # as a kill in the middle of a file leaves it
    (part / "stray").write_text("of another version")
    (part / "01").unlink()
    (part / "01").symlink_to(tmp_path / "elsewhere")
    before = (part / "02").stat().st_ino
    assert ok(site.run(script, "down", name, str(tree))).strip() == str(target)
    assert content(target) == content(tree) and (target / "02").stat().st_ino == before
    assert not part.exists() and not (tmp_path / "elsewhere").exists()


def test_a_killed_upload_leaves_no_version_and_sends_the_rest_when_called_again(own_site: Site, tmp_path: Path) -> None:
    site, tree, name = own_site, tmp_path / "tree", "big"
    (tree / "empty").mkdir(parents=True)
    for i in range(20):
        (tree / f"{i:02}").write_bytes(os.urandom(1_000_000))
        (tree / "empty" / f"{i:02}").touch()  # all the same bytes
    script = START + "print(run.add_dataset(folder, name)['files'])"
    process = site.start(script, "up", name, str(tree))
    blobs = site.lab.data_dir / "blobs"
    eventually(lambda: sum(p.stat().st_size == 1_000_000 for p in blobs.rglob("*") if p.is_file()) >= 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with site.client() as client:
        assert client.get("/projects/registry/datasets")["items"] == []
    assert ok(site.run(script, "up", name, str(tree))).strip() == "40"
    assert [v["bytes"] for v in versions(site, name, "datasets")] == [20_000_000]


def test_a_damaged_part_is_not_taken_for_the_file(site: Site, tree: Path, tmp_path: Path) -> None:
    name = unique("net")
    ok(site.run(START + "run.add_mlmodel(folder, name)", unique("run"), name, str(tree)))
    part = tmp_path / f".{name}-1.0.0.part"
    part.mkdir()
    (part / "weights.bin").write_bytes(b"x" * 300_000)
    script = (
        START
        + """
try:
    run.download_mlmodel(name, save_path=folder.parent)
except Exception as e:
    print(type(e).__name__, e)
print(run.download_mlmodel(name, save_path=folder.parent))
"""
    )
    said, where = ok(site.run(script, unique("run"), name, str(tree))).splitlines()
    assert "SHA-256" in said and content(Path(where)) == content(tree)


def test_mistakes_raise_at_the_call_and_the_lab_never_does(own_site: Site, tree: Path) -> None:
    (tree.parent / "void").mkdir()
    (tree.parent / "out").mkdir()
    (tree.parent / "out" / "link").symlink_to("/etc/hostname")
    done = own_site.run(START + """
def error(call, *args, **kw):
    try:
        call(*args, **kw)
    except Exception as e:
        return type(e).__name__
print(error(run.add_mlmodel, folder / "none", name), error(run.add_dataset, folder, "a/b"),
      error(run.add_mlmodel, folder, name, "1.0"), error(run.add_mlmodel, folder, name, 1),
      error(run.add_mlmodel, folder.parent / "void", name), error(run.add_mlmodel, folder.parent / "out", name),
      error(run.add_mlmodel, folder / "weights.bin", name, push_dir=True),
      error(run.download_mlmodel), error(run.download_mlmodel, "../x"),
      error(run.add_mlmodel_usage_from_dirpath, folder), error(run.download_mlmodel, "no-such"))
run.add_mlmodel(folder, name, "1.0.0")
(folder / "more").touch()
print(run.add_mlmodel(folder, name, "1.0.0")["error"])
run.add_mlmodel_usage("no-such")
run.close()
print(error(run.add_mlmodel, folder, name), error(run.add_dataset_usage, name))
""", "run", "net", str(tree))  # fmt: skip
    kinds, exists, closed = ok(done).splitlines()
    assert closed == "RunClosedError RunClosedError"
    mistakes = "FileNotFoundError ValueError ValueError TypeError ValueError ValueError NotADirectoryError"
    assert kinds == f"{mistakes} TypeError ValueError ValueError NotFoundError"
    assert "has a version 1.0.0 with other files" in exists
    assert "no model 'no-such'" in done.stderr and done.stderr.count("\n") == 2, done.stderr


def test_without_a_lab_uploads_are_said_and_a_whole_download_is_used(
    own_site: Site, tree: Path, tmp_path: Path
) -> None:
    site = own_site
    ok(site.run(START + "run.add_mlmodel(folder, name); run.download_mlmodel(name, save_path=folder.parent)",
                "run", "net", str(tree)))  # fmt: skip
    site.lab.stop()
    done = site.run(START + """
print(json.dumps(run.add_mlmodel(folder, name)))
print(run.download_mlmodel(name, "1.0.0", folder.parent))
run.add_mlmodel_usage_from_dirpath(folder.parent / f"{name}-1.0.0")
print(run.download_mlmodel(name, "2.0.0", folder.parent))
""", "later", "net", str(tree))  # fmt: skip
    answer, where, other = ok(done).splitlines()
    assert json.loads(answer)["uuid"] is None and json.loads(answer)["error"]
    assert where == str(tmp_path / "net-1.0.0")
    # A line says so, because the calls of a dry run return.
    assert other == str(tmp_path / "net-2.0.0") and not Path(other).exists()
    assert "'net' is not downloaded in kept mode" in done.stderr


@pytest.mark.parametrize("mode", ["dry", "offline"])
def test_other_modes_download_and_push_nothing(site: Site, tree: Path, mode: str) -> None:
    name = unique("net")
    ok(site.run(START + "run.add_mlmodel(folder, name)", unique("run"), name, str(tree)))
    out = ok(site.run(START + """
answer = run.add_dataset(folder, name)
print(answer["uuid"], answer["name"])
print(run.download_mlmodel(name, save_path=folder.parent))
run.add_mlmodel_usage(name)
""", unique("run"), name, str(tree), HECTIQLAB_MODE=mode))  # fmt: skip
    said, where = out.splitlines()
    assert said == f"None {name}" and content(Path(where)) == content(tree)
    with site.client() as client:
        assert client.get(f"/projects/registry/models/{name}/versions/latest")["used_by"] == []


def test_somebody_elses_run_downloads_and_pushes_nothing(own_site: Site, tree: Path) -> None:
    site = own_site
    ok(site.run(START + "run.add_mlmodel(folder, name)", "theirs", "net", str(tree)))
    with site.client() as client:
        client.post("/users", {"username": "bob", "password": "correct horse 7"})
    with LabClient(site.lab.url, auth=("bob", "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    done = site.run(START + """
assert run.read_only
print(run.add_dataset(folder, name)["error"])
print(run.download_mlmodel(name, save_path=folder.parent))
run.add_mlmodel_usage(name)
""", "theirs", "net", str(tree), HECTIQLAB_URL=site.lab.url, HECTIQLAB_API_KEY=key)  # fmt: skip
    said, where = ok(done).splitlines()
    assert said == "nothing is pushed in read-only mode" and content(Path(where)) == content(tree)
    assert done.stderr.count("has no record") == 1, done.stderr


def test_an_alias_set_by_a_run_stands_for_its_version_in_downloads(site: Site, tree: Path, tmp_path: Path) -> None:
    name = unique("net")
    out = ok(site.run(START + """
for _ in range(2):
    run.add_mlmodel(folder, name)
    (folder / "more").touch()
assert run.set_mlmodel_alias(name, "production", "1.0.0")
print(run.download_mlmodel(name, "production", folder.parent))
assert run.set_mlmodel_alias(name, "production")
print(run.download_mlmodel(name=name, version="production", save_path=folder.parent))
assert not run.set_dataset_alias("no-such", "best")
for wrong in ("latest", "Best", ""):
    try:
        run.set_mlmodel_alias(name, wrong)
    except ValueError:
        print("ValueError")
""", unique("run"), name, str(tree)))  # fmt: skip
    first, second, *wrong = out.splitlines()
    assert (first, second) == (str(tmp_path / f"{name}-1.0.0"), str(tmp_path / f"{name}-1.1.0"))
    assert wrong == ["ValueError"] * 3
