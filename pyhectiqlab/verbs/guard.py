"""The guard around verbs: when the lab, the disk or our own code fails, nothing raises into training code."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..client.saying import say_once

_NOT_THE_FILE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}

_OURS = __name__.partition(".")[0] + "."

_F = TypeVar("_F", bound=Callable[..., Any])


def opaque(method: _F) -> _F:
    """Set the attribute that makes torch.compile step over a method instead of tracing into it."""
    method._torchdynamo_disable = True  # type: ignore[attr-defined]
    return method


def never_breaks(method: _F) -> _F:
    """Guard a method. An error of ours is printed once and never reaches training code. A mistake in the call does:
    TypeError and ValueError (RunClosedError is a ValueError).
    """

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except (TypeError, ValueError):
            raise
        except Exception as e:
            say_once(f"internal error in Run.{method.__name__}, the call did nothing: {type(e).__name__}: {e}")
            return None

    return opaque(guarded)  # type: ignore[return-value]


def raises_of_files(method: _F) -> _F:
    """Guard a verb that raises OSError if something is wrong with the user's file. If this process can open no more
    files, the verb does not raise, even if for this reason a module of ours cannot be imported.
    """

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except OSError as e:
            if e.errno not in _NOT_THE_FILE:
                raise
            say_once(f"Run.{method.__name__} did nothing: {e.strerror}. Open fewer files, or raise the limit (ulimit).")
            return None
        except ImportError as e:
            if not (e.name or "").startswith(_OURS):  # a library that the user has to install
                raise
            say_once(f"internal error in Run.{method.__name__}, the call did nothing: {type(e).__name__}: {e}")
            return None

    return opaque(guarded)  # type: ignore[return-value]
