"""wandb.apis.public."""

from ..api import Api, File
from ..api import PublicRun as Run

__all__ = ["Api", "File", "Run"]
