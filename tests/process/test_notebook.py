"""In a notebook, by a real Jupyter kernel: a cell run again adds no process, an error in a cell is not the end."""

from __future__ import annotations

import pytest

from ..notebooks import new_notebook, run_notebook
from .conftest import Site
from .test_ends import unique


def test_a_cell_run_again_in_a_real_kernel_is_the_next_attempt_of_the_run_and_no_process_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("notebook")
    for variable, value in site.env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("CI", raising=False)
    cell = f"""
from pyhectiqlab import Run
run = Run({name!r})
for step in range(10):
    run.add_metrics("loss", float(step), step)
assert Run({name!r}).attempt == run.attempt  # the same cell, the same life
assert run.flush(30)
print(run.attempt, run.status().uploader_pid)
"""
    older = """
assert old.attempt == run.attempt
old.add_metrics("old", 1.0, 0)
old.start_recording_logs().info("said by the older one")
assert old.flush(30)
"""
    cells = [cell, "old = run", cell, "1 / 0", cell, older, "run"]
    outputs = run_notebook(new_notebook(*cells), allow_errors=True)
    items = [outputs[i][0]["text"].split() for i in (0, 2, 4)]
    assert [attempt for attempt, _ in items] == ["1", "2", "3"]
    assert len({pid for _, pid in items}) == 1, outputs
    assert outputs[3][0]["output_type"] == "error"
    assert not any(output["output_type"] == "error" for output in outputs[5]), outputs[5]
    assert "<a href=" in outputs[6][0]["data"]["text/html"]
    run = site.ended(name, 60)
    assert (run["points"], run["attempt"], run["writers"]) == (31, 3, 3)
    assert run["state"] in ("completed", "killed", "stopped"), run  # as the kernel was ended; the cell did not fail
    assert [s["cause"] for s in run["sessions"][:2]] == ["opened again"] * 2
    assert [s["state"] for s in run["sessions"][:2]] == ["completed"] * 2
    with site.client() as client:
        pages = list(client.points(run["id"], "loss"))
        (old,) = [a for page in client.points(run["id"], "old") for a in page.attempt]
    items = [(a, s) for page in pages for a, s in zip(page.attempt, page.step, strict=True)]
    assert sorted(items) == [(attempt, step) for attempt in (1, 2, 3) for step in range(10)]
    assert old == 3
