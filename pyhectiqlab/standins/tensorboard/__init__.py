"""TensorBoard's stand-in: SummaryWriter, as torch.utils.tensorboard and tensorboardX have it, reporting to a lab."""

from __future__ import annotations

from . import summary, writer
from .writer import FileWriter, SummaryWriter

__version__ = "2.20.0"  # of the TensorBoard that this behaves as

__all__ = ["FileWriter", "SummaryWriter", "__version__", "summary", "writer"]
