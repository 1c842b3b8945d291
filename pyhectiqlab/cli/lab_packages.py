"""The packages that a lab and an administrator's commands need, and the client does not."""

from __future__ import annotations

import importlib.util

from ..base.installing import install_advice

NAMES = ("fastapi", "uvicorn", "sqlalchemy", "argon2", "numpy", "pcodec", "prometheus_client", "zstandard")


def packages_missing(failed: str | None = None) -> str:
    """Return a sentence that says which packages are missing and how to install them; "" where none is.

    failed: the name of a module whose import failed: "" is returned where it is not of these packages.
    """
    if failed is not None and failed.partition(".")[0] not in NAMES:
        return ""
    missing = [name for name in NAMES if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"The lab needs packages that are not installed ({', '.join(missing)}): {install_advice('server')}"
