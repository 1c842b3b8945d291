"""Bits of wandb.util that frameworks touch."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from .sdk.lib.runid import generate_id

__all__ = ["auto_project_name", "class_colors", "generate_id", "json_dumps_safer", "make_artifact_name_safe"]


def random_string(length: int = 12) -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def make_artifact_name_safe(name: str) -> str:
    from .artifacts import registered_name

    return registered_name(name)[:128]


def auto_project_name(program: str | None = None) -> str:
    return "uncategorized"


def json_dumps_safer(obj: Any, **options: Any) -> str:
    return json.dumps(obj, default=str, **options)


def class_colors(class_count: int) -> list[list[int]]:
    return [[i * 255 // max(1, class_count), 128, 255 - i * 255 // max(1, class_count)] for i in range(class_count)]


def get_module(name: str, required: Any = None, lazy: bool = True) -> Any:
    """Return a module; None if it is not installed. `required`: raise an Error that says so instead."""
    import importlib

    from .errors import Error

    try:
        return importlib.import_module(name)
    except ImportError:
        if required:
            raise Error(str(required)) from None
        return None


def is_pytorch_tensor(obj: Any) -> bool:
    return type(obj).__module__ == "torch"


def is_numpy_array(obj: Any) -> bool:
    return type(obj).__module__ == "numpy" and type(obj).__name__ == "ndarray"
