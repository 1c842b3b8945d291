"""Video, where frameworks import it from."""

from ...data_types import Video as Video

__all__ = ["Video"]
