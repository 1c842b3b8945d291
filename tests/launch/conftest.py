"""`hectiqlab run` against the real lab."""

from __future__ import annotations

from ..process.conftest import Site, lab, site

__all__ = ["Site", "lab", "site"]
