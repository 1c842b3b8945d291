"""What a script says of the run that it writes to, and the name that a run gets without one."""

from __future__ import annotations

import re

from .conftest import Site
from .test_ends import unique
from .test_modes import lines_of_ours


def test_a_script_says_which_run_it_writes_to_and_which_attempt_that_is(site: Site) -> None:
    name = unique("where")
    script = """
        import os, sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1], project="where", should_create_project=True)
        again = Run(sys.argv[1], project="where")  # as a cell that is run again
        if os.fork() == 0:
            run.add_metrics("x", 1, 1)
            os._exit(0)
        os.wait()
        """
    said = [lines_of_ours(site.run(script, name, HECTIQLAB_QUIET="0").stderr) for _ in range(2)]
    url = site.find(name)["url"]
    assert said == [
        [f"hectiqlab: new run {name} in where: {url}"],
        [f"hectiqlab: continues {name} as attempt 2: {url}"],
    ]
    assert lines_of_ours(site.run(script, name).stderr) == []  # HECTIQLAB_QUIET=1


def test_of_a_job_only_its_first_rank_says_so_and_who_joins_a_living_run_is_told(site: Site) -> None:
    name = unique("ranks")
    script = "import sys\nfrom pyhectiqlab import Run\nrun = Run(sys.argv[1])\nprint(flush=True)\nsys.stdin.read()"
    ranks = {"WORLD_SIZE": "2", "HECTIQLAB_QUIET": "0"}
    first = site.start(script, name, RANK="0", **ranks)
    assert first.stdout is not None and first.stdout.readline()
    second = site.run(script, name, RANK="1", **ranks)
    assert lines_of_ours(second.stderr) == []
    joined = site.run("from pyhectiqlab import Run; import sys; Run(sys.argv[1])", name, HECTIQLAB_QUIET="0")
    (line,) = lines_of_ours(joined.stderr)
    assert line.startswith(f"hectiqlab: joins {name}, which another process writes to: http")
    _, err = first.communicate(timeout=30)
    (line,) = lines_of_ours(err)
    assert line.startswith(f"hectiqlab: new run {name} in ")


def test_a_run_without_a_name_gets_one_that_is_new(site: Site) -> None:
    script = "from pyhectiqlab import Run\nfor name in ((), (None,)):\n    print(Run(*name).name)"
    done = site.run(script, HECTIQLAB_QUIET="0")
    first, second = done.stdout.split()
    for name in (first, second):
        assert re.fullmatch(r"[a-z]+-[a-z]+-\d{5}", name)
        assert f"hectiqlab: new run {name} in " in done.stderr
        assert site.find(name)["attempt"] == 1
    taken = site.run(f"""
        import pyhectiqlab.client.naming
        from pyhectiqlab import Run
        pyhectiqlab.client.naming.name_of = lambda seed: {first!r} if seed != b"free" else "of-its-own"
        seeds = iter([b"", b"", b"free"])
        pyhectiqlab.client.naming.random_name = lambda: pyhectiqlab.client.naming.name_of(next(seeds))
        run = Run()
        print(run.name, run.attempt, run.mode)
        """)
    assert taken.stdout == "of-its-own 1 online\n", taken.stderr
    assert site.find(first)["attempt"] == 1  # nobody continued it


def test_a_name_is_made_up_without_a_lab_too_and_arrives_by_a_sync(site: Site) -> None:
    script = "from pyhectiqlab import Run\nwith Run() as run:\n    run.add_metrics('x', 1, 1)\nprint(run.name)"
    done = site.run(script, HECTIQLAB_MODE="offline", HECTIQLAB_QUIET="0")
    name = done.stdout.strip()
    assert lines_of_ours(done.stderr) == [f"hectiqlab: new run {name}, kept here: `hectiqlab sync` pushes it."]
    assert site.cli("sync").returncode == 0
    assert site.find(name)["points"] == 1


def test_the_ranks_of_a_job_find_the_same_name_by_themselves_or_are_told_to_give_one(site: Site) -> None:
    script = "from pyhectiqlab import Run\nprint(Run().name)"
    torchrun = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": "0"}
    names = [site.run(script, RANK=str(rank), **torchrun).stdout for rank in (0, 1)]
    assert names[0] == names[1] != ""
    slurm = {"SLURM_NTASKS": "2", "SLURM_JOB_ID": unique("42"), "SLURM_STEP_ID": "0"}
    names += [site.run(script, SLURM_PROCID=str(rank), **slurm).stdout for rank in (0, 1)]
    assert names[2] == names[3] != names[0]
    alone = site.run(script, RANK="0", WORLD_SIZE="2")
    assert alone.returncode == 1 and "ValueError: a job of 2 ranks needs a name that all of them give" in alone.stderr
