"""Modules of W&B that frameworks import names from."""

from .disabled import RunDisabled

__all__ = ["RunDisabled"]
