"""The shared-memory queue: from the training process to the uploader, in memory that outlives both. See README.md."""

from .queue import SharedMemoryQueue

__all__ = ["SharedMemoryQueue"]
