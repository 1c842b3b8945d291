"""Config, where frameworks import it from."""

from ..config import Config as Config

__all__ = ["Config"]
