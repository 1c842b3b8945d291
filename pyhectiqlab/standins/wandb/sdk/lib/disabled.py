"""RunDisabled, which frameworks compare with; runs are never of this class here."""

from __future__ import annotations


class RunDisabled:
    pass
