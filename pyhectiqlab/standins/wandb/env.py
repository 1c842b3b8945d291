"""wandb.env: names of variables, and functions that set them."""

from __future__ import annotations

import os
from typing import Any

PROJECT, ENTITY, API_KEY, MODE, RUN_ID, RUN_GROUP = (
    f"WANDB_{name}" for name in ("PROJECT", "ENTITY", "API_KEY", "MODE", "RUN_ID", "RUN_GROUP")
)


def set_project(value: str, env: Any = None) -> None:
    (os.environ if env is None else env)[PROJECT] = value


def set_entity(value: str, env: Any = None) -> None:
    (os.environ if env is None else env)[ENTITY] = value


def get_project(default: str | None = None, env: Any = None) -> str | None:
    value: str | None = (os.environ if env is None else env).get(PROJECT, default)
    return value


def get_entity(default: str | None = None, env: Any = None) -> str | None:
    value: str | None = (os.environ if env is None else env).get(ENTITY, default)
    return value
