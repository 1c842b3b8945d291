"""Ports for servers that a test starts itself, or starts again where they were."""

from __future__ import annotations

import socket
from contextlib import suppress
from secrets import randbelow

# The system gives ports from 32,768 (Linux) or 49,152 on to whoever asks for any: another test's server or connection
# may have one before the server that it was chosen for listens.
LOWEST, PORTS = 20_000, 12_000


def free_ports(n: int) -> list[int]:
    """Return n ports of the loopback that nobody listens on, and that the system gives to nobody else."""
    ports: set[int] = set()
    while len(ports) < n:
        port = LOWEST + randbelow(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


def free_port() -> int:
    return free_ports(1)[0]
