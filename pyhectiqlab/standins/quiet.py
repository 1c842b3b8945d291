"""How stand-ins fail: nothing raises into a training; what a stand-in cannot do is said once and does nothing."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..client.saying import say_once

_F = TypeVar("_F", bound=Callable[..., Any])
_here = threading.local()


def cannot(tracker: str, what: str, instead: str = "") -> None:
    """Say once that a call of a tracker does nothing here."""
    say_once(f"{tracker}: {what} does nothing here{f'; {instead}' if instead else ''}.")


def harmless(function: _F) -> _F:
    """Return a function that never raises: an error is said once, and the call returns None."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as e:
            say_once(f"{function.__qualname__} of a stand-in did not log all: {type(e).__name__}: {e}")
            return None

    return guarded  # type: ignore[return-value]


class Nothing:
    """What a call returns that does nothing: empty and false, and so are its attributes, its items and what its calls
    return. As a decorator it leaves a function as it is.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if len(args) == 1 and not kwargs and inspect.isfunction(args[0]) else self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return ""


NOTHING = Nothing()


def inert(tracker: str, name: str, instead: str = "") -> Callable[..., Any]:
    """Return a function that takes anything, says once that it does nothing, and returns NOTHING; as a decorator, it
    returns the function.
    """

    def nothing(*args: Any, **kwargs: Any) -> Any:
        cannot(tracker, f"{name}()", instead)
        return NOTHING(*args, **kwargs)

    nothing.__name__ = name.rpartition(".")[2]
    return nothing


def mirror(owner: Any, name: str, call: Callable[..., Any]) -> None:
    """Have a function or method `name` of a tracker also call `call(result, *arguments)`, after it has returned. Calls
    that the tracker makes of itself meanwhile are not mirrored again. Nothing that `call` raises gets out.
    """
    real = getattr(owner, name, None)
    if real is None or getattr(real, "_hectiqlab", False):
        return

    @functools.wraps(real)
    def both(*args: Any, **kwargs: Any) -> Any:
        if getattr(_here, "inside", False):
            return real(*args, **kwargs)
        _here.inside = True  # no context manager: this stands around every wandb.log
        try:
            result = real(*args, **kwargs)
            try:
                call(result, *args, **kwargs)
            except Exception as e:
                say_once(f"{name}() is not mirrored to the lab: {type(e).__name__}: {e}")
        finally:
            _here.inside = False
        return result

    both._hectiqlab = True  # type: ignore[attr-defined]
    setattr(owner, name, both)


def mirror_setter(owner: Any, name: str, call: Callable[[Any, Any], Any]) -> None:
    """Have the setter of a property of a tracker also call `call(object, value)`. Nothing that it raises gets out."""
    real = getattr(owner, name, None)
    if not isinstance(real, property) or real.fset is None:
        return
    setters = type("Setters", (), {name: staticmethod(real.fset)})
    mirror(setters, name, lambda result, its, value: call(its, value))
    setattr(owner, name, real.setter(getattr(setters, name)))
