"""Sample how busy the machine and a tree of its processes are: CPU, memory, disk, network, GPUs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

PREFIX = "system/"


class Load:
    """Samples the machine. Use it from one thread. A sample takes some milliseconds, most of them to look at every
    process of the machine.

    Args:
        pid: root of the process tree; None if that is on another machine.
        folder: a folder on the file system whose free space is sampled.
    """

    def __init__(self, pid: int | None, folder: Path) -> None:
        self._folder = folder
        self._tree: dict[int, psutil.Process] = {}
        self._root = None
        with contextlib.suppress(psutil.Error):
            self._root = psutil.Process(pid) if pid is not None else None
        self._network, self._at = _network_bytes(), time.monotonic()
        psutil.cpu_percent(None)  # the first answer means nothing
        self._process()
        self._cards = _cards()

    def sample(self) -> dict[str, float]:
        """Return {key: value} for the time since the last sample. A key is missing if the system does not say.

        system/cpu and system/memory: percent of the machine. system/process/cpu: percent of one core, over the tree;
        system/process/memory: bytes resident, shared pages counted by each process. system/disk_free: bytes.
        system/network/…: bytes per second, without the loopback. system/gpu/N/…: percent and bytes.
        """
        now = time.monotonic()
        span_s, self._at = max(now - self._at, 1e-3), now
        values = {"cpu": psutil.cpu_percent(None), "memory": psutil.virtual_memory().percent, **self._process()}
        with contextlib.suppress(OSError):
            values["disk_free"] = float(psutil.disk_usage(str(self._folder)).free)
        before, self._network = self._network, _network_bytes()
        for name, old, new in zip(("network/sent", "network/received"), before, self._network, strict=True):
            if new >= old:  # otherwise a network card was removed
                values[name] = (new - old) / span_s
        for i, card in enumerate(self._cards):
            values.update({f"gpu/{i}/{name}": value for name, value in _card(card)})
        return {PREFIX + name: value for name, value in values.items()}

    def _process(self) -> dict[str, float]:
        try:
            processes = [self._root, *self._root.children(recursive=True)] if self._root is not None else []
        except psutil.Error:  # it just ended
            return {}
        # Keep the objects of the last sample: each knows its CPU time of then.
        self._tree = {p.pid: self._tree[p.pid] if self._tree.get(p.pid) == p else p for p in processes}
        cpu = memory = 0.0
        for process in self._tree.values():
            with contextlib.suppress(psutil.Error):
                cpu += process.cpu_percent(None)
                memory += process.memory_info().rss
        return {"process/cpu": cpu, "process/memory": memory} if self._tree else {}


def _network_bytes() -> tuple[int, int]:
    """Return (sent, received) since boot."""
    cards = [c for name, c in psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
    return sum(c.bytes_sent for c in cards), sum(c.bytes_recv for c in cards)


def _cards() -> list[Any]:
    """Return NVML's handles; none if pynvml is not installed or there is no driver."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _card(handle: Any) -> Iterator[tuple[str, float]]:
    import pynvml

    with contextlib.suppress(pynvml.NVMLError):
        yield "util", float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with contextlib.suppress(pynvml.NVMLError):
        yield "memory", float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
