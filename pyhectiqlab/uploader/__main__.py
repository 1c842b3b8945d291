"""`python -m pyhectiqlab.uploader SESSION_DIR [OWNER_PIDFD ADOPT CHANNEL ROOT PATH...]`: in a fresh interpreter.

ROOT is the folder, or zip file, that this package is to come from, whatever else is installed. The PATHs hold what it
depends on; they come behind the interpreter's own, so that no file of a script can shadow the standard library.
"""

import sys


def _import_package(root: str) -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("pyhectiqlab", [root])
    if spec is not None and spec.loader is not None:
        module = sys.modules["pyhectiqlab"] = module_from_spec(spec)
        spec.loader.exec_module(module)


if __name__ == "__main__":
    session, owner_fd, adopt, channel, root, *paths = (*sys.argv[1:], *["-1", "0", "-1", ""][len(sys.argv) - 2 :])
    sys.path.extend(p for p in paths if p not in sys.path)
    if root:
        _import_package(root)
    from pyhectiqlab.uploader.main import run_spawned

    run_spawned(session, int(owner_fd), adopt == "1", int(channel))
