"""neptune.utils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stringify_unsupported(value: Any, expand: bool = False) -> Any:
    """Return the value as it is: values that have no type here are stored as their texts."""
    return dict(value) if isinstance(value, Mapping) else value
