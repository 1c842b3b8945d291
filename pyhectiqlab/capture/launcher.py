"""Read what a launcher says of this process: rank, world size and how often the job was restarted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..base.lazyclass import dataclass
from .process import host, start_time


@dataclass(frozen=True)
class Place:
    """The place of a process in a job. `restart`: the launcher's restart count; None where no launcher counts."""

    rank: int = 0
    world_size: int = 1
    restart: str | None = None


# (rank, world size, restart count), the most specific launcher first.
_LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "SLURM_RESTART_COUNT"),
    ("PMI_RANK", "PMI_SIZE", "SLURM_RESTART_COUNT"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_RESTART_COUNT"),
)

_JOB_CHARS_MAX = 256


def place(environ: Mapping[str, str] = os.environ) -> Place:
    """Return the place that the environment names. A variable that is no number counts as absent."""
    for rank_name, size_name, restart_name in _LAUNCHERS:
        try:
            rank, size = int(environ[rank_name]), int(environ[size_name])
        except (KeyError, ValueError):
            continue
        if 0 <= rank < size:
            return Place(rank, size, environ.get(restart_name))
    return Place(restart=environ.get("SLURM_RESTART_COUNT"))


def dies_with_job(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether helper processes are likely killed as soon as the script ends, because it is PID 1 of a container,
    a batch job, or runs in CI.
    """
    names = ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "PBS_JOBID", "LSB_JOBID", "CI")
    return os.getpid() == 1 or any(environ.get(name) for name in names)


def job(environ: Mapping[str, str] = os.environ) -> str:
    """Return the job that this process belongs to: of a batch system, as `system/id/count`; else of a launcher, as
    `launcher:id`, which has no /. "" where there is neither.

    The count changes when the system starts the same job again: Slurm counts requeues; in Kubernetes, a new pod of the
    same Job has another suffix.
    """
    if number := environ.get("SLURM_JOB_ID"):
        return f"slurm/{number}/{environ.get('SLURM_RESTART_COUNT', '0')}"[:_JOB_CHARS_MAX]
    if environ.get("KUBERNETES_SERVICE_HOST"):
        pod = re.fullmatch(r"(.+)-([a-z0-9]{5})", environ.get("HOSTNAME", ""))
        if pod:
            return f"kubernetes/{pod[1]}/{pod[2]}"[:_JOB_CHARS_MAX]
    return (launchers_job(environ) or "").replace("/", ":")[:_JOB_CHARS_MAX]


def launchers_job(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what all ranks of a job know and no other job does, from the launcher that is nearest to them. It stays
    the same when the launcher starts them again.
    """
    if (run_id := environ.get("TORCHELASTIC_RUN_ID", "none")) != "none":
        return f"torchrun/{run_id}"
    if "TORCHELASTIC_RESTART_COUNT" in environ and environ.get("LOCAL_WORLD_SIZE") == environ.get("WORLD_SIZE"):
        parent = os.getppid()  # torchrun: it lives while its ranks are started again
        return f"torchrun/{host()}/{parent}/{start_time(parent)}"
    for names in (("PMIX_NAMESPACE",), ("OMPI_MCA_ess_base_jobid",), ("SLURM_JOB_ID", "SLURM_STEP_ID")):
        if all(environ.get(name) for name in names):
            return "/".join([names[0], *(environ[name] for name in names)])
    return None
