"""wandb.apis."""

from ..api import Api as PublicApi

__all__ = ["PublicApi"]
