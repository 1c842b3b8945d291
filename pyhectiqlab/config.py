"""Config: nested parameters, used like a dictionary or like an object, saved as JSON or YAML."""

from __future__ import annotations

import copy
import reprlib
import textwrap
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from .capture.plain import DEPTH_MAX, as_mapping, plain

if TYPE_CHECKING:
    import argparse
    import os

__all__ = ["Config", "plain"]

LINE = 100  # a longer repr is split over lines
Plain = dict[str, Any]  # needed because Config.dict hides the builtin from annotations in the class
_C = TypeVar("_C", bound="Config")


class TakesMeta(Protocol):
    """The part of a Run that a Config uses."""

    def add_meta(self, key: str, value: Any) -> None: ...


class Config(MutableMapping[str, Any]):
    """Parameters by name. A nested mapping becomes a Config too.

        config = Config(lr=1e-3, model=Config(layers=4))
        config.model.layers, config["model"]["layers"]
        train(**config.model)

    A subclass may assign defaults in its body; each config gets its own copy of them. Methods and properties stay what
    they are:

        class Training(Config):
            lr = 1e-3

        Training(epochs=10)  # Training(lr=0.001, epochs=10)

    A name that is also a method (`keys`, `items`, `copy`, …) is read as config["items"] only. A name that begins with
    an underscore is a parameter if it is given to the constructor or by `[]`, and a plain attribute if it is assigned
    by a dot. Reading a name that the config lacks raises AttributeError or KeyError, which suggest the nearest names.
    No method waits for anything but the disk.
    """

    _defaults: ClassVar[Plain] = {}
    _values: Plain

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = {k: v for k, v in vars(cls).items() if not k.startswith("_") and not _is_behaviour(v)}
        for name in own:
            delattr(cls, name)  # otherwise it would hide the value of the same name
        inherited = {k: v for base in reversed(cls.__mro__[1:]) for k, v in getattr(base, "_defaults", {}).items()}
        cls._defaults = {**inherited, **own}

    def __new__(cls, /, *args: Any, **values: Any) -> Any:
        # Not in __init__, because that of a subclass may begin with self.x = …
        self = super().__new__(cls)
        object.__setattr__(self, "_values", {})
        for key, value in copy.deepcopy(cls._defaults).items():
            self[key] = value
        return self

    def __init__(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        for source in (mapping or {}, values):
            for key, value in source.items():
                self[key] = value

    @classmethod
    def from_dict(cls: type[_C], values: Any) -> _C:
        """Make a config of a mapping, an argparse.Namespace, a dataclass, or a mapping of another library.

        Other libraries are OmegaConf and ml_collections, for example. Nested ones become configs too. Keys become
        texts.

        Raises:
            TypeError: it is none of these.
            ValueError: it contains itself, or is nested deeper than 48.
        """
        mapping = as_mapping(values)
        if mapping is None:
            raise TypeError(f"a config is made from a mapping, a Namespace or a dataclass, not {type(values).__name__}")
        return cls(**_nested(mapping, {id(values)}))

    @classmethod
    def from_args(cls: type[_C], args: argparse.Namespace) -> _C:
        """Make a config of what `ArgumentParser.parse_args()` returns."""
        return cls.from_dict(args)

    @property
    def dict(self) -> Plain:
        """The config as a plain dict, nested ones included. Raises ValueError for a config that contains itself."""
        return _dict_of(self, set())

    # Files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the config as JSON (.json) or YAML (.yaml, .yml). Replaces the file.

        None, bool, int, float (NaN and ±Inf too), str, lists and nested configs come back as they are; tuples as lists,
        anything else as its text.

        Raises:
            ValueError: another extension.
            ConfigurationError: PyYAML is missing.
            OSError: the file cannot be written.
        """
        from .base.configfile import save

        save(Path(path), plain(self))

    @classmethod
    def load(cls: type[_C], path: str | os.PathLike[str]) -> _C:
        """Read what `save` wrote, or a JSON or YAML file of your own. Pickles are refused, because they run code.

        Raises:
            ValueError: the file holds no parameters.
            ConfigurationError: PyYAML is missing.
            OSError: the file cannot be read.
        """
        from .base.configfile import load

        return cls.from_dict(load(Path(path)))

    def push_as_meta(self, run: TakesMeta, prefix: str = "") -> None:
        """Store each value as a meta of the run, nested ones as `prefix/name/name`. Never waits.

        Raises what `Run.add_meta` raises, and ValueError for a config that contains itself.
        """
        for name, value in _flat(self.dict, prefix):
            run.add_meta(name, value)

    # A mapping --------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise KeyError(self._unknown(key)) from None

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the name of a parameter is a text, not {key!r}")
        if isinstance(value, Mapping) and not isinstance(value, Config):
            value = Config.from_dict(value)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self._values:
            raise KeyError(self._unknown(key))
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    # An object --------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if (name.startswith("__") and name.endswith("__")) or name == "_values":
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self._unknown(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        own = next((vars(c)[name] for c in type(self).__mro__ if name in vars(c)), None)
        if own is not None and not isinstance(own, property):
            raise AttributeError(f"{name} is a method of {type(self).__name__}: set the parameter by config[{name!r}]")
        if own is not None or (name.startswith("_") and name not in self._values):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __delattr__(self, name: str) -> None:
        if name in self._values:
            del self._values[name]
        elif name in vars(self):
            object.__delattr__(self, name)
        else:
            raise AttributeError(self._unknown(name))

    def _unknown(self, key: object) -> str:
        import difflib  # imported only after a typing mistake

        near = difflib.get_close_matches(str(key), map(str, self._values), n=3)
        return f"no parameter {key!r} in this config" + (
            f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        )

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        name = type(self).__name__
        items = [f"{k}={v!r}" if k.isidentifier() else f"**{{{k!r}: {v!r}}}" for k, v in self._values.items()]
        line = f"{name}({', '.join(items)})"
        if len(line) <= LINE and "\n" not in line:
            return line
        return f"{name}(\n" + textwrap.indent("".join(f"{item},\n" for item in items), "    ") + ")"

    def copy(self: _C) -> _C:
        """Return a copy whose nested configs are copies too. Other values are shared."""
        made: _C = type(self).__new__(type(self))
        vars(made).update(vars(self))
        object.__setattr__(
            made, "_values", {k: v.copy() if isinstance(v, Config) else v for k, v in self._values.items()}
        )
        return made

    __copy__ = copy


def _nested(mapping: Mapping[Any, Any], within: set[int]) -> Plain:
    """Return the mapping's values by their names, which are made texts; a value that is a mapping becomes a Config.
    `within`: ids of the mappings that are being read.
    """
    values: Plain = {}
    for key, value in mapping.items():
        name = str(key)
        inner = as_mapping(value)
        if inner is None:
            values[name] = value
        elif id(value) in within or len(within) >= DEPTH_MAX:
            what = "contains itself" if id(value) in within else f"is nested deeper than {DEPTH_MAX}"
            raise ValueError(f"the parameter {name!r} {what}: no config can hold it")
        else:
            values[name] = Config(**_nested(inner, {*within, id(value)}))
    return values


def _dict_of(config: Config, within: set[int]) -> Plain:
    if id(config) in within:
        raise ValueError("this config contains itself: no plain dict can hold it")
    around = {*within, id(config)}
    return {k: _dict_of(v, around) if isinstance(v, Config) else v for k, v in config._values.items()}


def _flat(values: Plain, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, dict):
            yield from _flat(value, name)
        else:
            yield name, value


def _is_behaviour(value: object) -> bool:
    """Return whether something in a class's body is not the default of a parameter: a method, a property, a class."""
    return callable(value) or hasattr(type(value), "__get__")
