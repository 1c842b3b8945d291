"""Loaded at the start of every Python below `hectiqlab run --instead-of …`: installs the hook of the stand-ins.

Then it loads the sitecustomize that this one hides.
"""

import importlib
import os
import sys
from collections.abc import Callable


def _begin() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    try:
        from _hectiqlab_hook import install
    except ImportError:
        sys.stderr.write(
            f"hectiqlab: pyhectiqlab is not installed for {sys.executable}: its imports stay as they are.\n"
        )
    else:
        begin: Callable[[], None] = install
        begin()
    this = sys.modules.pop(__name__)
    try:
        importlib.import_module(__name__)
    except ImportError as e:
        if e.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault(__name__, this)


if __name__ == "sitecustomize":
    _begin()
