"""The mirror of Neptune's fields: the real run goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ..quiet import mirror
from .run import Run

_mirrors: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()
CALLS = ("assign", "append", "log", "extend", "add", "upload_files")


def attach(neptune: Any) -> None:
    """Mirror the runs of a module `neptune` that has just been imported."""
    mirror(neptune.Run, "__init__", _begun)
    mirror(neptune.Run, "stop", _stopped)
    field = neptune.handler.Handler
    for name in CALLS:
        mirror(field, name, _calling(name))


def _begun(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    names = ("project", "custom_run_id", "name", "description", "tags")
    _mirrors[run] = Run(**{name: kwargs[name] for name in names if name in kwargs}, capture_stdout=False)


def _calling(name: str) -> Any:
    def call(result: Any, field: Any, *args: Any, **kwargs: Any) -> None:
        run = _mirrors.get(getattr(field, "_container", None))
        if run is not None:
            getattr(run[str(field._path)], name)(*args, **kwargs)

    return call


def _stopped(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).stop()
