"""Find the versions of the packages that a script uses, without importing anything."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

_IGNORED = frozenset(sys.stdlib_module_names) | {"__main__", "builtins"}


def versions(packages: Any, deadline: float) -> dict[str, str]:
    """Return {package: version}, sorted, for what `packages` names. What has no version (a script's own modules) is
    left out.

    Args:
        packages: a namespace such as globals() means the packages of its modules, classes and functions. Or give
            modules and names. None: all that is imported.
        deadline: a time of time.monotonic(), at which the search in distributions ends.

    Raises TypeError for anything else.
    """
    by_name: dict[str, str] = {}
    unknown: set[str] = set()
    for name in sorted(_names(packages)):
        version = _version(name)
        if version is not None:
            by_name[name] = version
        elif _is_installed(name):
            unknown.add(name)
    by_name.update(_search(unknown, deadline))
    return dict(sorted(by_name.items()))


def _names(packages: Any) -> set[str]:
    """Return the top-level names of packages."""
    if packages is None:
        named: Iterable[Any] = [name for name in list(sys.modules) if not name.startswith("_")]
    elif isinstance(packages, Mapping):
        named = [_module_of(value) for name, value in list(packages.items()) if not str(name).startswith("__")]
    elif isinstance(packages, str | ModuleType):
        named = [packages]
    elif isinstance(packages, Iterable):
        named = list(packages)
        if not all(isinstance(item, str | ModuleType) for item in named):
            raise TypeError("packages are modules or their names; or pass globals()")
    else:
        raise TypeError(f"add_package_versions takes globals() or a list of modules, not {type(packages).__name__}")
    texts = (item.__name__ if isinstance(item, ModuleType) else item for item in named)
    return {text.partition(".")[0] for text in texts if isinstance(text, str) and text} - _IGNORED


def _module_of(value: object) -> str | None:
    """Return the module that a value of a namespace comes from; None for plain values."""
    if isinstance(value, ModuleType):
        return value.__name__
    module = (
        getattr(value, "__module__", None) if isinstance(value, type | FunctionType | BuiltinFunctionType) else None
    )
    return module if isinstance(module, str) else None


def _version(name: str) -> str | None:
    """Return the version that the loaded module says, else that of the distribution of the same name."""
    module = sys.modules.get(name)
    named = vars(module).get("__version__") if isinstance(module, ModuleType) else None  # no lazy __getattr__ is run
    if isinstance(named, str) and named:
        return str(named)
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return None


def _is_installed(name: str) -> bool:
    """Return whether the module is where packages are installed, so that it may belong to a distribution of another
    name.
    """
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and ("site-packages" in file or "dist-packages" in file)


def _search(names: set[str], deadline: float) -> dict[str, str]:
    """Return versions by the top-level names that distributions list. This reads a file for each distribution, hence
    the deadline.
    """
    by_name: dict[str, str] = {}
    if not names:
        return by_name
    for distribution in metadata.distributions():
        if time.monotonic() > deadline or len(by_name) == len(names):
            break
        try:
            for name in names & _holds(distribution, names):
                by_name[name] = distribution.version
        except (OSError, ValueError, KeyError):
            continue  # the installation of another package is broken
    return by_name


def _holds(distribution: metadata.Distribution, names: set[str]) -> set[str]:
    """Return which of the names are top-level packages of the distribution."""
    listed = distribution.read_text("top_level.txt")
    if listed is not None:
        return set(listed.split())
    files = "\n" + (distribution.read_text("RECORD") or "")
    return {name for name in names if f"\n{name}/__init__.py," in files or f"\n{name}.py," in files}


def location(package: str | ModuleType) -> Path:
    """Return the folder of a package, which need not be imported. Raises TypeError; ValueError if there is no such
    folder.
    """
    if not isinstance(package, str | ModuleType):
        raise TypeError(f"a package is a name or a module, not {type(package).__name__}")
    name = (package if isinstance(package, str) else package.__name__).partition(".")[0]
    module = sys.modules.get(name)
    paths = list(getattr(module, "__path__", ()) or ())
    file = getattr(module, "__file__", None)
    if module is None:
        try:
            spec = importlib.util.find_spec(name) if name.isidentifier() else None
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise ValueError(f"there is no package {name!r} here: check its name, or install it")
        paths, file = list(spec.submodule_search_locations or ()), spec.origin if spec.has_location else None
    if paths:
        return Path(paths[0])
    if not file:
        raise ValueError(f"{name!r} is part of Python, it has no repository")
    return Path(file).parent
