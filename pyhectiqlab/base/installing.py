"""How to install this package again, with an extra, from where it came. On PyPI, its bare name is another package."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "pyhectiqlab"
_CLONE = "path/to/clone"  # as in README.md


def install_advice(extra: str = "", *, here: bool = True) -> str:
    """Return a command such as `pip install '/home/ada/pyhectiqlab[server]'`. `here`: for this machine, not for another
    one.
    """
    source = _source() if here else None
    wanted = f"[{extra}]" if extra else ""
    if source is not None and "://" in source:
        return f"pip install '{_NAME}{wanted} @ {source}'"
    return f"pip install '{source or _CLONE}{wanted}'"


def upgrade_advice(extra: str = "") -> str:
    """Return what to do for a newer version."""
    source = _source()
    if source is not None and "://" in source:
        return install_advice(extra).replace("pip install", "pip install --upgrade", 1)
    return f"bring its clone up to date, then {install_advice(extra)}"


def _source() -> str | None:
    """Return the folder or address that this package was installed from; None where it is not known."""
    package = Path(__file__).parents[1]
    if (package.parent / "setup.cfg").is_file():  # it runs in its clone
        return str(package.parent)
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(_NAME)
        if Path(str(installed.locate_file(_NAME))).resolve() != package.resolve():
            return None  # the metadata of another package of this name
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        parts = urlsplit(origin.get("url", ""))
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return None
    if parts.scheme == "file":
        path = unquote(parts.path)
        return path if Path(path).exists() else None
    if parts.scheme:  # without a name and password that somebody installed it with
        place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return f"git+{place}" if "vcs_info" in origin else place
    return None
