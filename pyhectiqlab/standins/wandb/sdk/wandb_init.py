"""init, where frameworks import it from."""

from ..beginning import init as init

__all__ = ["init"]
