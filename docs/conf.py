"""The documentation site, built by Sphinx (scripts/docs). Pages are Markdown; the API reference is the docstrings.

The source folder is the repository itself, so that links between pages work here as they do on the disk: `docs/` has
the guides, and the pages for developers lie beside the code that they are about.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

import pyhectiqlab

project = "pyhectiqlab"
version = release = pyhectiqlab.__version__
copyright = "the authors of pyhectiqlab"
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "docs/**.md",
    "pyhectiqlab/*/FORMAT.md",
    "pyhectiqlab/*/README.md",
    "pyhectiqlab/store/*/README.md",
    "pyhectiqlab/store/CONTRACT.md",
]
exclude_patterns = [".*", "**/.*", "**/node_modules", "build"]  # the first for .venv and its like in the repository

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3  # links such as reference.md#search-terms
# What integrations need and CI may lack.
autodoc_mock_imports = [
    "fastai", "hydra", "ignite", "keras", "lightgbm", "lightning", "omegaconf", "optuna", "pytorch_lightning", "ray",
    "sklearn", "stable_baselines3", "transformers", "ultralytics", "xgboost",
]  # fmt: skip
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries_show_parents = "hide"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"pyhectiqlab {version}"
html_copy_source = html_show_sourcelink = False


def restructured(lines: list[str]) -> list[str]:
    """Return a docstring of ours as reStructuredText: `code` as a literal, an indented example as a block of code."""
    found: list[str] = []
    left = list(lines)
    while left:
        line = left.pop(0)
        if line.startswith("    ") and found and not found[-1]:  # the lines of "Args:" follow it without an empty one
            block = [line]
            while left and (left[0].startswith("    ") or not left[0]):
                block.append(left.pop(0))
            found += [f".. code-block:: {_language(block)}", "", *block, ""]
        else:
            found.append(re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line))
    return found


def _language(block: list[str]) -> str:
    try:
        ast.parse(textwrap.dedent("\n".join(block)))
    except SyntaxError:
        return "text"  # a drawing
    return "python"


def _process(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = restructured(lines)
    if what in ("attribute", "property"):
        lines.insert(0, "")  # else napoleon takes what stands before a colon in the first line for a type


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon
