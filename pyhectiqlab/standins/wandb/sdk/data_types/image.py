"""Image, where frameworks import it from."""

from ...data_types import Image as Image

__all__ = ["Image"]
