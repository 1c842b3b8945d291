"""Config files: JSON and YAML, told apart by the extension."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigurationError
from .installing import install_advice

_YAML = (".yaml", ".yml")
# In YAML 1.2, 1e-3 is a number. PyYAML reads it as a text, and a learning rate that is a text fails far from here.
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")


def save(path: Path, values: dict[str, Any]) -> None:
    """Write a config file; see Config.save. Raises ValueError, ConfigurationError or OSError."""
    if path.suffix.lower() in _YAML:
        text = _yaml().safe_dump(values, sort_keys=False, allow_unicode=True)
    else:
        _check_json(path)
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")


def load(path: Path) -> dict[Any, Any]:
    """Read a config file; see Config.load. Raises ValueError, ConfigurationError or OSError."""
    raw = path.read_bytes()
    if path.suffix.lower() in (".pkl", ".pickle") or raw[:1] == b"\x80":
        raise ValueError(
            f"{path} is a pickle, which runs code when it is loaded: unpickle it yourself where you trust it, and keep "
            "it with Config.from_dict(values).save('config.json')"
        )
    is_yaml = path.suffix.lower() in _YAML
    if not is_yaml:
        _check_json(path)
    try:
        values = _load_yaml(raw) if is_yaml else json.loads(raw)
    except ValueError as e:
        raise ValueError(f"{path} is no {'YAML' if is_yaml else 'JSON'}: {' '.join(str(e).split())}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no parameters by name, but {type(values).__name__}")
    return values


def _load_yaml(raw: bytes) -> Any:
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined,misc]
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        return yaml.load(raw, Loader)
    except yaml.YAMLError as e:
        raise ValueError(str(e)) from None


def _check_json(path: Path) -> None:
    if path.suffix.lower() != ".json":
        raise ValueError(f"a config file ends in .json, .yaml or .yml, not {path.suffix or 'nothing'!r}: {path}")


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(f"YAML needs PyYAML: {install_advice('yaml')}, or use a .json file.") from None
    module: ModuleType = yaml
    return module
