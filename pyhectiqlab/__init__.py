"""pyhectiqlab: experiment tracking that never slows, stalls or breaks a training."""

from ._version import __version__
from .config import Config
from .profile import AuthProvider
from .run import Run

__all__ = ["AuthProvider", "Config", "Run", "__version__"]
