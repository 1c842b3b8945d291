"""pyhectiqlab: experiment tracking that never slows, stalls or breaks a training."""

from ._version import __version__

__all__ = ["__version__"]
