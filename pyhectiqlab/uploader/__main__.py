"""`python -m pyhectiqlab.uploader SESSION_DIR [OWNER_PIDFD ADOPT IMPORT_PATH CHANNEL]`: in a fresh interpreter."""

import os
import sys

if __name__ == "__main__":
    session, owner_fd, adopt, path, channel = (*sys.argv[1:], *["-1", "0", "", "-1"][len(sys.argv) - 2 :])
    sys.path.extend(p for p in path.split(os.pathsep) if p and p not in sys.path)
    from pyhectiqlab.uploader.main import run_spawned

    run_spawned(session, int(owner_fd), adopt == "1", int(channel))
