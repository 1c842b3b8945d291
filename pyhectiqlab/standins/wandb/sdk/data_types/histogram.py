"""Histogram, where frameworks import it from."""

from ...data_types import Histogram as Histogram

__all__ = ["Histogram"]
