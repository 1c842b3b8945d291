"""Summary, where frameworks import it from."""

from ..summary import Summary as Summary

__all__ = ["Summary"]
