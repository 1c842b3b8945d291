"""Summary: the newest value of each key, and what a script sets itself. What is set goes to the run's meta."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from ..quiet import harmless


class Summary(MutableMapping[str, Any]):
    """Args: last: the newest numbers, which the history keeps. store: is called with each key and value that is set."""

    def __init__(self, last: dict[str, Any], store: Callable[[str, Any], None] | None = None) -> None:
        object.__setattr__(self, "_last", last)
        object.__setattr__(self, "_own", {})
        object.__setattr__(self, "_store", harmless(store or (lambda key, value: None)))

    def __setitem__(self, key: str, value: Any) -> None:
        self._own[key] = value
        self._store(str(key), value)

    def update(self, d: Any = None, **more: Any) -> None:  # type: ignore[override]
        for key, value in {**dict(d or {}), **more}.items():
            self[key] = value

    def __getitem__(self, key: str) -> Any:
        return self._own[key] if key in self._own else self._last[key]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __delitem__(self, key: str) -> None:
        self._own.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._last, **self._own})

    def __len__(self) -> int:
        return len({**self._last, **self._own})

    def __repr__(self) -> str:
        return str(self._as_dict())

    def _as_dict(self) -> dict[str, Any]:
        return {**self._last, **self._own}


def plain(value: Any) -> Any:
    """Return what of a summary's value can be stored as meta."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", None) in (1, None):
        return item()
    return value
