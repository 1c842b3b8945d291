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
    source, editable = _source() if here else (None, False)
    wanted = f"[{extra}]" if extra else ""
    if source is not None and "://" in source:
        return f"pip install '{_NAME}{wanted} @ {source}'"
    return f"pip install {'-e ' if editable else ''}'{source or _CLONE}{wanted}'"


def upgrade_advice(extra: str = "") -> str:
    """Return what to do for a newer version."""
    source, _ = _source()
    if source is not None and "://" in source:
        return install_advice(extra).replace("pip install", "pip install --upgrade", 1)
    if source is not None and source.endswith((".whl", ".tar.gz")):
        file = Path(source)
        newer = f"'{file.parent}/NEWER{file.suffix}{f'[{extra}]' if extra else ''}'"
        return f"pip install {newer}, with the name of the newer file"
    pages = "run scripts/build-web there, " if extra == "server" else ""
    return f"bring its clone up to date, {pages}then {install_advice(extra)}"


def _source() -> tuple[str | None, bool]:
    """Return the folder, file or address that this package was installed from (None where it is not known), and whether
    changes of that folder count at once (`pip install -e`).
    """
    package = Path(__file__).parents[1]
    if (package.parent / "setup.cfg").is_file():  # it runs in its clone
        return str(package.parent), _is_editable(package.parent)
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(_NAME)
        if Path(str(installed.locate_file(_NAME))).resolve() != package.resolve():
            return None, False  # the metadata of another package of this name
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        parts = urlsplit(origin.get("url", ""))
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return None, False
    if parts.scheme == "file":
        path = unquote(parts.path)
        return (path if Path(path).exists() else None), False
    if parts.scheme:  # without a name and password that somebody installed it with
        place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return (f"git+{place}" if "vcs_info" in origin else place), False
    return None, False


def _is_editable(clone: Path) -> bool:
    """Return whether pip has noted that the clone was installed with -e."""
    from importlib.metadata import distributions

    for installed in distributions(name=_NAME):
        try:
            origin = json.loads(installed.read_text("direct_url.json") or "{}")
            path = unquote(urlsplit(origin["url"]).path)
            if origin["dir_info"].get("editable") and Path(path).resolve() == clone.resolve():
                return True
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return False
