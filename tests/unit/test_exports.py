"""The public names, pinned; and what importing them must not load."""

from __future__ import annotations

import subprocess
import sys

import pyhectiqlab

SLOW = (
    "requests",
    "urllib3",
    "numpy",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "click",
    "psutil",
    "tqdm",
    "nbformat",
)


def test_the_public_names_are_these() -> None:
    assert sorted(pyhectiqlab.__all__) == ["AuthProvider", "Config", "Run", "__version__", "search_runs"]
    for name in pyhectiqlab.__all__:
        assert getattr(pyhectiqlab, name) is not None


def test_a_run_has_these_methods() -> None:
    public = {name for name in dir(pyhectiqlab.Run) if not name.startswith("_")}
    assert public >= {
        "add_config", "add_meta", "add_metrics", "add_tag", "close", "completed", "failed", "flush", "pending",
        "running", "set_note", "status", "stopped", "training",
        "action_mode", "attempt", "author", "dry_mode", "id", "project", "rank", "read_only", "url",
    }  # fmt: skip


def test_importing_the_client_loads_nothing_slow_and_nothing_of_the_lab() -> None:
    script = (
        "import sys, pyhectiqlab, pyhectiqlab.run\n"
        f"slow = [m for m in {SLOW!r} if m in sys.modules]\n"
        "parts = {'pyhectiqlab.server', 'pyhectiqlab.store', 'pyhectiqlab.cli', 'pyhectiqlab.read'}\n"
        "ours = [m for m in sys.modules if '.'.join(m.split('.')[:2]) in parts]\n"
        "print(slow + ours)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_client_starts_no_thread_and_takes_no_signal() -> None:
    script = (
        "import faulthandler, signal, sys, threading\n"
        "before = [signal.getsignal(s) for s in sorted(signal.valid_signals())], sys.exit, sys.excepthook\n"
        "import pyhectiqlab\n"
        "after = [signal.getsignal(s) for s in sorted(signal.valid_signals())], sys.exit, sys.excepthook\n"
        "print(before == after, threading.active_count(), faulthandler.is_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1", "False"]
