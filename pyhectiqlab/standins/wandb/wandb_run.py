"""Run, where frameworks import it from."""

from .run import Run as Run

__all__ = ["Run"]
