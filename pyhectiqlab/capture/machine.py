"""Describe the machine in plain values: operating system, processor, memory, graphics cards and their driver."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from .command import Command
from .process import host

_QUERY = "--query-gpu=name,memory.total,driver_version"


def start_gpu_query(deadline: float) -> Command | None:
    """Start nvidia-smi, which may take a second. Return None if there is none. So this process itself does not open the
    driver.
    """
    try:
        return Command("nvidia-smi", _QUERY, "--format=csv,noheader,nounits", deadline=deadline)
    except OSError:
        return None


def read_gpu_query(text: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return ([{name, memory_bytes}, …], version of the driver) from what nvidia-smi printed."""
    cards: list[dict[str, Any]] = []
    driver = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3:
            name, mib, driver = cells
            cards.append({"name": name, "memory_bytes": int(mib) << 20 if mib.isdigit() else None})
    return cards, driver


def system(gpus: Command | None) -> dict[str, Any]:
    """Describe the machine. Blocks until `gpus` is done, within its deadline."""
    import psutil

    described: dict[str, Any] = {
        "host": host(),
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }
    output = gpus.finish() if gpus is not None else None
    if output is not None and output.ok:
        cards, driver = read_gpu_query(output.text)
        if cards:
            described |= {"gpus": cards, "gpu_driver": driver}
    torch = sys.modules.get("torch")
    cuda = getattr(getattr(torch, "version", None), "cuda", None)
    if isinstance(cuda, str):
        described["cuda"] = cuda
    return described


def _cpu_name() -> str:
    """Return the processor's name. platform.processor() would run a program, and often knows only the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
