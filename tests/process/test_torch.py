"""With PyTorch: tensors as values, DataLoader workers that log, ranks under torchrun.

Its own extra; skipped where torch is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import Site
from .test_ends import unique

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install '.[torch]'"
)


def test_tensors_of_one_element_are_values_and_steps(site: Site) -> None:
    name = unique("tensors")
    script = """
    import sys, torch
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    run.add_metrics("loss", torch.tensor(0.5, requires_grad=True), torch.tensor(3))
    run.add_metrics({"loss": torch.tensor(0.25, dtype=torch.bfloat16), "n": torch.tensor(7)}, step=4)
    head = torch.nn.Linear(3, 1)(torch.ones(1, 3))
    run.add_metrics("head", head, torch.tensor([5]))
    run.add_metrics("head", head.mean(dim=0), torch.tensor([[6]]))
    for several in (torch.ones(2), torch.empty(0), torch.empty((), device="meta")):
        try:
            run.add_metrics("loss", several, 5)
        except TypeError as e:
            print(e)
    """
    done = site.run(script, name)
    assert done.returncode == 0 and "shape (2,)" in done.stdout and "shape (0,)" in done.stdout, done.stderr
    assert "cannot be read" in done.stdout
    site.ended(name)
    assert [s for s, _, _ in site.points(name, "head")] == [5, 6]
    assert [(s, v) for s, v, _ in site.points(name, "loss")] == [(3, 0.5), (4, 0.25)]
    assert [(s, v) for s, v, _ in site.points(name, "n")] == [(4, 7.0)]


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_step_logs_each_time_it_runs_and_its_graph_stays_whole(site: Site, backend: str) -> None:
    name = unique("compiled")
    script = f"""
    import sys, torch
    from pyhectiqlab import Run
    from torch._dynamo.utils import counters
    run = Run(sys.argv[1])
    layer = torch.nn.Linear(4, 4)

    def step(x, i):
        loss = layer(x).pow(2).mean()
        run.add_metrics("loss", loss, step=i)
        run.add_metrics({{"double": loss * 2, "whole": 3, "half": 0.5}}, i)
        run.add_metrics("counted", loss)
        run.add_metrics("at", loss, step=torch.tensor([i]))
        return loss * 2

    whole = torch.compile(step, backend={backend!r}, fullgraph=True)
    losses = []
    for i in range(5):
        x = torch.full((3, 4), float(i))
        whole(x, i).backward()
        losses.append(float(layer(x).pow(2).mean()))
    assert counters["stats"]["unique_graphs"] <= 2, counters["stats"]

    def breaks(x, i):  # its graph, where a tag is added
        y = x * 2
        run.add_metrics("odd", y.sum(), step=float(i))
        log = run.add_metrics
        run.add_tag("compiled")
        log("behind a break", y.sum(), i)
        run.flush(5)
        return y

    broken = torch.compile(breaks, backend={backend!r})
    for i in range(3):
        broken(torch.ones(2), i)
    try:
        torch.compile(lambda x: run.add_metrics("several", x), backend={backend!r})(torch.ones(2))
    except TypeError as e:
        assert "shape (2,)" in str(e)
    else:
        raise AssertionError
    print(losses)
    """
    done = site.run(script, name, timeout=110)
    assert done.returncode == 0, done.stderr
    site.ended(name)
    losses = json.loads(done.stdout.splitlines()[-1])
    for key, factor in (("loss", 1), ("double", 2), ("counted", 1), ("at", 1)):
        assert [s for s, _, _ in site.points(name, key)] == list(range(5)), key
        assert [v for _, v, _ in site.points(name, key)] == pytest.approx([factor * v for v in losses], rel=1e-5)
    assert [(s, v) for s, v, _ in site.points(name, "half")] == [(i, 0.5) for i in range(5)]
    assert [(s, v) for s, v, _ in site.points(name, "odd")] == [(i, 4.0) for i in range(3)]
    assert [(s, v) for s, v, _ in site.points(name, "behind a break")] == [(i, 4.0) for i in range(3)]


@pytest.mark.parametrize(
    ("context", "workers"), [("fork", 4), ("spawn", 2), pytest.param("forkserver", 4, marks=pytest.mark.slow)]
)
def test_dataloader_workers_log_to_the_run_and_their_ends_do_not_end_it(
    site: Site, tmp_path: Path, context: str, workers: int
) -> None:
    name = unique(context)
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import sys, torch
        from pyhectiqlab import Run

        class Numbers(torch.utils.data.Dataset):
            def __init__(self, run):
                self.run = run
            def __len__(self):
                return 400
            def __getitem__(self, i):
                worker = torch.utils.data.get_worker_info().id
                self.run.add_metrics(f"worker/{worker}", float(i), i)
                return float(i)

        if __name__ == "__main__":
            run = Run(sys.argv[1])
            for epoch in range(2):  # the workers of each epoch are new processes
                loader = torch.utils.data.DataLoader(
                    Numbers(run), batch_size=10, num_workers=int(sys.argv[3]), multiprocessing_context=sys.argv[2]
                )
                for step, batch in enumerate(loader):
                    run.add_metrics("batch", batch.sum(), step)
            run.training()
        """)
    )
    command = [sys.executable, str(script), name, context, str(workers)]
    done = subprocess.run(command, env=site.env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert run["state"] == "completed"
    assert len(site.points(name, "batch")) == 80
    steps = sorted(s for w in range(workers) for s, _, _ in site.points(name, f"worker/{w}"))
    assert steps == sorted([*range(400), *range(400)])


def test_torchrun_ranks_share_a_run_and_a_restart_is_a_new_attempt(site: Site, tmp_path: Path) -> None:
    name = unique("torchrun")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, time
        from pyhectiqlab import Run
        first, rank = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0", int(os.environ["RANK"])
        while rank == 1 and not first and not os.path.exists(sys.argv[2]):
            time.sleep(0.01)  # rank 1 is late: rank 0 has ended before it
        run = Run(sys.argv[1])
        for step in range(50 if first else 40, 60):
            run.add_metrics("loss", float(run.rank), step)
        assert run.flush(30)
        if first and rank == 1:
            sys.exit(1)
        if not first and rank == 0:
            run.close()
            assert run.flush(30)
            open(sys.argv[2], "w").close()
        """)
    )
    arguments = ["--standalone", "--nproc-per-node=2", "--max-restarts=1", "--monitor-interval=0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *arguments, str(script), name, str(tmp_path / "ended")]
    done = subprocess.run(command, env=site.env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert (run["state"], run["attempt"], run["ranks"]) == ("completed", 2, 2)
    for rank in range(2):
        assert [s for s, _, r in site.points(name, "loss") if r == rank] == [*range(50, 60), *range(40, 60)]
