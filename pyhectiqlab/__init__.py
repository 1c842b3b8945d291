"""pyhectiqlab: experiment tracking that never slows, stalls or breaks a training."""

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .config import Config
from .profile import AuthProvider
from .run import Run

if TYPE_CHECKING:
    from .read.search import search_runs

__all__ = ["AuthProvider", "Config", "Run", "__version__", "search_runs"]


def __getattr__(name: str) -> Any:
    if name == "search_runs":  # a training reads nothing back: it need not load what does
        from .read.search import search_runs

        return search_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
