"""Config: W&B's, with items and attributes. Every change goes to the config of the run at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..quiet import harmless
from .sdk.lib.config_util import ConfigError


class Config(MutableMapping[str, Any]):
    """Args: store: is called with each change, as a dict."""

    def __init__(self, store: Callable[[dict[str, Any]], None] | None = None) -> None:
        object.__setattr__(self, "_items", {})
        object.__setattr__(self, "_store", harmless(store or (lambda change: None)))
        object.__setattr__(self, "_may_change", False)

    def _set(self, key: Any, value: Any, may_change: bool) -> None:
        if key in self._items and self._items[key] != value and not (may_change or self._may_change):
            raise ConfigError(
                f'Attempted to change value of key "{key}" from {self._items[key]} to {value}\n'
                "If you really want to do this, pass allow_val_change=True to config.update()"
            )
        self._items[key] = value

    def update(self, d: Any = None, allow_val_change: bool | None = None, **more: Any) -> None:  # type: ignore[override]
        given = {**as_dict(d), **more}
        for key, value in given.items():
            self._set(key, value, bool(allow_val_change))
        if given:
            self._store(given)

    def update_locked(self, d: Any, user: str | None = None, _allow_val_change: bool | None = None) -> None:
        self.update(d, allow_val_change=True)

    def setdefaults(self, d: Any) -> None:
        self.update({key: value for key, value in as_dict(d).items() if key not in self._items})

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set(key, value, False)
        self._store({str(key): value})

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_items"][name]
        except KeyError:
            raise AttributeError(f"{type(self)!r} object has no attribute {name!r}") from None

    def __delitem__(self, key: Any) -> None:
        del self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __repr__(self) -> str:
        return str(self._items)

    def as_dict(self) -> dict[str, Any]:
        return dict(self._items)

    def persist(self) -> None:
        """Do nothing: every change is on its way."""


def as_dict(given: Any) -> dict[str, Any]:
    """Return a config as a dict: a mapping, a namespace, flags of absl, or the path of a YAML or JSON file."""
    if given is None:
        return {}
    if isinstance(given, str | Path):
        return _of_file(Path(given))
    if isinstance(given, argparse.Namespace):
        return dict(vars(given))
    if hasattr(given, "flag_values_dict"):  # absl
        return dict(given.flag_values_dict())
    if hasattr(given, "to_dict") and not isinstance(given, Mapping):
        return dict(given.to_dict())
    return dict(given) if isinstance(given, Mapping) or hasattr(given, "keys") else dict(vars(given))


def _of_file(path: Path) -> dict[str, Any]:
    import json

    text = path.read_text()
    if path.suffix == ".json":
        return dict(json.loads(text))
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"reading {path} needs pyyaml") from None
    values = yaml.safe_load(text) or {}
    values.pop("wandb_version", None)
    return {
        key: value["value"] if isinstance(value, dict) and "value" in value else value for key, value in values.items()
    }
