"""LabCallback: the callback of Keras, by the name that older scripts import."""

from __future__ import annotations

from typing import Any

from .integrations.keras import HectiqlabCallback
from .run import Run

__all__ = ["LabCallback"]


class LabCallback(HectiqlabCallback):
    """Log a training with Keras to a run: `model.fit(x, y, callbacks=[LabCallback(run)])`.

    Otherwise as `pyhectiqlab.integrations.keras.HectiqlabCallback`, which makes a run if none is given.
    """

    def __init__(self, run: Run | None = None, **options: Any) -> None:
        super().__init__(run=run, **options)
