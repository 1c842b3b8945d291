"""wandb.sdk.data_types.base_types.wb_value: the class of all media, which Ray's callback asks for."""

from __future__ import annotations

from ....data_types import WBValue

__all__ = ["WBValue"]
