"""What a launcher says of a process, from its environment alone."""

from __future__ import annotations

import os

import pytest

from pyhectiqlab.capture.launcher import Place, dies_with_job, job, place
from pyhectiqlab.capture.process import host, start_time

TORCH = {"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RESTART_COUNT": "2"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_RESTART_COUNT": "1"}


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, Place(0, 1, None)),
        (TORCH, Place(3, 8, "2")),
        (MPI, Place(1, 4, None)),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, Place(0, 2, None)),
        (SLURM, Place(5, 16, "1")),
        (SLURM | TORCH, Place(3, 8, "2")),
        (SLURM | MPI, Place(1, 4, "1")),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Place(0, 1, None)),
        ({"SLURM_RESTART_COUNT": "4"}, Place(0, 1, "4")),
    ],
)
def test_the_most_specific_launcher_is_believed(environ: dict[str, str], expected: Place) -> None:
    assert place(environ) == expected


@pytest.mark.parametrize(
    "rank, size", [("x", "2"), ("1", ""), ("2", "2"), ("-1", "2"), ("0", "0"), ("1.5", "2"), ("1", "x")]
)
def test_what_makes_no_sense_counts_as_absent(rank: str, size: str) -> None:
    assert place({"RANK": rank, "WORLD_SIZE": size}) == Place()
    assert place({"RANK": rank, "WORLD_SIZE": size} | MPI) == Place(1, 4)


def test_a_rank_alone_is_no_launcher() -> None:
    assert place({"RANK": "3"}) == Place()


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "PBS_JOBID", "LSB_JOBID", "CI"])
def test_batch_systems_take_helpers_with_them(variable: str) -> None:
    assert dies_with_job({variable: "1"}) and not dies_with_job({variable: ""})
    assert not dies_with_job({})


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, ""),
        ({"SLURM_JOB_ID": "42"}, "slurm/42/0"),
        ({"SLURM_JOB_ID": "42", "SLURM_RESTART_COUNT": "3"}, "slurm/42/3"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "train-resnet-x7k2p"}, "kubernetes/train-resnet/x7k2p"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "notebook-0"}, ""),
        ({"HOSTNAME": "train-resnet-x7k2p"}, ""),
        (TORCH | {"TORCHELASTIC_RUN_ID": "9f/1"}, "torchrun:9f:1"),
        (TORCH | {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4"}, ""),  # one of several machines
        (MPI | {"PMIX_NAMESPACE": "prterun-h-7"}, "PMIX_NAMESPACE:prterun-h-7"),
        (TORCH | {"TORCHELASTIC_RUN_ID": "9f", "SLURM_JOB_ID": "42"}, "slurm/42/0"),
    ],
)
def test_the_batch_systems_job_is_known_by_its_environment(environ: dict[str, str], expected: str) -> None:
    assert job(environ) == expected


def test_torchrun_on_one_machine_is_known_by_its_process() -> None:
    environ = TORCH | {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "8"}
    assert job(environ) == f"torchrun:{host()}:{os.getppid()}:{start_time(os.getppid())}"
