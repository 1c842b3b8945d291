"""Scripts that tell what surrounds them: config, packages, repositories, paper, name; seen at the real lab."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site
from .test_ends import unique


def test_values_of_a_config_come_back_as_they_went_in(site: Site) -> None:
    name = unique("config")
    script = """
        import sys
        from pyhectiqlab import Config, Run
        from pyhectiqlab.utils import run_config
        run = Run(sys.argv[1])
        nan, inf = float("nan"), float("inf")
        given = Config(i=3, f=1.0, nan=nan, inf=-inf, t=True, n=None, s="NaN", l=[1, 2.5, "x"], m=Config(a=Config(b=1)))
        run.add_config(given)
        run.add_config({"m": {"c": 2}, "i": 4})
        given.m.push_as_meta(run, "model")
        assert run.flush()
        stored = run_config(run.id)
        assert type(stored.i) is int and type(stored.f) is float and stored.t is True and stored.nan != stored.nan
        stored.pop("nan"), given.pop("nan")
        given.i, given.m.c = 4, 2
        assert stored == given, (stored, given)
        """
    done = site.run(script, name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert site.find(name)["meta"] == {"model/a/b": 1}


def test_a_second_run_of_a_script_hides_nothing_of_the_configs_of_the_first(site: Site) -> None:
    name = unique("again")
    script = """
        import sys
        from pyhectiqlab import Run
        with Run(sys.argv[1]) as run:
            if len(sys.argv) > 2:
                run.add_config({"lr": float(sys.argv[2]), "only": {sys.argv[2]: True}})
                run.add_meta("lr", sys.argv[2])
        """
    for arguments in (["0.1"], ["0.2"], []):  # the third is a job that was restarted and reports no config
        done = site.run(script, name, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    look = """
        import sys
        from pyhectiqlab import Run
        from pyhectiqlab.utils import run_config
        view = Run.existing(sys.argv[1])
        assert view.attempt == 3
        first, second = {"lr": 0.1, "only": {"0.1": True}}, {"lr": 0.2, "only": {"0.2": True}}
        assert view.configs() == {1: first, 2: second}, view.configs()
        assert view.metas() == {1: {"lr": "0.1"}, 2: {"lr": "0.2"}}
        assert run_config(view.id, attempt=1) == first and run_config(view.id, attempt=3) == second
        assert view.config == run_config(view.id) == {"lr": 0.2, "only": {"0.1": True, "0.2": True}}
        assert view.meta == {"lr": "0.2"}
        """
    done = site.run(look, name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_a_config_of_45_000_leaves_arrives_whole(site: Site) -> None:
    name = unique("large-config")
    script = """
        import sys
        from pyhectiqlab import Run
        from pyhectiqlab.utils import run_config
        run = Run(sys.argv[1])
        config = {f"k{i}": i for i in range(25_000)} | {"deep": {"er": {f"n{i}": float(i) for i in range(20_000)}}}
        run.add_config(config)
        assert run.flush(60)
        assert run_config(run.id) == config
        """
    done = site.run(script, name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def _repository(folder: Path, script: str) -> str:
    """Make a project with an installed-like package that was changed since its commit. Return the commit."""
    (folder / "voxnet").mkdir(parents=True)
    (folder / "voxnet" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (folder / "train.py").write_text(script)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("remote", "add", "origin", "https://me:s3cret@example.org/team/project.git")
    (folder / "train.py").write_text(script + "# changed\n")
    return git("rev-parse", "HEAD")


TRAIN = """
import json, sys
import msgpack, requests
from pyhectiqlab import Run
run = Run(sys.argv[1])
versions = run.add_package_versions(globals())
repo = run.add_package_repo_state("voxnet")
try:
    run.add_package_repo_state("no_such_package")
except ValueError as e:
    print(e, file=sys.stderr)
try:
    run.add_package_repo_state("requests")
except ValueError as e:
    print(e, file=sys.stderr)
print(json.dumps([versions, repo]))
"""


def _train(site: Site, folder: Path, name: str, **env: str) -> tuple[list[Any], str]:
    script = "import runpy, sys; sys.path.insert(0, sys.argv[2]); runpy.run_path(sys.argv[3], run_name='__main__')"
    done = site.run(script, name, str(folder), str(folder / "train.py"), **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_versions_machine_and_repository_are_returned_and_stored(site: Site, tmp_path: Path) -> None:
    commit, name = _repository(tmp_path / "project", TRAIN), unique("capture")
    env = {"OMP_NUM_THREADS": "2", "HF_TOKEN": "hush-hush", "MY_DATA": "/data", "HECTIQLAB_VARIABLES": "MY_*"}
    (versions, repo), errors = _train(site, tmp_path / "project", name, **env)
    origin = "https://example.org/team/project.git"
    assert versions["git"] == {"hash": commit, "origin": origin, "branch": "main", "dirty": True}
    assert versions["packages"].keys() == {"msgpack", "requests", "pyhectiqlab"}
    assert versions["python"].count(".") == 2 and versions["system"]["memory_bytes"] > 0
    assert repo == {"branch": "main", "commit": commit, "remote": origin, "dirty": True}
    assert versions["command"].endswith(f" {name} {tmp_path / 'project'} {tmp_path / 'project' / 'train.py'}")
    assert versions["variables"].items() >= {"OMP_NUM_THREADS": "2", "MY_DATA": "/data"}.items()
    assert "no package 'no_such_package'" in errors and "'requests' is not in a git repository" in errors

    site.ended(name)
    run = site.find(name)
    captured = run["capture"]["packages"]
    assert captured["packages"] == versions["packages"] and captured["git"]["hash"] == commit
    assert captured["command"] == versions["command"] and captured["variables"] == versions["variables"]
    assert "diff" not in captured["git"] and captured["git"]["diff_length"] > 0
    assert run["capture"]["repos"]["voxnet"]["commit"] == commit
    with site.client() as client:
        whole = client.get(f"/runs/{run['id']}/capture")
        events = json.dumps([*client.pages(f"/runs/{run['id']}/events")])
    assert "+# changed" in whole["packages"]["git"]["diff"] and "+# changed" in whole["repos"]["voxnet"]["diff"]
    assert "s3cret" not in events and "hush-hush" not in events


def test_a_script_outside_a_repository_and_one_without_git_get_an_answer(site: Site, tmp_path: Path) -> None:
    script = TRAIN.replace('"voxnet"', '"pyhectiqlab"')
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "train.py").write_text(script)
    (versions, _), _ = _train(site, tmp_path / "alone", unique("alone"))
    assert versions["git"] == {}
    (versions, repo), errors = _train(site, tmp_path / "alone", unique("no-git"), PATH=str(tmp_path))
    assert versions["git"] == {} and repo == dict.fromkeys(["branch", "commit", "remote", "dirty"])
    assert errors.count("git is not installed") == 3  # one line for each repository


@pytest.mark.parametrize("mode", ["dry", "offline"])
def test_every_call_gives_its_kind_of_answer_without_a_lab(site: Site, mode: str) -> None:
    script = """
        from pyhectiqlab import Run
        run = Run("without a lab")
        run.add_config({"a": 1})
        assert run.add_package_versions()["packages"]["msgpack"]
        assert run.add_package_repo_state.__name__
        assert run.rename("another") is False and run.name == "without a lab"
        run.set_paper("text")
        """
    done = site.run(script, HECTIQLAB_MODE=mode)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("only the lab can rename it") == 1


def test_a_run_gets_another_name_and_a_paper(site: Site) -> None:
    name, taken = unique("named"), unique("taken")
    script = """
        import sys
        from pyhectiqlab import Run
        from pyhectiqlab.paper import PaperContent
        Run(sys.argv[2]).close()
        run = Run(sys.argv[1])
        for wrong in (sys.argv[2], "", "new\\nline"):
            try:
                run.rename(wrong)
            except ValueError as e:
                print(e)
        assert run.rename(sys.argv[1] + "-renamed") and run.name == sys.argv[1] + "-renamed"
        run.add_metrics("loss", 1.0, 1)
        run.set_paper("draft")
        run.set_paper(PaperContent().add_title("Results").add_list(["a", "b"]))
        """
    done = site.run(script, name, taken)
    assert done.returncode == 0, done.stderr
    errors = done.stdout.splitlines()
    assert len(errors) == 3 and "choose another name" in errors[0] and "empty" in errors[1]
    site.ended(name + "-renamed")
    run = site.find(name + "-renamed")
    assert run["paper"] == "# Results\n\n- a\n- b" and run["points"] == 1


def test_the_metrics_cache_folds_in_forked_children_too_and_tells_how_many(site: Site) -> None:
    name = unique("cache")
    script = """
        import os, sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1])
        run.set_metrics_cache_settings(aggr="sum", max_cache_length=10)
        run.set_metrics_cache_settings(max_cache_timeout=60.0)  # leaves the others as they are
        for step in range(1000):
            run.add_metrics("loss", 1.0, step)
        if os.fork() == 0:
            for step in range(1000):
                run.add_metrics("child", 1.0, step)
            run.flush()
            os._exit(0)
        os.wait()
        run.set_metrics_cache_settings(aggr="none")
        for step in range(10):
            run.add_metrics("all", 1.0, step)
        """
    done = site.run(script, name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    site.ended(name)
    run = site.find(name)
    for key in ("loss", "child"):
        values = [value for _, value, _ in site.points(name, key)]
        assert sum(values) == 1000 and max(values) == 10 and len(values) < 150
    assert len(site.points(name, "all")) == 10 and run["losses"] == {}
    with site.client() as client:
        items = [e["fields"]["count"] for e in client.pages(f"/runs/{run['id']}/events", {"kind": "aggregated"})]
    assert sum(items) + run["points"] == 2010
