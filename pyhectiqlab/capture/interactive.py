"""Find out whether this process is interactive, and which cell of a notebook runs."""

from __future__ import annotations

import sys
from typing import Any


def ipython() -> Any:
    """Return the shell of a notebook or of IPython; None elsewhere."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def is_interactive() -> bool:
    """Return whether this is a notebook, IPython or Python's own prompt."""
    return ipython() is not None or hasattr(sys, "ps1") or bool(sys.flags.interactive)


def cell() -> int | None:
    """Return the number of the cell that runs; None where there are no cells. A cell gets a new number each time that
    it runs.
    """
    number = getattr(ipython(), "execution_count", None)
    return number if isinstance(number, int) else None
