"""Names of runs for folders of logs."""

from __future__ import annotations

import os
import socket
from datetime import datetime

PARTS_MAX = 3


def default_folder(comment: str = "") -> str:
    """Return the folder that TensorBoard takes where none is given."""
    return os.path.join("runs", datetime.now().strftime("%b%d_%H-%M-%S_") + socket.gethostname() + comment)


def run_name(folder: str) -> str:
    """Return the folder below the working folder, else its last parts; without a `runs` or `logs` before it."""
    path = os.path.relpath(folder) if not os.path.isabs(folder) else folder
    below = os.path.relpath(path)
    path = below if not below.startswith("..") else path
    parts = [part for part in path.replace(os.sep, "/").split("/") if part not in ("", ".", "..")]
    if len(parts) > 1 and parts[0] in ("runs", "logs", "log"):
        parts = parts[1:]
    return "/".join(parts[-PARTS_MAX:]) or "tensorboard"
