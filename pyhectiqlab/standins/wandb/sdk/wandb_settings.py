"""Settings, where frameworks import it from."""

from ..settings import Settings as Settings

__all__ = ["Settings"]
