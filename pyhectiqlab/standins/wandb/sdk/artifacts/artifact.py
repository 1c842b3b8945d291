"""Artifact, where frameworks import it from."""

from ...artifacts import Artifact as Artifact

__all__ = ["Artifact"]
