"""pyhectiqlab: experiment tracking that never slows, stalls or breaks a training."""

import os
from typing import TYPE_CHECKING, Any

# Modules that are loaded later must be found from any folder, but `python app.pyz` has a relative entry in sys.path.
__path__[:] = [os.path.abspath(path) for path in __path__]

from ._version import __version__  # noqa: E402
from .config import Config  # noqa: E402
from .profile import AuthProvider  # noqa: E402
from .run import Run  # noqa: E402

if TYPE_CHECKING:
    from .read.search import search_runs

__all__ = ["AuthProvider", "Config", "Run", "__version__", "search_runs"]


def __getattr__(name: str) -> Any:
    if name == "search_runs":  # loaded when it is used: a training reads nothing back
        from .read.search import search_runs

        return search_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
