"""Config: nested parameters, used like a dictionary or like an object; and the plain values that the lab can store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

__all__ = ["Config", "plain"]

DEPTH_MAX = 64
Plain = dict[str, Any]  # by another name: Config.dict hides the builtin from annotations in the class


class Config(MutableMapping[str, Any]):
    """Parameters by name; a nested mapping becomes a Config too.

        config = Config(lr=1e-3, model=Config(layers=4))
        config.model.layers, config["model"]["layers"]
        train(**config.model)

    Raises AttributeError or KeyError for a name that it lacks, with the nearest names.
    """

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        object.__setattr__(self, "_values", {})
        for source in (mapping or {}, values):
            for key, value in source.items():
                self[key] = value

    @property
    def dict(self) -> Plain:
        """A plain dict of it, nested ones included."""
        return {k: v.dict if isinstance(v, Config) else v for k, v in self._values.items()}

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise KeyError(self._unknown(key)) from None

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the name of a parameter is a text, not {key!r}")
        if isinstance(value, Mapping) and not isinstance(value, Config):
            value = Config(value)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self._values:
            raise KeyError(self._unknown(key))
        del self._values[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self._unknown(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._values:
            raise AttributeError(self._unknown(name))
        del self._values[name]

    def _unknown(self, key: object) -> str:
        import difflib  # only for those who mistyped

        near = difflib.get_close_matches(str(key), map(str, self._values), n=3)
        return f"no parameter {key!r} in this config" + (
            f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"

    def __copy__(self) -> Config:
        return type(self)(self._values)

    def __deepcopy__(self, memo: Any) -> Config:
        import copy

        return type(self)(copy.deepcopy(self._values, memo))

    def __getstate__(self) -> Plain:
        values: Plain = self._values
        return values

    def __setstate__(self, values: Plain) -> None:
        object.__setattr__(self, "_values", {**values})


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as what msgpack and JSON have types for, so that it comes back as it went in; anything else as its text.

    Numbers of numpy and the like become Python's; dataclasses and mappings become dicts, tuples and sets lists.
    Nesting beyond 64 is cut
    to text (and so is a structure that contains itself).
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, float):
        return float(value)
    if depth >= DEPTH_MAX:
        return str(value)[:1000]
    if isinstance(value, Mapping):
        return {str(k): plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v, depth + 1) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
    item = getattr(value, "item", None)
    if callable(item) and tuple(getattr(value, "shape", (0,))) == ():
        return plain(item(), depth + 1)
    return str(value)
