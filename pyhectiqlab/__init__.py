"""pyhectiqlab: experiment tracking that never slows, stalls or breaks a training."""

import os
from typing import TYPE_CHECKING, Any

# What is loaded later is to be found from any folder: `python app.pyz` has a relative entry in sys.path.
__path__[:] = [os.path.abspath(path) for path in __path__]

from ._version import __version__  # noqa: E402
from .config import Config  # noqa: E402
from .profile import AuthProvider  # noqa: E402
from .run import Run  # noqa: E402

if TYPE_CHECKING:
    from .read.search import search_runs

__all__ = ["AuthProvider", "Config", "Run", "__version__", "search_runs"]


def __getattr__(name: str) -> Any:
    if name == "search_runs":  # a training reads nothing back: it need not load what does
        from .read.search import search_runs

        return search_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
