"""The guard around verbs: a broken lab, disk or helper of ours never raises into training code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..session import say_once

_F = TypeVar("_F", bound=Callable[..., Any])


def never_breaks(method: _F) -> _F:
    """What is wrong with us is said once and never reaches training code; what is wrong with the call does: TypeError
    and ValueError
    (RunClosedError is one)."""

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except (TypeError, ValueError):
            raise
        except Exception as e:
            say_once(f"internal error in Run.{method.__name__}, the call did nothing: {type(e).__name__}: {e}")
            return None

    return guarded  # type: ignore[return-value]
