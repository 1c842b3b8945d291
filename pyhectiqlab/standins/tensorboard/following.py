"""sync_tensorboard: a run of W&B's stand-in that gets what SummaryWriters are given."""

from __future__ import annotations

import sys
from typing import Any

from ...run import Run
from ..opening import share
from .beside import attach

MODULES = ("torch.utils.tensorboard", "tensorboardX")


def follow(run: Run) -> None:
    """Log to `run` what writers of this process get from now on: those of the stand-in, and real ones by a mirror."""
    share(run)
    for name in MODULES:
        if name in sys.modules:
            attach(sys.modules[name])
    for finder in sys.meta_path:
        named: Any = getattr(finder, "beside", None)
        if type(finder).__module__ == "_hectiqlab_hook" and "tensorboard" not in [*finder.instead_of, *named]:  # type: ignore[attr-defined]
            named.append("tensorboard")
