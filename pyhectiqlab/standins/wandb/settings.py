"""Settings: what W&B's code is given and asks for. Few of them mean something here; the others are only kept."""

from __future__ import annotations

import os
from typing import Any


class Settings:
    """Takes any setting by name; one that was not given is None."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def update(self, given: Any = None, **more: Any) -> None:
        self.__dict__.update(given if isinstance(given, dict) else getattr(given, "__dict__", {}), **more)

    def get(self, name: str, default: Any = None) -> Any:
        return self.__dict__.get(name, default)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return os.environ.get(f"WANDB_{name.upper()}")

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def of_environment(name: str, given: Any = None) -> Any:
    """Return what was given, else what the environment says."""
    return given if given is not None else os.environ.get(name) or None
