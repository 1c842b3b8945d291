"""ConfigError, where frameworks import it from."""

from __future__ import annotations

from ...errors import Error


class ConfigError(Error):
    """A value of the config would change."""
