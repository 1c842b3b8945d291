"""HECTIQLAB_BESIDE=accelerate: `Accelerator(log_with="hectiqlab")` is known."""

from __future__ import annotations

from typing import Any


def attach(tracking: Any) -> None:
    """Register the tracker with the module that has just been imported."""
    from ....integrations.accelerate import register

    register()
