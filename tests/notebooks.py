"""Notebooks: made, read, and run in a real kernel.

nbformat and nbclient are imported when they are needed: they take a second and a half, which each process that collects
the tests would pay.
"""

from __future__ import annotations

from typing import Any


def new_notebook(*cells: str, text: str = "") -> Any:
    """Return a notebook of code cells; of a cell of text before them, where one is given."""
    from nbformat import v4

    before = [v4.new_markdown_cell(text)] if text else []
    return v4.new_notebook(cells=[*before, *(v4.new_code_cell(cell) for cell in cells)])


def run_notebook(notebook: Any, timeout: float = 60, **options: Any) -> list[list[Any]]:
    """Run all cells in a kernel. Return the outputs of each, in which all that it printed to a stream is one. Raises
    where a cell fails, without `allow_errors`.
    """
    from nbclient import NotebookClient

    # A kernel sends what was printed so far every 0.2 s, so a line may come in two outputs.
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", coalesce_streams=True, **options).execute()
    return [cell.outputs for cell in notebook.cells]


def read_notebook(data: bytes) -> Any:
    import nbformat

    notebook = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(notebook)
    return notebook
