"""Neptune Scale's stand-in: `from neptune_scale import Run` with HECTIQLAB_INSTEAD_OF=neptune_scale."""

from __future__ import annotations

from . import types
from .run import Run

__version__ = "0.30.0"  # of the Neptune Scale that this behaves as

__all__ = ["Run", "types"]
