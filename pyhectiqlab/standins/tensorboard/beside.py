"""The mirror of SummaryWriter: the real one goes on writing its files, and what it is given goes to a lab, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..quiet import mirror
from .writer import SummaryWriter

_mirrors: WeakKeyDictionary[Any, SummaryWriter] = WeakKeyDictionary()


def attach(module: Any) -> None:
    """Mirror the writers of a module that has just been imported: torch.utils.tensorboard or tensorboardX."""
    real = getattr(module, "SummaryWriter", None)
    if real is None:  # the package tensorboard itself, which has none
        return
    for name in vars(SummaryWriter):
        if name.startswith("add_") or name == "close":
            mirror(real, name, _calling(name))


def _calling(name: str) -> Callable[..., None]:
    def call(result: Any, writer: Any, *args: Any, **kwargs: Any) -> None:
        if writer not in _mirrors:
            folder = getattr(writer, "log_dir", None) or getattr(writer, "logdir", None)
            _mirrors[writer] = SummaryWriter(folder)
        if name == "add_figure":
            kwargs = {**kwargs, "close": False}  # the real one has closed it
            args = args[:3]
        getattr(_mirrors[writer], name)(*args, **kwargs)

    return call
