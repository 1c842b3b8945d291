"""Table, where frameworks import it from."""

from ...data_types import Table as Table

__all__ = ["Table"]
