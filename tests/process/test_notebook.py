"""In a notebook, by a real Jupyter kernel: a cell run again adds no process, an error in a cell is not the end."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import Site
from .test_ends import unique


def test_a_cell_run_again_in_a_real_kernel_adds_no_process_and_a_cell_that_fails_does_not_end_the_run(
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
assert run.flush(30)
print(run.status().uploader_pid)
"""
    cells = [cell, cell, "1 / 0", cell, "run"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=60, allow_errors=True, kernel_name="python3").execute()
    outputs = [c.outputs for c in notebook.cells]
    pids = {outputs[i][0]["text"] for i in (0, 1, 3)}
    assert len(pids) == 1, outputs
    assert outputs[2][0]["output_type"] == "error"
    assert "<a href=" in outputs[4][0]["data"]["text/html"]
    run = site.ended(name, 60)
    assert (run["points"], run["attempt"], run["writers"]) == (30, 1, 1)
    assert run["state"] in ("completed", "killed", "stopped"), run  # as the kernel was ended; not failed by the cell
