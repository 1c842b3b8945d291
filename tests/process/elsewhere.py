"""Another machine, as the kernel can make one.

It has a boot id, a host name, processes, memory and a network of its own, and shares the disk with this one.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap

import pytest

from .conftest import Site

# The first process stays until all others of the machine have ended, as a machine does; `mount` names no path of the
# host.
BOOT = """
hostname "$1"; shift
id=$(mktemp); cat /proc/sys/kernel/random/uuid > "$id"
mount --bind "$id" /proc/sys/kernel/random/boot_id && rm "$id" || exit 70
mount -t tmpfs tmpfs /dev/shm || exit 70
"$@" <&0 & child=$!
wait $child; status=$?
while set -- /proc/[0-9]*; [ $# -gt 1 ]; do sleep 0.1; done
exit $status
"""


def _boot(host: str) -> list[str]:
    return ["unshare", "--map-root-user", "-mnpfu", "--mount-proc", "--kill-child", "bash", "-c", BOOT, "boot", host]


@functools.cache
def is_possible() -> bool:
    try:
        tried = subprocess.run([*_boot("probe"), "true"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


needs_another_machine = pytest.mark.skipif(
    sys.platform != "linux" or not is_possible(), reason="no user namespaces here"
)


def start(site: Site, host: str, script: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Start a script on a machine without network. Killing it kills the machine with everything that runs there."""
    pipe = subprocess.PIPE
    command = [*_boot(host), sys.executable, "-c", textwrap.dedent(script), *arguments]
    process = subprocess.Popen(command, env={**site.env, **env}, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    site.started.append(process)
    return process
